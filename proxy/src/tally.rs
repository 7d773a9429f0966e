//! What an allowed request comes to, counted while it goes on. When the last part of
//! the request lets go of it, the outcome is stored: however it ended.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policies::{Code, Limits, Refusal};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::audit::{Outcome, Seq};
use crate::door::Door;

/// Counts an allowed request.
pub(crate) struct Tally {
    door: Arc<Door>,
    _slot: OwnedSemaphorePermit,
    limits: Limits,
    seq: Seq,
    started: Instant,
    up: AtomicU64,
    down: AtomicU64,
    sent: AtomicBool,
    expects_body: AtomicBool,
    cut: watch::Sender<bool>,
    outcome: Mutex<Outcome>,
}

impl Tally {
    pub(crate) fn new(door: Arc<Door>, seq: Seq, slot: OwnedSemaphorePermit) -> Self {
        Tally {
            limits: *door.policy.load().limits(),
            door,
            _slot: slot,
            seq,
            started: Instant::now(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            sent: AtomicBool::new(false),
            expects_body: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            outcome: Mutex::default(),
        }
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// Counts bytes before they go up; refused where `[limits]` says so.
    pub(crate) fn add_up(&self, bytes: usize) -> Result<(), Refusal> {
        let bytes = bytes as u64;
        let so_far = self.up.load(Ordering::Relaxed) + bytes;
        if let Some(limit) = self.limits.upload_per_request.filter(|limit| so_far > *limit) {
            let why = format!("the request sends more than the {limit} bytes that `upload_per_request` allows");
            return Err(Refusal::new(Code::LimitExceeded, why));
        }
        self.door.gateway.budget.spend(&self.door.identity.group, &self.limits, bytes)?;
        self.up.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Ends what is under way, wherever it is.
    pub(crate) fn cut(&self, refusal: &Refusal) {
        self.refuse(refusal);
        self.cut.send_replace(true);
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

    /// How long the client may owe the next piece of a body.
    pub(crate) fn patience(&self) -> Duration {
        self.door.gateway.limits.idle_body_time
    }

    /// Whether the head of an answer has come.
    pub(crate) fn is_answered(&self) -> bool {
        self.lock().status.is_some()
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
            outcome.why = Some(refusal.why.clone());
            outcome.lift = refusal.lift.clone();
            outcome.alarm = refusal.code.is_alarm();
        }
    }

    /// The reason for which it was broken off, if it was.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        let outcome = self.lock();
        outcome.code.map(|code| Refusal {
            code,
            why: outcome.why.clone().unwrap_or_default(),
            rule: None,
            lift: outcome.lift.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.door.in_flight.remove(self.seq);
        if self.expects_body.load(Ordering::Acquire) && !self.is_sent() && !self.is_answered() {
            // An HTTP/2 stream that is reset takes the whole request with it: nobody else says why.
            self.refuse(&Refusal::new(Code::Framing, "the request's body broke off"));
        }
        let mut outcome = std::mem::take(&mut *self.lock());
        outcome.bytes_up = self.up.load(Ordering::Relaxed);
        outcome.bytes_down = self.down.load(Ordering::Relaxed);
        outcome.micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Err(error) = self.door.gateway.ledger.ended(self.seq, &outcome) {
            tracing::error!(%error, seq = self.seq.0, "Outcome could not be stored");
        }
    }
}
