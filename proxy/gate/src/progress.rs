//! How far an allowed request has come, as its parts report it, and how it is ended from outside.
//! It knows nothing of doors: storing the outcome is the tally's business.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use policies::{Code, Refusal};

use crate::audit::Outcome;
use crate::hold::Hold;
use crate::streams::Leash;

/// One allowed request in flight.
pub struct Progress {
    /// How long either side may leave bytes waiting.
    patience: Duration,
    /// The leash of its stream, if it came as one.
    leash: Option<Leash>,
    /// Since when each side has not asked for more of a body: up, and down.
    handed: Mutex<[Option<Instant>; 2]>,
    /// Its part of an upstream connection.
    hold: Mutex<Option<Hold>>,
    down: AtomicU64,
    sent: AtomicBool,
    expects_body: AtomicBool,
    cut: Arc<Cut>,
    /// Whether the request was written to a host, which answers it.
    asked: AtomicBool,
    /// The reason, as the client may hear it.
    told: OnceLock<String>,
    outcome: Mutex<Outcome>,
}

/// The direction of a body.
#[derive(Clone, Copy)]
pub enum Direction {
    /// To the host.
    Up,
    /// To the sandbox.
    Down,
}

impl Progress {
    pub(crate) fn new(leash: Option<Leash>, patience: Duration) -> Self {
        Progress {
            patience,
            leash,
            handed: Mutex::default(),
            hold: Mutex::default(),
            down: AtomicU64::new(0),
            sent: AtomicBool::new(false),
            expects_body: AtomicBool::new(false),
            cut: Arc::default(),
            asked: AtomicBool::new(false),
            told: OnceLock::new(),
            outcome: Mutex::default(),
        }
    }

    /// The leash of the stream that it came on, if any.
    pub(crate) fn leash(&self) -> Option<Leash> {
        self.leash.clone()
    }

    /// Ends the request, wherever it is.
    pub fn cut(&self, refusal: &Refusal) {
        self.refuse(refusal);
        self.cut.happen();
    }

    /// A piece of a body was handed over: its taker will ask for more.
    pub fn handed(&self, direction: Direction) {
        lock(&self.handed)[direction as usize] = Some(Instant::now());
    }

    /// The taker of a body asked for more.
    pub fn asked(&self, direction: Direction) {
        lock(&self.handed)[direction as usize] = None;
    }

    /// Ends the request if one side has taken nothing for too long, as with an HTTP/2 window that
    /// never opens: nothing waits on the socket, so nothing else would notice.
    pub(crate) fn end_if_stuck(&self) {
        let [up, down] = lock(&self.handed).map(|since| since.is_some_and(|since| since.elapsed() > self.patience));
        if up {
            self.cut(&Refusal::new(Code::Timeout, "the host took nothing of the request's body for too long"));
            if let Some(hold) = &*lock(&self.hold) {
                hold.end();
            }
        }
        if down {
            self.cut(&Refusal::new(Code::Timeout, "the client took nothing of the answer for too long"));
            if let Some(leash) = &self.leash {
                leash.pull();
            }
        }
    }

    /// Its part of a connection, kept until the request has ended completely, and the address that it leads to.
    pub(crate) fn goes_over(&self, hold: Hold, address: SocketAddr) {
        *lock(&self.hold) = Some(hold);
        self.goes_to(address);
    }

    /// The request goes to this address now.
    pub(crate) fn goes_to(&self, address: SocketAddr) {
        self.asked.store(true, Ordering::Release);
        self.note(|outcome| outcome.address = Some(address));
    }

