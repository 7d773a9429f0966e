//! Drives a connection to an upstream: in a task of its own, or, for HTTP/1.1, in the task that has
//! a request on it. Where one task handles both ends of a request, no hand-over between threads is
//! needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::{self, AbortHandle};

use crate::received::{Received, Unended};

/// Drives a connection, which ends when the last handle is dropped.
pub(crate) struct Driver {
    state: Mutex<State>,
    wakes: Arc<Wakes>,
}

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    /// Driven by whoever polls it.
    Here(Connection),
    /// Driven by a task of its own.
    Task(AbortHandle),
    Ended,
}

/// Drives a connection until the last handle is dropped.
pub(crate) fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Arc<Driver> {
    let driver = Driver::here(connection);
    driver.goes_by_itself();
    driver
}

/// The same for a connection that is asked something while it goes on: the answer is the last known
/// one while it is being polled, and 0 once it has ended.
pub(crate) fn drive_asked<C>(
    connection: C,
    ask: impl Fn(&C) -> usize + Send + Sync + 'static,
) -> (Arc<Driver>, Arc<dyn Fn() -> usize + Send + Sync>)
where
    C: Future<Output = hyper::Result<()>> + Send + Unpin + 'static,
{
    let driven = Driven(Arc::new(Mutex::new(Some(connection))));
    let (asked, last) = (driven.0.clone(), AtomicUsize::new(1));
    let answer = move || {
        if let Ok(connection) = asked.try_lock() {
            last.store(connection.as_ref().map_or(0, &ask), Ordering::Relaxed);
        }
        last.load(Ordering::Relaxed)
    };
    (drive(driven), Arc::new(answer))
}

/// How many rounds of polling the connection and its waiter take before other tasks get a turn.
const TURNS: usize = 4;

