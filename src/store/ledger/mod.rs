//! The audit log: `audit.db`, append-only, a hash chain from its first row.
//!
//! What it is: the proxy's [`Ledger`], one committed row per event, and the ways
//! to read it back. What it is not: protection against somebody who rewrites the
//! whole file as the daemon's own user; for that the chain's head has to be kept
//! elsewhere.
//!
//! **Invariants**
//! - Once `decided` returns, the decision survives `kill -9` (it is in the
//!   write-ahead log, which the kernel has). A power cut costs a second at most, and no
//!   alarm; in a flood of alarms a tenth of a second of them.
//! - What cannot be stored is an error: there is no buffer for decisions. Outcomes
//!   wait in memory, in bounds, for the next decision's commit or a tenth of a second:
//!   `kill -9` can cost that much of them, which then read as interrupted.
//! - Of one and the same denial the first twenty of a minute have a record each, of one
//!   sandbox's two hundred, and then twenty more for each reason; what is beyond is
//!   counted, and the count is written when the minute is over. `kill -9` can cost
//!   that count, never a decision that let something out.
//! - A group fills its share of a day and no more: then the doors of that group alone are
//!   shut for the rest of it, and of what they deny a record a minute tells each reason.
//! - A log that was removed is not begun anew behind its owner's back.

mod chain;
mod checkpoint;
mod digest;
mod durable;
mod effect;
mod filter;
mod flood;
mod notice;
mod reader;
mod record;
mod retention;
mod share;
mod together;
mod used;
mod writer;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use desk::screen;
use policies::GroupName;
use proxy::audit::{Allowed, Decision, Ledger, LedgerDown, Noted, Outcome, Seq};
use proxy::ports::Pending;
use serde::Serialize;
use tokio::sync::broadcast;

use super::{RunId, Store, StoreError, now};
use checkpoint::Key;
use durable::{Alarms, Durable};
use flood::Floods;
use share::Shares;
use together::Together;
use writer::{Event, Writer};

pub use chain::{BadRecord, Verified, VerifyError};
pub use checkpoint::check_key;
pub use digest::{Digest, Happened, Head, Way};
pub use durable::{TOO_LONG, length as length_of_wal};
pub use effect::may_have_written;
pub use filter::{Events, Filter, Which};
pub use notice::{Notice, add_notice};
pub use reader::AuditReader;
pub use record::{AuditEntry, DecisionRecord, Ending, EventRecord, OperationRecord, OutcomeRecord, RuleRecord};
pub use retention::Retention;
pub use used::UsedSince;

pub(super) use durable::Wal;

/// The audit log, open for writing; share it by `Arc`.
#[derive(Debug)]
pub struct AuditLog {
    shared: Arc<Shared>,
    reader: Mutex<Option<(u64, AuditReader)>>,
    followers: broadcast::Sender<Recorded>,
    /// Apart from the others, so that no flood of them can crowd out an alarm.
    alarms: broadcast::Sender<Recorded>,
    /// Who keeps which runs have written.
    runs: Option<Arc<Store>>,
    /// The number of the last record when it was opened; 0 where there was none.
    found: Seq,
    _durable: Durable,
}

/// A new event, for those who follow the log inside the daemon.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// Something was asked and decided.
    Decision(Seq, Arc<Decision>),
    /// How the request of a decision ended.
    Outcome(Seq, Arc<Outcome>),
    /// Something happened that is no request.
    Notice(Seq, Arc<Notice>),
}

/// What the writer, the thread behind it and the handle share.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: Mutex<Writer>,
    together: Together,
    retention: Retention,
    key: Key,
    floods: Mutex<Floods>,
    shares: Shares,
    wal: Mutex<Wal>,
    alarms: Mutex<Alarms>,
    /// Whether something was written that no fsync has covered yet.
    dirty: AtomicBool,
    /// Grows when the file had to be opened anew; others then reopen theirs.
    generation: AtomicU64,
    /// Why the last fsync failed, while it does.
    unsynced: Mutex<Option<String>>,
    sync_failed: AtomicBool,
    /// Whether it was told that the write-ahead log is too long.
    long: AtomicBool,
    /// The last row that an fsync has covered.
    synced: AtomicU64,
}

