//! The threads that serve doors. A door stays on one thread with all of its traffic, so that a request is never handed
//! between threads. Slow work runs elsewhere (`proxy::aside`), so as not to delay the thread's other doors.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::os::unix::net;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::net::UnixListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// One thread per processor.
pub(super) struct Threads(Vec<Arc<Thread>>);

/// A runtime with one worker. A current-thread runtime would stall while something runs elsewhere.
struct Thread {
    handle: Handle,
    runtime: Option<Runtime>,
}

/// A door's place on a thread.
pub(super) struct Place(Arc<Thread>);

/// A door served on its thread.
pub(super) struct Served {
    serving: AbortHandle,
    _place: Place,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, NonZero::get);
        (0..count).map(|_| Thread::start().map(Arc::new)).collect::<Result<_, _>>().map(Threads)
    }

    /// A place on the thread with the fewest doors.
    pub(super) fn place(&self) -> Place {
        let Threads(all) = self;
        let fewest = (0..all.len()).min_by_key(|at| Arc::strong_count(&all[*at]));
        Place(all[fewest.unwrap_or(0)].clone())
    }
}

impl Place {
    /// A listener registered with that thread.
    pub(super) fn hears(&self, listener: net::UnixListener) -> io::Result<UnixListener> {
        let _there = self.0.handle.enter();
        UnixListener::from_std(listener)
    }

    pub(super) fn serve(self, door: impl Future<Output = ()> + Send + 'static) -> Served {
        Served { serving: self.0.handle.spawn(door).abort_handle(), _place: self }
    }
}

impl Served {
    /// Ends it, with everything in flight.
    pub(super) fn end(&self) {
        self.serving.abort();
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("doors").enable_all().build()?;
        Ok(Thread { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The last handle may be dropped by a task, which must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
