//! The tasks of one HTTP/2 connection: they end with it, or one alone where its peer stops taking
//! data.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

/// Runs the streams; dropping the last handle ends them.
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
    /// For the next stream: hyper asks for the answer to a request, and right after that spawns its
    /// stream.
    pub fn leash(&self) -> Leash {
        self.lock().next.insert(Leash::default()).clone()
    }

    /// For a request on an upstream's connection, which the task with that id drives.
    pub(crate) fn turn(&self, driver: Option<task::Id>, leash: Leash, wait: Arc<Wait>) -> Turn {
        Turn { streams: Arc::downgrade(&self.0), driver, leash, wait }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// A request's turn on an upstream's connection: hyper asks what a body is when it takes the
/// request up, and the task that it spawns next sends that body. Nothing else shows which task
/// belongs to which request.
pub(crate) struct Turn {
    /// Weak, so that a task does not keep its own connection's tasks alive.
    streams: Weak<Mutex<State>>,
    driver: Option<task::Id>,
    leash: Leash,
    wait: Arc<Wait>,
}

/// Since when the host has taken nothing of a body.
#[derive(Default)]
pub struct Wait(Mutex<Option<Instant>>);

impl Wait {
    /// Whether the body has waited longer than this.
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

    /// A piece of the body was handed over.
    pub(crate) fn handed(&self) {
        self.wait.set(Some(Instant::now()));
    }

    /// The body was polled: by the connection itself, or by the task that already sends it.
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
