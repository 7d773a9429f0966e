//! The log, open for writing. Each caller writes its own line, in one call together with the waiting outcomes: handing
//! it to another thread would cost more.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audit::{Head, Journal, JournalError, Key, Link, Retention, Written};
use desk::{lock, screen};
use policies::GroupName;
use proxy::aside;
use proxy::audit::{Allowed, Decision, Ledger, LedgerDown, Noted, Outcome, Seq};
use proxy::ports::Pending;
use serde::Serialize;
use tokio::sync::broadcast;

use super::flood::Floods;
use super::keeper::{self, Alarms};
use super::notice::Notice;
use super::reading::Reading;
use super::share::Shares;
use super::ticking::{Bell, Ticking};
use crate::store::{Store, StoreError, now};

/// Younger records are never removed, whatever the size: after a restart the day's `[limits]` are counted from them,
/// and no day is longer than 25 hours.
const ALWAYS: Duration = Duration::from_hours(26);

/// The audit log, open for writing; shared by `Arc`.
#[derive(Debug)]
pub struct AuditLog {
    pub(super) shared: Arc<Shared>,
    pub(super) reading: Reading,
    followers: broadcast::Sender<Recorded>,
    /// A separate channel, so that no flood of other events crowds out an alarm.
    alarms: broadcast::Sender<Recorded>,
    /// Records which runs have written.
    pub(super) runs: Option<Arc<Store>>,
    /// The number of the last record when the log was opened; 0 if there was none.
    found: Seq,
    _keeper: Ticking,
}

/// A new event, for followers inside the daemon.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// A request was decided.
    Decision(Seq, Arc<Decision>),
    /// The outcome of a decision's request.
    Outcome(Seq, Arc<Outcome>),
    /// An event that is not a request.
    Notice(Seq, Arc<Notice>),
}

/// Shared by the handle and the thread behind it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) journal: Mutex<Journal>,
    /// How many outcomes there was no room for.
    pub(super) lost: AtomicU64,
    pub(super) retention: Retention,
    floods: Mutex<Floods>,
    shares: Shares,
    pub(super) alarms: Mutex<Alarms>,
    /// Whether there is a line that no fsync has covered yet.
    pub(super) dirty: AtomicBool,
    /// Why the last fsync failed, if it did.
    pub(super) unsynced: Mutex<Option<StoreError>>,
    /// The last line covered by an fsync.
    synced: AtomicU64,
    /// Wakes the log's thread and the index's.
    pub(super) bell: Arc<Bell>,
    index: Arc<Bell>,
}

