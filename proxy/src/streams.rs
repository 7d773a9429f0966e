//! The tasks of one HTTP/2 connection: they end with it, and one of them alone where
//! its other side takes nothing any more.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Runs the streams; whoever drops the last handle ends them.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tasks: JoinSet<()>,
    next: Option<Leash>,
}

/// Ends one stream, whatever it waits for.
#[derive(Clone, Default)]
pub(crate) struct Leash(Arc<Notify>);

impl Leash {
    pub(crate) fn pull(&self) {
        self.0.notify_one();
    }
}

impl Streams {
    /// For the next stream: hyper asks for the answer to a request, and right after has
    /// its stream run.
    pub(crate) fn leash(&self) -> Leash {
        self.lock().next.insert(Leash::default()).clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut state = self.lock();
        while state.tasks.try_join_next().is_some() {}
        match state.next.take() {
            None => state.tasks.spawn(stream),
            Some(leash) => state.tasks.spawn(async move {
                tokio::select! {
                    () = stream => {}
                    () = leash.0.notified() => {}
                }
            }),
        };
    }
}