impl Driver {
    /// For a connection that is driven by polling.
    pub(crate) fn here(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Arc<Self> {
        let connection = async move {
            if let Err(error) = connection.await {
                tracing::debug!(upstream.closed = !error.is_canceled(), "Upstream connection ended");
            }
        };
        Arc::new(Driver { state: Mutex::new(State::Here(Box::pin(connection))), wakes: Arc::default() })
    }

    /// From now on it has a task of its own.
    pub(crate) fn goes_by_itself(&self) {
        let mut state = self.lock();
        *state = match std::mem::replace(&mut *state, State::Ended) {
            State::Here(connection) => State::Task(tokio::spawn(connection).abort_handle()),
            other => other,
        };
    }

    /// Ends it, whichever way it is driven.
    pub(crate) fn abort(&self) {
        // Dropped outside of the lock.
        let before = std::mem::replace(&mut *self.lock(), State::Ended);
        if let State::Task(task) = before {
            task.abort();
        }
    }

    /// Called when it is no longer polled: it ends unless it has a task.
    pub(crate) fn is_left(&self) {
        if self.is_here() {
            self.abort();
        }
    }

    /// The task that drives it, if there is one.
    pub(crate) fn task(&self) -> Option<task::Id> {
        match &*self.lock() {
            State::Task(task) => Some(task.id()),
            _ => None,
        }
    }

    /// Lets it notice what has arrived, such as its end.
    pub(crate) fn look(&self) {
        self.go_on(&mut Context::from_waker(Waker::noop()));
    }

    /// Polls `waits`, and the connection too if no task does.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, mut waits: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if !self.is_here() {
            return waits(cx);
        }
        self.wakes.task.register(cx.waker());
        let waker = Waker::from(self.wakes.clone());
        // Either may enable the other to go on, and a wake-up of the task for that would cost more.
        for _ in 0..TURNS {
            self.wakes.begin();
            let inside = &mut Context::from_waker(&waker);
            self.go_on(inside);
            let polled = waits(inside);
            let again = self.wakes.end();
            if polled.is_ready() || !again {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn go_on(&self, cx: &mut Context<'_>) {
        let mut state = self.lock();
        if let State::Here(connection) = &mut *state
            && connection.as_mut().poll(cx).is_ready()
        {
            *state = State::Ended;
        }
    }

    fn is_here(&self) -> bool {
        matches!(*self.lock(), State::Here(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.abort();
    }
}

/// A connection that is driven here and asked elsewhere. When it ends it is dropped at once,
/// even if others still hold it, so that everything waiting in it is answered.
struct Driven<C>(Arc<Mutex<Option<C>>>);

impl<C: Future<Output = hyper::Result<()>> + Unpin> Future for Driven<C> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let mut driven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        driven.as_mut().map_or(Poll::Ready(Ok(())), |connection| Pin::new(connection).poll(cx))
    }
}

impl<C> Drop for Driven<C> {
    fn drop(&mut self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    }
}

/// Wakes the task once the connection, or its waiter, can make progress. A wake-up while both are
/// being polled only causes another round.
#[derive(Default)]
struct Wakes {
    task: AtomicWaker,
    state: AtomicU8,
}

const OUTSIDE: u8 = 0;
const INSIDE: u8 = 1;
const AGAIN: u8 = 2;

impl Wakes {
    fn begin(&self) {
        self.state.store(INSIDE, Ordering::SeqCst);
    }

    /// Whether there was a wake-up meanwhile.
    fn end(&self) -> bool {
        self.state.swap(OUTSIDE, Ordering::SeqCst) == AGAIN
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(INSIDE, AGAIN, Ordering::SeqCst, Ordering::SeqCst) == Err(OUTSIDE) {
            self.task.wake();
        }
    }
}

/// The body of an answer, and the connection that it comes over.
pub struct Arriving {
    received: Received,
    driver: Arc<Driver>,
    /// Its status allows no body (RFC 9110 §6.4.1), whatever HTTP/2 frames follow.
    is_none: bool,
    /// Why it broke off; reported once the data before it has gone on.
    broken: Option<Unended>,
}

impl Arriving {
    pub(crate) fn of(answer: Response<Incoming>, driver: &Arc<Driver>) -> Response<Self> {
        let (version, is_none) = (answer.version(), matches!(answer.status().as_u16(), 204 | 304));
        answer.map(|incoming| Arriving {
            received: Received::new(incoming, version),
            driver: driver.clone(),
            is_none,
            broken: None,
        })
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Unended;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unended>>> {
        let Arriving { received, driver, is_none, broken } = &mut *self;
        if let Some(error) = broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match driver.poll(cx, |cx| Pin::new(&mut *received).poll_frame(cx)) {
            Poll::Ready(Some(Err(error))) => {
                *broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) if *is_none && frame.data_ref().is_some_and(|data| !data.is_empty()) => {
                Poll::Ready(Some(Err(Unended::Unreadable)))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::task::ready;

    use super::*;

    /// A connection goes on as long as it has a handle; it need not be ended explicitly.
    #[tokio::test]
    async fn a_connection_ends_with_the_last_who_holds_it() {
        for by_itself in [true, false] {
            let (held, mut gone) = tokio::sync::oneshot::channel::<()>();
            let one = Driver::here(async move {
                let _held = held;
                std::future::pending().await
            });
            if by_itself {
                one.goes_by_itself();
            }
            let other = one.clone();
            drop(one);
            tokio::task::yield_now().await;
            assert_eq!(gone.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty));
            drop(other);
            let ended = tokio::time::timeout(std::time::Duration::from_secs(10), gone).await;
            assert!(ended.is_ok_and(|held| held.is_err()), "it goes on without anybody");
        }
    }

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Traffic between the two wakes no task; input from outside wakes the one that waits.
    #[test]
    fn who_polls_both_is_woken_from_outside_alone() {
        let (mut asks, asked) = tokio::sync::mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<u8>>();
        let (outside, mut comes) = tokio::sync::mpsc::unbounded_channel::<u8>();
        let mut asked = Some(asked);
        let driver = Driver::here(async move {
            let mut asked = asked.take().unwrap();
            while let Some(answer) = asked.recv().await {
                let Some(byte) = comes.recv().await else { break };
                let _ = answer.send(byte);
            }
            Ok(())
        });
        let wakes = Arc::new(Counted::default());
        let waker = Waker::from(wakes.clone());
        let cx = &mut Context::from_waker(&waker);
        let ask = |asks: &mut tokio::sync::mpsc::UnboundedSender<_>| {
            let (answer, mut answered) = tokio::sync::oneshot::channel();
            // As a body does: it asks when it is polled.
            let mut answer = Some(answer);
            let asks = asks.clone();
            move |cx: &mut Context<'_>| {
                if let Some(answer) = answer.take() {
                    asks.send(answer).unwrap();
                }
                let byte = ready!(Pin::new(&mut answered).poll(cx));
                Poll::Ready(byte.unwrap())
            }
        };
        let mut first = ask(&mut asks);
        assert!(driver.poll(cx, &mut first).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        outside.send(7).unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert_eq!(driver.poll(cx, &mut first), Poll::Ready(7));
        outside.send(8).unwrap();
        let mut second = ask(&mut asks);
        assert_eq!(driver.poll(cx, &mut second), Poll::Ready(8));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "nobody waited for it");
    }
}