impl AuditLog {
    /// Opens the log in a folder, creates it (0700) if it is missing, and records the start. Without retention.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_to_keep(folder, Retention::default(), Link::NONE)
    }

    /// The same with retention, now and from time to time. A new log continues from `base`.
    pub fn open_to_keep(folder: &Path, retention: Retention, base: Link) -> Result<Self, StoreError> {
        let retention = Retention { always: ALWAYS, ..retention };
        let key = key_of(folder)?;
        let opened = Journal::open(folder, key, now(), base);
        let opened = opened.map_err(|error| StoreError::journal(folder, &error))?;
        // A log limited in size is cut into segments of a fraction of it.
        let journal = match retention.size {
            Some(size) => opened.journal.with_segments_of((size / 16).max(1 << 20)),
            None => opened.journal,
        };
        let ((bell, heard), index) = (Bell::new(), Bell::new());
        let shared = Arc::new(Shared {
            bell,
            index: Arc::clone(&index.0),
            folder: folder.to_path_buf(),
            journal: Mutex::new(journal),
            lost: AtomicU64::new(0),
            retention,
            floods: Mutex::default(),
            shares: Shares::of(retention.size),
            alarms: Mutex::default(),
            dirty: AtomicBool::new(true),
            unsynced: Mutex::new(None),
            synced: AtomicU64::new(0),
        });
        shared.append("notice", None, &Notice::new("opened", None, "the audit log was opened"))?;
        if let Some(torn) = opened.torn {
            shared.append("notice", None, &Notice::torn(&torn))?;
        }
        shared.retain();
        Ok(AuditLog {
            reading: Reading::of(folder, index),
            followers: broadcast::channel(4096).0,
            alarms: broadcast::channel(4096).0,
            runs: None,
            found: Seq(opened.found.seq),
            _keeper: keeper::start(Arc::clone(&shared), heard),
            shared,
        })
    }

    /// Before the first decision of a run that allows a write, that is marked in the store: it is on the disk when the
    /// decision is returned.
    #[must_use]
    pub fn marking_runs_in(mut self, store: Arc<Store>) -> Self {
        self.runs = Some(store);
        self
    }

    /// The number of the last record when the log was opened; 0 if there was none.
    pub fn found(&self) -> Seq {
        self.found
    }

    /// Makes everything stored survive a power cut; returns the last record's number.
    pub fn sync(&self) -> Result<Seq, StoreError> {
        self.shared.sync_now()?;
        Ok(self.synced())
    }

    /// The last record that survives a power cut.
    pub fn synced(&self) -> Seq {
        Seq(self.shared.synced.load(Ordering::Acquire))
    }

    /// New events from now on. A slow reader loses the oldest and is told so by the channel; the log has them all.
    pub fn subscribe(&self) -> broadcast::Receiver<Recorded> {
        self.followers.subscribe()
    }

    /// New alarms and notices only: what the owner is told at once.
    pub fn subscribe_to_alarms(&self) -> broadcast::Receiver<Recorded> {
        self.alarms.subscribe()
    }

    /// Stores an event that is not a request.
    pub fn notice(&self, notice: &Notice) -> Result<Seq, LedgerDown> {
        let seq = Seq(self.shared.append("notice", None, notice).map_err(down)?.seq);
        self.tell(true, || Recorded::Notice(seq, Arc::new(notice.clone())));
        Ok(seq)
    }

    /// Stores an event that has happened anyway: it is not undone for lack of a record.
    pub fn note(&self, notice: &Notice) {
        if let Err(error) = self.notice(notice) {
            tracing::error!(%error, what = notice.what, "Event not stored");
        }
    }

    /// If a group has filled its share of the log for today, the share in bytes.
    pub fn has_filled_its_share(&self, group: &GroupName) -> Option<u64> {
        self.shared.shares.filled(group, Instant::now())
    }

    fn tell(&self, urgent: bool, make: impl FnOnce() -> Recorded) {
        let urgent = urgent && self.alarms.receiver_count() > 0;
        if urgent || self.followers.receiver_count() > 0 {
            let event = make();
            // An error only means that the last follower has gone.
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
        if decision.verdict == Allowed::Deny && self.shared.counts(decision) {
            let last = Seq(lock(&self.shared.journal).written().seq);
            self.tell(decision.alarm, || Recorded::Decision(last, Arc::new(decision.clone())));
            return Ok(last);
        }
        let written = self.shared.append("decision", None, decision).map_err(down)?;
        self.shared.shares.add(&decision.identity.group, written.bytes, Instant::now());
        if decision.alarm {
            self.shared.sync_alarm().map_err(down)?;
        }
        let seq = Seq(written.seq);
        self.tell(decision.alarm, || Recorded::Decision(seq, Arc::new(decision.clone())));
        Ok(seq)
    }

    /// Waits for the disk only to mark a run, once per run.
    fn decided_together<'a>(&'a self, decision: &'a Decision) -> Pending<'a, Result<Seq, LedgerDown>> {
        Box::pin(async move {
            self.shared.refuse_while_unsynced()?;
            self.will_write(decision).await?;
            self.decided(decision)
        })
    }

    fn ended(&self, seq: Seq, outcome: &Outcome) -> Result<(), LedgerDown> {
        // Followers get it even while the disk fails.
        self.tell(outcome.alarm, || Recorded::Outcome(seq, Arc::new(outcome.clone())));
        self.shared.keep("outcome", Some(seq), outcome);
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
    /// Writes a line, after those that wait.
    pub(super) fn append(
        &self,
        kind: &'static str,
        about: Option<Seq>,
        record: &impl Serialize,
    ) -> Result<Written, StoreError> {
        self.tell_lost()?;
        self.write(|journal| journal.append(&head(kind, about), |into| fields(record, into)))
    }

    /// Holds a line until it can be written, or the next one takes it along.
    pub(super) fn keep(&self, kind: &'static str, about: Option<Seq>, record: &impl Serialize) {
        if !lock(&self.journal).wait(&head(kind, about), |into| fields(record, into)) {
            self.lost.fetch_add(1, Ordering::AcqRel);
        }
        self.bell.ring();
    }

    /// Writes the waiting lines.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        self.write(Journal::flush)?;
        self.tell_lost()
    }

    /// Records how many outcomes were dropped for lack of room.
    fn tell_lost(&self) -> Result<(), StoreError> {
        if self.lost.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        self.write(|journal| {
            let lost = self.lost.load(Ordering::Acquire);
            let text = format!("{lost} outcomes or counts were lost while the log could not be written");
            let notice = Notice::new("outcomes_lost", None, text);
            if lost > 0 {
                journal.append(&head("notice", None), |into| fields(&notice, into))?;
                self.lost.fetch_sub(lost, Ordering::AcqRel);
            }
            Ok(())
        })
    }

    /// Writes to the journal and marks it as unsynced.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Journal) -> Result<T, JournalError>) -> Result<T, StoreError> {
        let mut journal = lock(&self.journal);
        let before = journal.written().seq;
        let done = work(&mut journal);
        if journal.written().seq > before {
            self.dirty.store(true, Ordering::Release);
            self.bell.ring();
            self.index.ring();
        }
        done.map_err(|error| StoreError::journal(&self.folder, &error))
    }

    /// Whether a denial belongs to a flood and is only counted.
    fn counts(&self, decision: &Decision) -> bool {
        let filled = self.shares.filled(&decision.identity.group, Instant::now()).is_some();
        let counts = lock(&self.floods).counts(decision, filled, Instant::now());
        if counts {
            self.bell.ring();
        }
        counts
    }

    /// Whether a flood's count is not written yet.
    pub(super) fn owes_counts(&self) -> bool {
        lock(&self.floods).owes()
    }

    /// Writes the counts of floods: those whose minute is over, or all at the end.
    pub(super) fn count_floods(&self, now: Option<Instant>) {
        let due = lock(&self.floods).due(now);
        // Among the outcomes, which wait within bounds while the disk fails.
        due.iter().for_each(|record| self.keep("decision", None, record));
    }

    /// Makes an alarm survive a power cut, however many a sandbox provokes.
    fn sync_alarm(&self) -> Result<(), StoreError> {
        let comes = lock(&self.alarms).comes(Instant::now());
        if comes { aside(|| self.sync_now()) } else { Ok(()) }
    }

    /// Makes everything written survive a power cut.
    pub(super) fn sync_now(&self) -> Result<(), StoreError> {
        let unsynced = lock(&self.journal).unsynced();
        let synced = unsynced.sync().map_err(|error| StoreError::disk(&self.folder, &error));
        match &synced {
            Ok(last) => drop(self.synced.fetch_max(*last, Ordering::AcqRel)),
            Err(_) => lock(&self.journal).not_synced(unsynced),
        }
        *lock(&self.unsynced) = synced.as_ref().err().cloned();
        synced.map(drop)
    }

    /// A log that cannot be synced counts as lost.
    fn refuse_while_unsynced(&self) -> Result<(), LedgerDown> {
        lock(&self.unsynced).clone().map_or(Ok(()), |why| Err(down(why)))
    }
}

/// The head of a line written now.
pub(super) fn head(kind: &'static str, about: Option<Seq>) -> Head {
    Head { at: now(), kind, about: about.map(|seq| seq.0) }
}

/// The signing key beside a log.
pub(super) fn key_of(folder: &Path) -> Result<Key, StoreError> {
    Key::at(&folder.with_extension("key")).map_err(|error| StoreError::Other { path: error.path, detail: error.why })
}

/// A record's fields, each after a comma, without anything that a terminal would obey.
pub(super) fn fields(record: &impl Serialize, into: &mut Vec<u8>) {
    let start = into.len();
    // Writing to a Vec cannot fail, nor can a record with string keys.
    let _ = serde_json::to_writer(&mut *into, record);
    if into.len() - start <= "{}".len() {
        return into.truncate(start);
    }
    into[start] = b',';
    into.pop();
    screen::in_json_from(into, start);
}

fn down(error: StoreError) -> LedgerDown {
    LedgerDown(error.to_string())
}
