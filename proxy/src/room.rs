//! Room for what takes memory and time out of proportion to what a sandbox sends: bodies
//! that are unpacked, for one. So many of a door's at a time; more wait. What one sandbox
//! leaves unfinished must not fill the daemon's memory, nor what it makes us work on take
//! all of its threads.
//!
//! What it is not: the room of a request, or of a body that is read whole, which are there
//! before anything of it is read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// What is no longer than this is looked through in passing.
pub(crate) const SMALL: usize = 64 << 10;

/// The places of one door.
#[derive(Clone)]
pub(crate) struct Rooms {
    /// Bodies that are held in memory because a rule looks into them.
    pub(crate) whole_bodies: Arc<Semaphore>,
    /// Bodies and messages that are unpacked to look into them, and messages that are long. Of
    /// their own for each direction: what goes up may wait for what comes down.
    pub(crate) unpacked: Arc<Semaphore>,
    pub(crate) unpacked_down: Arc<Semaphore>,
    pub(crate) websockets: Arc<Semaphore>,
    /// Requests whose owner is asked about them, with their bodies.
    pub(crate) asked: Arc<Semaphore>,
}

/// As many requests of a door wait for their owner. Each has a body of [`policies::ASKED_AT_MOST`] bytes.
const ASKED: usize = 64;

impl Rooms {
    pub(crate) fn new(bodies: usize, websockets: usize) -> Self {
        let [whole_bodies, unpacked, unpacked_down] = [bodies; 3].map(|places| Arc::new(Semaphore::new(places)));
        let (websockets, asked) = (Arc::new(Semaphore::new(websockets)), Arc::new(Semaphore::new(ASKED)));
        Rooms { whole_bodies, unpacked, unpacked_down, websockets, asked }
    }
}

/// A place that is taken when it is needed, and waited for.
pub(crate) struct Room {
    places: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

impl Room {
    pub(crate) fn new(places: &Arc<Semaphore>) -> Self {
        Room { places: places.clone(), taken: None, waiting: None }
    }

    /// Ready once there is a place; it is kept.
    pub(crate) fn poll_enter(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken.is_none() {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(self.places.clone().acquire_owned()));
            // Nobody closes a door's places while something goes through it.
            self.taken = ready!(waiting.as_mut().poll(cx)).ok();
            self.waiting = None;
        }
        Poll::Ready(())
    }

    pub(crate) fn leave(&mut self) {
        (self.taken, self.waiting) = (None, None);
    }
}

/// Work that takes long, or waits for a program: while it lasts, what else its thread would
/// have done is done by others. Outside of a runtime, and in one that has a single thread,
/// there is nobody else.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
