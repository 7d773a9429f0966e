//! The totals of an allowed request, counted while it goes on. When its last part is dropped, the
//! outcome is stored, however it ended.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use policies::{Code, Limits, Refusal};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::Seq;
use crate::gate::Gate;
use crate::inflight::Permitted;
use crate::progress::Progress;
use crate::received::Whose;
use crate::streams::Leash;

/// Counts an allowed request.
pub struct Tally {
    gate: Arc<Gate>,
    progress: Arc<Progress>,
    _slot: OwnedSemaphorePermit,
    seq: Seq,
    started: Instant,
    up: AtomicU64,
    /// Of those, what passed while the group had no limits.
    uncounted: AtomicU64,
}

impl Deref for Tally {
    type Target = Progress;

    fn deref(&self) -> &Progress {
        &self.progress
    }
}

impl Tally {
    /// For the request stored as `seq`, which is in flight from now on.
    pub(crate) fn begin(
        gate: &Arc<Gate>,
        seq: Seq,
        slot: OwnedSemaphorePermit,
        leash: Option<Leash>,
        permitted: Permitted,
    ) -> Arc<Self> {
        let progress = Arc::new(Progress::new(leash, gate.limits().idle_body_time));
        let (of_the_group, asks_model) = (!matches!(permitted, Permitted::Own), permitted.asks_model());
        gate.in_flight().add(seq, permitted, &progress);
        let (up, uncounted) = (AtomicU64::new(0), AtomicU64::new(0));
        let tally = Tally { gate: gate.clone(), progress, _slot: slot, seq, started: Instant::now(), up, uncounted };
        if let Some(shut) = gate.holds_back(asks_model).filter(|_| of_the_group) {
            // The shutting or locking may have looked at the requests in flight before this one was added.
            tally.cut(&shut);
        }
        Arc::new(tally)
    }

    /// The number of its decision.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Counts bytes before they go up; refuses them if the `[limits]` now in force say so.
    pub fn add_up(&self, bytes: usize) -> Result<(), Refusal> {
        let (bytes, limits) = (bytes as u64, self.gate.limits_in_force());
        let so_far = self.up.load(Ordering::Relaxed) + bytes;
        if let Some(limit) = limits.upload_per_request.filter(|limit| so_far > *limit) {
            let why = format!("the request sends more than the {limit} bytes that `upload_per_request` allows");
            return Err(Refusal::new(Code::LimitExceeded, why));
        }
        if limits == Limits::default() {
            // Not counted elsewhere: limits set later would know nothing of these bytes.
            self.uncounted.store(so_far, Ordering::Relaxed);
        } else {
            let bytes = bytes + self.uncounted.load(Ordering::Relaxed);
            self.gate.spend(&limits, bytes)?;
            self.uncounted.store(0, Ordering::Relaxed);
        }
        self.up.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Whose for Tally {
    fn is_asked(&self) -> bool {
        self.progress.is_asked()
    }

    fn broke_off(&self) {
        self.refuse(&Refusal::new(Code::Framing, "the request's body broke off"));
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.gate.in_flight().remove(self.seq);
        let mut outcome = self.outcome();
        outcome.bytes_up = self.up.load(Ordering::Relaxed);
        outcome.micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Err(error) = self.gate.ledger().ended(self.seq, &outcome) {
            tracing::error!(%error, seq = self.seq.0, "Outcome could not be stored");
        }
    }
}
