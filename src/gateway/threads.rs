//! The threads that doors are served on. A door stays on one, with all that goes through it: for
//! a request nothing is handed from thread to thread, and nobody is woken. What takes long is done
//! aside (`proxy::aside`), so that it does not hold up the other doors of its thread.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::os::unix::net;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::net::UnixListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// One for each processor.
pub(super) struct Threads(Vec<Arc<Thread>>);

/// A runtime with one worker. One of a single thread would have nobody to go on while something is done aside.
struct Thread {
    handle: Handle,
    runtime: Option<Runtime>,
}

/// A door's place on a thread.
pub(super) struct Place(Arc<Thread>);

/// A door on its thread.
pub(super) struct Served {
    serving: AbortHandle,
    _place: Place,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, NonZero::get);
        (0..count).map(|_| Thread::start().map(Arc::new)).collect::<Result<_, _>>().map(Threads)
    }

    /// On the one that has the fewest doors.
    pub(super) fn place(&self) -> Place {
        let Threads(all) = self;
        let fewest = (0..all.len()).min_by_key(|at| Arc::strong_count(&all[*at]));
        Place(all[fewest.unwrap_or(0)].clone())
    }
}

impl Place {
    /// A listener that is heard of there.
    pub(super) fn hears(&self, listener: net::UnixListener) -> io::Result<UnixListener> {
        let _there = self.0.handle.enter();
        UnixListener::from_std(listener)
    }

    pub(super) fn serve(self, door: impl Future<Output = ()> + Send + 'static) -> Served {
        Served { serving: self.0.handle.spawn(door).abort_handle(), _place: self }
    }
}

impl Served {
    /// Ends it, with all that goes through.
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
        // Whoever lets go of it may be a task, which must not wait for others.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
