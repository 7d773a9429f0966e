//! The tasks of one HTTP/2 connection: they end with it, and one of them alone where
//! its other side takes nothing any more.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

/// Runs the streams; whoever drops the last handle ends them.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tasks: JoinSet<()>,
    next: Option<Leash>,
}

/// Ends one stream, whatever it waits for.
#[derive(Clone, Default)]
pub struct Leash(Arc<Notify>);

impl Leash {
    pub(crate) fn pull(&self) {
        self.0.notify_one();
    }
}

impl Streams {
    /// For the next stream: hyper asks for the answer to a request, and right after has
    /// its stream run.
    pub fn leash(&self) -> Leash {
        self.lock().next.insert(Leash::default()).clone()
    }

    /// For a request on an upstream's connection, which the task of that number runs.
    pub(crate) fn turn(&self, driver: Option<task::Id>, leash: Leash, wait: Arc<Wait>) -> Turn {
        Turn { streams: Arc::downgrade(&self.0), driver, leash, wait }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// A request's turn on an upstream's connection: hyper asks what a body is when it takes its
/// request up, and the task that it spawns next sends that body. Nothing else tells which
/// of the tasks is whose.
pub(crate) struct Turn {
    /// Not to keep the tasks of a connection alive from within one of them.
    streams: Weak<Mutex<State>>,
    driver: Option<task::Id>,
    leash: Leash,
    wait: Arc<Wait>,
}

/// Since when the host takes nothing of a body.
#[derive(Default)]
pub struct Wait(Mutex<Option<Instant>>);

impl Wait {
    /// Whether the body waits for so long.
    pub fn is_over(&self, time: Duration) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| since.elapsed() > time)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl Turn {
    /// The host is ready for more of the body.
    pub(crate) fn asked(&self) {
        self.wait.set(None);
    }

    /// A piece of it was handed on.
    pub(crate) fn handed(&self) {
        self.wait.set(Some(Instant::now()));
    }

    /// The body was asked: by the connection itself, or by the task that sends it already.
    pub(crate) fn comes(&self) {
        if self.driver.is_some()
            && task::try_id() == self.driver
            && let Some(streams) = self.streams.upgrade()
        {
            lock(&streams).next = Some(self.leash.clone());
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
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