    /// Whether it was cut, so that nothing of it may go on.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.happened.load(Ordering::Acquire)
    }

    /// Resolves when this is cut.
    pub fn until_cut(&self) -> UntilCut {
        UntilCut { cut: self.cut.clone(), place: None }
    }

    /// Counts response bytes.
    pub fn add_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The request has a body that is still to come.
    pub fn expect_body(&self) {
        self.expects_body.store(true, Ordering::Release);
    }

    /// The request's body has been sent completely.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Whether a host was asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// How long the client may owe the next piece of a body.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The client went away before it had the whole of the answer.
    pub fn mark_abandoned(&self) {
        self.lock().abandoned = true;
    }

    /// The head of the answer has arrived, with this status.
    pub fn answered(&self, status: u16) {
        self.lock().status = Some(status);
    }

    /// Whether it has.
    pub fn is_answered(&self) -> bool {
        self.lock().status.is_some()
    }

    /// Adds to the outcome.
    pub fn note(&self, add: impl FnOnce(&mut Outcome)) {
        add(&mut self.lock());
    }

    /// The address it reached, if any.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.lock().address
    }

    /// Says why the request was broken off; the first reason stands.
    pub fn refuse(&self, refusal: &Refusal) {
        let mut outcome = self.lock();
        if outcome.code.is_none() {
            outcome.code = Some(refusal.code);
            outcome.why = Some(refusal.for_log().to_owned());
            outcome.lift = refusal.lift.clone();
            outcome.alarm = refusal.code.is_alarm();
            let _ = self.told.set(refusal.why.clone());
        }
    }

    /// The reason why it was broken off, if it was, as the client may hear it.
    pub fn refused(&self) -> Option<Refusal> {
        let outcome = self.lock();
        let told = self.told.get().cloned().unwrap_or_default();
        outcome.code.map(|code| Refusal { lift: outcome.lift.clone(), ..Refusal::new(code, told) })
    }

    /// The outcome, once the request has ended completely.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.is_asked() && self.expects_body.load(Ordering::Acquire) && !self.is_sent() && !self.is_answered() {
            // Resetting an HTTP/2 stream ends the whole request, and no other code gives the reason.
            self.refuse(&Refusal::new(Code::Framing, "the request's body broke off"));
        }
        if std::thread::panicking() {
            let why = "the door broke off by a fault of its own; please report it";
            self.refuse(&Refusal::new(Code::UpstreamFailed, why));
        }
        let mut outcome = std::mem::take(&mut *self.lock());
        // It is unknown what a tunnel asked.
        outcome.abandoned |= outcome.status.is_none() && (self.is_asked() || outcome.address.is_none());
        outcome.abandoned &= outcome.code.is_none();
        outcome.bytes_down = self.down.load(Ordering::Relaxed);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        lock(&self.outcome)
    }
}

/// A cut from outside. It happens once, for all waiters.
#[derive(Default)]
struct Cut {
    happened: AtomicBool,
    waiting: Mutex<Vec<Option<Waker>>>,
}

impl Cut {
    fn happen(&self) {
        self.happened.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits for a request to be cut. A request has three of them, so they are small.
pub struct UntilCut {
    cut: Arc<Cut>,
    /// Its index among the waiters.
    place: Option<usize>,
}

impl Future for UntilCut {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let UntilCut { cut, place } = &mut *self;
        let mut waiting = lock(&cut.waiting);
        // Checked with the list locked: a cut takes the list afterwards.
        if cut.happened.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let at = *place.get_or_insert_with(|| {
            let free = waiting.iter().position(Option::is_none);
            free.unwrap_or_else(|| {
                waiting.push(None);
                waiting.len() - 1
            })
        });
        match &mut waiting[at] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for UntilCut {
    fn drop(&mut self) {
        if let Some(at) = self.place
            && let Some(waker) = lock(&self.cut.waiting).get_mut(at)
        {
            *waker = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Each waiter is woken once, by its latest waker; one that has gone is not.
    #[test]
    fn a_cut_comes_to_all_who_wait() {
        let progress = Progress::new(None, Duration::from_secs(1));
        let wakes: [Arc<Counted>; 4] = Default::default();
        let mut waits = [0, 1, 2].map(|_| progress.until_cut());
        let poll = |wait: &mut UntilCut, by: usize| {
            Pin::new(wait).poll(&mut Context::from_waker(&Waker::from(wakes[by].clone()))).is_ready()
        };
        for (at, wait) in waits.iter_mut().enumerate() {
            assert!(!poll(wait, at));
        }
        assert!(!poll(&mut waits[0], 3), "with another waker");
        waits[1] = progress.until_cut();
        progress.cut(&Refusal::new(Code::Revoked, "a test"));
        progress.cut(&Refusal::new(Code::Revoked, "once more"));
        assert_eq!(wakes.each_ref().map(|wakes| wakes.0.load(Ordering::SeqCst)), [0, 0, 1, 1]);
        assert!(waits.iter_mut().all(|wait| poll(wait, 0)) && progress.is_cut());
    }
}