impl AuditLog {
    /// Opens the log, makes it (0600) where it is missing, and notes the start. All of
    /// it is kept.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_to_keep(path, Retention::default())
    }

    /// The same, and removes what has had its time, now and from time to time.
    pub fn open_to_keep(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            path: path.to_path_buf(),
            writer: Mutex::new(Writer::create(path)?),
            together: Together::default(),
            retention,
            key: Key::of(path)?,
            floods: Mutex::default(),
            shares: Shares::of(retention.size),
            wal: Mutex::default(),
            alarms: Mutex::default(),
            dirty: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            unsynced: Mutex::new(None),
            sync_failed: AtomicBool::new(false),
            long: AtomicBool::new(false),
            synced: AtomicU64::new(0),
        });
        let found = Seq(lock(&shared.writer).last());
        let more = shared.retain();
        let durable = Durable::start(Arc::clone(&shared), more);
        let log = AuditLog {
            shared,
            reader: Mutex::new(None),
            followers: broadcast::channel(4096).0,
            alarms: broadcast::channel(4096).0,
            runs: None,
            found,
            _durable: durable,
        };
        log.append("notice", None, &Notice::new("opened", None, "the audit log was opened"))?;
        Ok(log)
    }

    /// Before the first decision of a run that lets something be written, that is kept in
    /// the store: it is on the disk when the decision comes back.
    #[must_use]
    pub fn marking_runs_in(mut self, store: Arc<Store>) -> Self {
        self.runs = Some(store);
        self
    }

    /// The number of the last record when the log was opened; 0 where there was none.
    pub fn found(&self) -> Seq {
        self.found
    }

    /// Makes all that is stored survive a power cut; says how far the log has come.
    pub fn sync(&self) -> Result<Seq, StoreError> {
        self.shared.sync_now()?;
        Ok(self.synced())
    }

    /// How far the log has come that survives a power cut.
    pub fn synced(&self) -> Seq {
        Seq(self.shared.synced.load(Ordering::Acquire))
    }

    /// New events from now on. Who reads too slowly loses the oldest and is told
    /// so by the channel; the log itself has them all.
    pub fn subscribe(&self) -> broadcast::Receiver<Recorded> {
        self.followers.subscribe()
    }

    /// Of the new events only alarms and notices: what the owner is told at once.
    pub fn subscribe_to_alarms(&self) -> broadcast::Receiver<Recorded> {
        self.alarms.subscribe()
    }

    /// Stores an event that is no request.
    pub fn notice(&self, notice: &Notice) -> Result<Seq, LedgerDown> {
        let seq = self.append("notice", None, notice).map_err(down)?;
        self.tell(true, || Recorded::Notice(seq, Arc::new(notice.clone())));
        Ok(seq)
    }

    /// Stores an event beside what happens anyway: it is not undone for want of a record.
    pub fn note(&self, notice: &Notice) {
        if let Err(error) = self.notice(notice) {
            tracing::error!(%error, what = notice.what, "Event not stored");
        }
    }

    /// Whether a run may have changed something: any request of it that was allowed and
    /// is not known to only read, or an operation with an effect (invariant 13).
    pub fn run_wrote_upstream(&self, run: RunId) -> Result<bool, StoreError> {
        self.read(|reader| reader.run_wrote_upstream(run))
    }

    /// What a run was refused, oldest first: denied, or broken off after the
    /// verdict. At most `limit`.
    pub fn refusals_of_run(&self, run: RunId, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = Filter {
            run: Some(run),
            which: Some(Which::Denied),
            after: Some(Seq(0)),
            limit: Some(limit),
            ..Filter::default()
        };
        self.read(|reader| reader.entries(&filter))
    }

    /// Whether a group has filled its share of the log for this day, and how many bytes that is.
    pub fn has_filled_its_share(&self, group: &GroupName) -> Option<u64> {
        self.shared.shares.filled(group, Instant::now())
    }

    /// One decision with its outcome.
    pub fn entry(&self, seq: Seq) -> Result<Option<AuditEntry>, StoreError> {
        self.read(|reader| reader.entry(seq))
    }

    /// What matches, as `doorward audit` shows it.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(|reader| reader.entries(filter))
    }

    fn append(&self, kind: &'static str, about: Option<Seq>, record: &impl Serialize) -> Result<Seq, StoreError> {
        let event = self.event(kind, about, record)?;
        self.shared.append(event)
    }

    fn event(&self, kind: &'static str, about: Option<Seq>, record: &impl Serialize) -> Result<Event, StoreError> {
        let json = serde_json::to_string(record)
            .map_err(|error| StoreError::Other { path: self.shared.path.clone(), detail: error.to_string() })?;
        Ok(Event { at_ms: now(), kind, about: about.map(|seq| seq.0), record: screen::in_json(json) })
    }

    /// Counted as the group's share when it is made: it is written, or nothing comes of it.
    fn decision(&self, decision: &Decision) -> Result<Event, LedgerDown> {
        let event = self.event("decision", None, decision).map_err(down)?;
        self.shared.shares.add(&decision.identity.group, event.record.len(), Instant::now());
        Ok(event)
    }

    fn read<T>(&self, work: impl FnOnce(&AuditReader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Who asks in this process is told all that has happened. Where the disk does
        // not take it, what is stored is still told.
        let _ = self.shared.catch_up();
        let mut cached = lock(&self.reader);
        let generation = self.shared.generation.load(Ordering::Acquire);
        let reader = match cached.take() {
            Some((opened_at, reader)) if opened_at == generation => reader,
            _ => AuditReader::open(&self.shared.path)?.while_served(true),
        };
        let result = work(&reader);
        if result.is_ok() {
            *cached = Some((generation, reader));
        }
        result
    }

    fn tell(&self, urgent: bool, make: impl FnOnce() -> Recorded) {
        let urgent = urgent && self.alarms.receiver_count() > 0;
        if urgent || self.followers.receiver_count() > 0 {
            let event = make();
            // An error only says that the last follower has just gone.
            if urgent {
                let _ = self.alarms.send(event.clone());
            }
            let _ = self.followers.send(event);
        }
    }
}

