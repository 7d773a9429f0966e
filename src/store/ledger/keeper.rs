//! The thread behind the log: writes outcomes that no decision took along, an fsync every second, and retention. No
//! request waits for the disk.

use desk::lock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use audit::Due;

use super::log::Shared;
use super::notice::Notice;
use super::ticking::Ticking;
use crate::store::now;

/// How long an outcome waits to be written together with a decision.
const OUTCOMES_EVERY: Duration = Duration::from_millis(100);

/// How much a power cut may cost, and how often an alarm gets its own fsync.
const EVERY: Duration = Duration::from_secs(1);

/// How often expired records are looked for.
const RETAIN_EVERY: Duration = Duration::from_hours(1);

/// Starts it; when the returned value is dropped, it does a last fsync and ends. It rests while everything is written,
/// synced and reported.
pub(super) fn start(shared: Arc<Shared>, heard: Receiver<()>) -> Ticking {
    let (mut synced, mut retained) = (Instant::now(), Instant::now());
    let bell = Arc::clone(&shared.bell);
    Ticking::start("audit-log", (bell, heard), OUTCOMES_EVERY, move |last| {
        // Failed writes are retried even without requests; while they fail, requests are refused.
        shared.count_floods((!last).then(Instant::now));
        let behind = shared.catch_up().is_err();
        if lock(&shared.alarms).waited() {
            let _ = shared.sync_now();
        }
        if retained.elapsed() >= RETAIN_EVERY {
            shared.retain();
            retained = Instant::now();
        }
        if last || synced.elapsed() >= EVERY {
            shared.tick();
            synced = Instant::now();
        }
        behind || shared.dirty.load(Ordering::Acquire) || shared.owes_counts()
    })
}

/// Alarms and their fsyncs: the first at once; in a flood, many share one a moment later.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    synced: Option<Instant>,
    waits: bool,
}

impl Alarms {
    /// Whether this one is to be synced at once. Otherwise the thread does it, with all that have come by then.
    pub(super) fn comes(&mut self, now: Instant) -> bool {
        let at_once = self.synced.is_none_or(|synced| now >= synced + EVERY);
        if at_once {
            self.synced = Some(now);
        }
        self.waits |= !at_once;
        at_once
    }

    /// Whether any has waited.
    pub(super) fn waited(&mut self) -> bool {
        std::mem::take(&mut self.waits)
    }
}

impl Shared {
    pub(super) fn tick(&self) {
        let _ = self.catch_up();
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.sync_now() {
            self.dirty.store(true, Ordering::Release);
            tracing::warn!(error = %error, "The audit log is not on the disk");
        }
    }

    /// Removes expired records, under a checkpoint that is on the disk first.
    pub(super) fn retain(&self) {
        let due = match Due::find(&self.folder, &self.retention, now()) {
            Ok(Some(due)) => due,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "What of the audit log has had its time is not known"),
        };
        let signed = self.write(|journal| journal.checkpoint(now(), Some(due.removed)));
        let removed = signed.and_then(|_| self.sync_now()).and_then(|()| self.write(|_| due.remove()));
        if let Err(error) = removed {
            return tracing::warn!(%error, "What of the audit log has had its time was not removed");
        }
        let text = format!("the records up to {} had their time and were removed", due.removed.seq);
        self.keep("notice", None, &Notice::new("pruned", None, text));
    }
}
