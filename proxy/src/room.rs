//! Room for work whose memory and time are out of proportion to what a sandbox sends, such as
//! unpacking bodies. Each door has a limited number of places; more wait. What one sandbox leaves
//! unfinished must not fill the daemon's memory, nor may the work it causes occupy all of its
//! threads.
//!
//! What it is not: the room for a request, or for a body that is read completely; that is taken
//! before any of it is read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Data up to this length is checked in passing.
pub(crate) const SMALL: usize = 64 << 10;

/// The places of one door.
#[derive(Clone)]
pub(crate) struct Rooms {
    /// Bodies that are held in memory because a rule looks into them.
    pub(crate) whole_bodies: Arc<Semaphore>,
    /// Bodies and messages that are unpacked to look into them, and long messages. Separate for
    /// each direction: what goes up may wait for what comes down.
    pub(crate) unpacked: Arc<Semaphore>,
    pub(crate) unpacked_down: Arc<Semaphore>,
    pub(crate) websockets: Arc<Semaphore>,
    /// Requests that the owner is asked about, with their bodies.
    pub(crate) asked: Arc<Semaphore>,
}

/// The most requests of a door that wait for the owner. Each has a body of at most [`policies::ASKED_AT_MOST`] bytes.
const ASKED: usize = 64;

impl Rooms {
    pub(crate) fn new(bodies: usize, websockets: usize) -> Self {
        let [whole_bodies, unpacked, unpacked_down] = [bodies; 3].map(|places| Arc::new(Semaphore::new(places)));
        let (websockets, asked) = (Arc::new(Semaphore::new(websockets)), Arc::new(Semaphore::new(ASKED)));
        Rooms { whole_bodies, unpacked, unpacked_down, websockets, asked }
    }
}

/// A place that is taken when it is needed, after waiting for it.
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

    /// Ready once there is a place, which is then kept.
    pub(crate) fn poll_enter(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken.is_none() {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(self.places.clone().acquire_owned()));
            // A door's places are not closed while anything passes through it.
            self.taken = ready!(waiting.as_mut().poll(cx)).ok();
            self.waiting = None;
        }
        Poll::Ready(())
    }

    pub(crate) fn leave(&mut self) {
        (self.taken, self.waiting) = (None, None);
    }
}

/// Runs work that takes long, or waits for a program: meanwhile other threads take over this
/// thread's tasks. Outside of a runtime, or in a single-threaded one, there are none.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