impl Ledger for AuditLog {
    fn decided(&self, decision: &Decision) -> Result<Seq, LedgerDown> {
        self.shared.refuse_while_unsynced()?;
        self.will_write_now(decision)?;
        let filled = self.has_filled_its_share(&decision.identity.group).is_some();
        if lock(&self.shared.floods).counts(decision, filled, Instant::now()) {
            let last = Seq(lock(&self.shared.writer).last());
            self.tell(decision.alarm, || Recorded::Decision(last, Arc::new(decision.clone())));
            return Ok(last);
        }
        let event = self.decision(decision)?;
        let seq = self.shared.append(event).map_err(down)?;
        if decision.alarm {
            self.shared.sync_alarm().map_err(down)?;
        }
        self.tell(decision.alarm, || Recorded::Decision(seq, Arc::new(decision.clone())));
        Ok(seq)
    }

    fn decided_together<'a>(&'a self, decision: &'a Decision) -> Pending<'a, Result<Seq, LedgerDown>> {
        if decision.verdict == Allowed::Deny {
            return Box::pin(ready(self.decided(decision)));
        }
        Box::pin(async move {
            self.shared.refuse_while_unsynced()?;
            self.will_write(decision).await?;
            if decision.alarm {
                return self.decided(decision);
            }
            let handed_in = self.shared.hand_in(self.decision(decision)?);
            tokio::task::yield_now().await;
            let seq = handed_in.stored()?;
            self.tell(false, || Recorded::Decision(seq, Arc::new(decision.clone())));
            Ok(seq)
        })
    }

