//! What an allowed request comes to, counted while it goes on. When the last part of
//! the request lets go of it, the outcome is stored: however it ended.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use policies::{Code, Limits, Refusal};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::audit::{Outcome, Seq};
use crate::door::Door;
use crate::room::Room;
use crate::streams::Leash;
use crate::upstream::Hold;

/// Counts an allowed request.
pub(crate) struct Tally {
    door: Arc<Door>,
    _slot: OwnedSemaphorePermit,
    /// Of its stream, where it came as one.
    leash: Option<Leash>,
    /// Since when each side has not come back for more of a body: up, and down.
    handed: Mutex<[Option<Instant>; 2]>,
    /// Its part of an upstream connection.
    hold: Mutex<Option<Hold>>,
    seq: Seq,
    started: Instant,
    up: AtomicU64,
    /// Of those, what went by while the group had no limits.
    uncounted: AtomicU64,
    down: AtomicU64,
    sent: AtomicBool,
    expects_body: AtomicBool,
    cut: watch::Sender<bool>,
    /// Whether the request was written to a host, which answers it.
    asked: AtomicBool,
    /// The reason as the client may hear it.
    told: OnceLock<String>,
    outcome: Mutex<Outcome>,
}

/// Which way a body goes.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Up,
    Down,
}

impl Tally {
    pub(crate) fn new(door: Arc<Door>, seq: Seq, slot: OwnedSemaphorePermit, leash: Option<Leash>) -> Self {
        Tally {
            door,
            _slot: slot,
            leash,
            handed: Mutex::default(),
            hold: Mutex::default(),
            seq,
            started: Instant::now(),
            up: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
            down: AtomicU64::new(0),
            sent: AtomicBool::new(false),
            expects_body: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            asked: AtomicBool::new(false),
            told: OnceLock::new(),
            outcome: Mutex::default(),
        }
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// Of the stream that it came as, if it did.
    pub(crate) fn leash(&self) -> Option<Leash> {
        self.leash.clone()
    }

    /// Counts bytes before they go up; refused where the `[limits]` that are in force
    /// now say so.
    pub(crate) fn add_up(&self, bytes: usize) -> Result<(), Refusal> {
        let (bytes, limits) = (bytes as u64, *self.door.policy.load().limits());
        let so_far = self.up.load(Ordering::Relaxed) + bytes;
        if let Some(limit) = limits.upload_per_request.filter(|limit| so_far > *limit) {
            let why = format!("the request sends more than the {limit} bytes that `upload_per_request` allows");
            return Err(Refusal::new(Code::LimitExceeded, why));
        }
        if limits == Limits::default() {
            // Nobody counts it: limits that come back know nothing of what this sent.
            self.uncounted.store(so_far, Ordering::Relaxed);
        } else {
            let bytes = bytes + self.uncounted.load(Ordering::Relaxed);
            self.door.gateway.budget.spend(&self.door.identity.group, &limits, bytes)?;
            self.uncounted.store(0, Ordering::Relaxed);
        }
        self.up.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Ends what is under way, wherever it is.
    pub(crate) fn cut(&self, refusal: &Refusal) {
        self.refuse(refusal);
        self.cut.send_replace(true);
    }

    /// A piece of a body was handed on: whoever takes it comes back for more.
    pub(crate) fn handed(&self, way: Way) {
        lock(&self.handed)[way as usize] = Some(Instant::now());
    }

    pub(crate) fn asked(&self, way: Way) {
        lock(&self.handed)[way as usize] = None;
    }

    /// Ends what a side has taken nothing of for too long, as with a window of HTTP/2
    /// that never opens: nothing waits on the socket, so nobody else notices.
    pub(crate) fn end_if_stuck(&self) {
        let patience = self.patience();
        let [up, down] = lock(&self.handed).map(|since| since.is_some_and(|since| since.elapsed() > patience));
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

    /// Its part of a connection, for as long as anything of it is left, and where that leads.
    pub(crate) fn goes_over(&self, hold: Hold, address: SocketAddr) {
        *lock(&self.hold) = Some(hold);
        self.asked.store(true, Ordering::Release);
        self.note(|outcome| outcome.address = Some(address));
    }

    /// Resolves when this is cut.
    pub(crate) fn until_cut(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut cut = self.cut.subscribe();
        async move {
            if cut.wait_for(|cut| *cut).await.is_err() {
                // Nobody is left who could cut it.
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) fn add_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The request has a body, which is still to come.
    pub(crate) fn expect_body(&self) {
        self.expects_body.store(true, Ordering::Release);
    }

    /// The request's body has been sent to its end.
    pub(crate) fn mark_sent(&self) {
        self.sent.store(true, Ordering::Release);
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Room for a body that has to be unpacked. Of its own for each way: what goes up may
    /// wait for what comes down.
    pub(crate) fn room_to_unpack(&self, way: Way) -> Room {
        Room::new(match way {
            Way::Up => &self.door.unpacked,
            Way::Down => &self.door.unpacked_down,
        })
    }

    /// How long the client may owe the next piece of a body.
    pub(crate) fn patience(&self) -> Duration {
        self.door.gateway.limits.idle_body_time
    }

    /// The client went away before it had the whole of the answer.
    pub(crate) fn mark_abandoned(&self) {
        self.lock().abandoned = true;
    }

    /// Whether the head of an answer has come.
    pub(crate) fn is_answered(&self) -> bool {
        self.lock().status.is_some()
    }

    /// The answer holds a secret in pieces, and the first of them went through: the host gets
    /// none from this group any more.
    pub(crate) fn came_in_pieces(&self) -> Refusal {
        let Door { gateway, identity, in_flight, .. } = &*self.door;
        if let Some(host) = in_flight.authority(self.seq) {
            gateway.secrets.set_aside(identity, &host);
        }
        let why = "the host sent a secret back in pieces, of which the first were gone when the last came; from now on \
                   it gets no credential from this group, until the owner says so (`doorward secret trust`)";
        Refusal::new(Code::SecretInAnswer, why)
    }

    /// Adds to the outcome.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Outcome)) {
        add(&mut self.lock());
    }

    /// Where it went, if it got there.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.lock().address
    }

    /// Says why the request was broken off; the first reason stands.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let mut outcome = self.lock();
        if outcome.code.is_none() {
            outcome.code = Some(refusal.code);
            outcome.why = Some(refusal.for_log().to_owned());
            outcome.lift = refusal.lift.clone();
            outcome.alarm = refusal.code.is_alarm();
            let _ = self.told.set(refusal.why.clone());
        }
    }

    /// The reason for which it was broken off, if it was, as the client may hear it.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        let outcome = self.lock();
        let told = self.told.get().cloned().unwrap_or_default();
        outcome.code.map(|code| Refusal { lift: outcome.lift.clone(), ..Refusal::new(code, told) })
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        lock(&self.outcome)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.door.in_flight.remove(self.seq);
        if self.expects_body.load(Ordering::Acquire) && !self.is_sent() && !self.is_answered() {
            // An HTTP/2 stream that is reset takes the whole request with it: nobody else says why.
            self.refuse(&Refusal::new(Code::Framing, "the request's body broke off"));
        }
        if std::thread::panicking() {
            self.refuse(&Refusal::new(
                Code::UpstreamFailed,
                "the door broke off by a fault of its own; please report it",
            ));
        }
        let mut outcome = std::mem::take(&mut *self.lock());
        outcome.abandoned |= self.asked.load(Ordering::Acquire) && outcome.status.is_none();
        outcome.abandoned &= outcome.code.is_none();
        outcome.bytes_up = self.up.load(Ordering::Relaxed);
        outcome.bytes_down = self.down.load(Ordering::Relaxed);
        outcome.micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Err(error) = self.door.gateway.ledger.ended(self.seq, &outcome) {
            tracing::error!(%error, seq = self.seq.0, "Outcome could not be stored");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