    fn ended(&self, seq: Seq, outcome: &Outcome) -> Result<(), LedgerDown> {
        // Followers hear of it even while the disk does not take it.
        self.tell(outcome.alarm, || Recorded::Outcome(seq, Arc::new(outcome.clone())));
        let event = self.event("outcome", Some(seq), outcome).map_err(down)?;
        lock(&self.shared.writer).keep(event);
        if outcome.alarm {
            self.shared.catch_up().and_then(|()| self.shared.sync_alarm()).map_err(down)?;
        }
        Ok(())
    }

    fn noted(&self, noted: &Noted) -> Result<(), LedgerDown> {
        let Noted { identity, what, count, text } = noted;
        let notice = Notice { count: Some(*count), ..Notice::of(what, identity, text) };
        self.notice(&notice).map(drop)
    }
}

impl Shared {
    fn append(&self, event: Event) -> Result<Seq, StoreError> {
        let mut writer = lock(&self.writer);
        let appended = writer.append([event]);
        self.after(&mut writer, appended)
    }

    /// Commits the outcomes that wait.
    fn catch_up(&self) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let caught_up = writer.catch_up();
        if let Ok(false) = caught_up {
            return Ok(());
        }
        self.after(&mut writer, caught_up).map(drop)
    }

    fn after<T>(&self, writer: &mut Writer, appended: Result<T, StoreError>) -> Result<T, StoreError> {
        self.generation.store(writer.generation(), Ordering::Release);
        self.dirty.store(true, Ordering::Release);
        appended
    }

    /// Writes the counts of floods: those that had their minute, or all at the end.
    fn count_floods(&self, now: Option<Instant>) {
        let due = lock(&self.floods).due(now);
        for record in due {
            // Among the outcomes, which wait in bounds while the disk takes nothing.
            let record = screen::in_json(record.to_string());
            lock(&self.writer).keep(Event { at_ms: crate::store::now(), kind: "decision", about: None, record });
        }
    }

    /// Removes what has had its time; says whether there is more of it.
    fn retain(&self) -> bool {
        let retained = {
            let mut writer = lock(&self.writer);
            let retained = writer.retain(&self.key, &self.retention);
            self.after(&mut writer, retained)
        };
        match retained {
            Ok(None) => false,
            Ok(Some(pruned)) => {
                let text = format!("the records up to {} had their time and were removed", pruned.seq);
                let record = screen::in_json(serde_json::json!({ "what": "pruned", "text": text }).to_string());
                lock(&self.writer).keep(Event { at_ms: now(), kind: "notice", about: None, record });
                pruned.more
            }
            Err(error) => {
                tracing::warn!(error = %error, "Audit log not checkpointed");
                false
            }
        }
    }

    /// Makes an alarm survive a power cut, whatever a sandbox does to have many of them.
    fn sync_alarm(&self) -> Result<(), StoreError> {
        if lock(&self.alarms).comes(Instant::now()) { self.sync_now() } else { Ok(()) }
    }

    /// Makes all that is committed survive a power cut.
    fn sync_now(&self) -> Result<(), StoreError> {
        let last = lock(&self.writer).last();
        let synced = lock(&self.wal).sync(&self.path);
        if synced.is_ok() {
            self.synced.fetch_max(last, Ordering::AcqRel);
        }
        self.sync_failed.store(synced.is_err(), Ordering::Release);
        *lock(&self.unsynced) = synced.as_ref().err().map(ToString::to_string);
        synced
    }

    /// A log that the disk does not take is a lost log.
    fn refuse_while_unsynced(&self) -> Result<(), LedgerDown> {
        if !self.sync_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*lock(&self.unsynced) {
            Some(why) => Err(LedgerDown(why.clone())),
            None => Ok(()),
        }
    }
}

/// No half-done state survives a panic here: a row is appended or it is not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn down(error: StoreError) -> LedgerDown {
    LedgerDown(error.to_string())
}

#[cfg(test)]
mod tests;
