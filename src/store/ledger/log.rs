//! The log, open for writing. Whoever asks writes its own line, in one call together with the
//! outcomes that waited: a hop to another thread costs more than that.

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

/// What is younger is never removed, whatever the size: the day's budgets of `[limits]`
/// are counted from it after a restart, and no day is longer than 25 hours.
const ALWAYS: Duration = Duration::from_hours(26);

/// The audit log, open for writing; share it by `Arc`.
#[derive(Debug)]
pub struct AuditLog {
    pub(super) shared: Arc<Shared>,
    pub(super) reading: Reading,
    followers: broadcast::Sender<Recorded>,
    /// Apart from the others, so that no flood of them can crowd out an alarm.
    alarms: broadcast::Sender<Recorded>,
    /// Who keeps which runs have written.
    pub(super) runs: Option<Arc<Store>>,
    /// The number of the last record when it was opened; 0 where there was none.
    found: Seq,
    _keeper: Ticking,
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

/// What the handle and the thread behind it share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) journal: Mutex<Journal>,
    /// How many outcomes there was no room to keep.
    pub(super) lost: AtomicU64,
    pub(super) retention: Retention,
    floods: Mutex<Floods>,
    shares: Shares,
    pub(super) alarms: Mutex<Alarms>,
    /// Whether something was written that no fsync has covered yet.
    pub(super) dirty: AtomicBool,
    /// Why the last fsync failed, while it does.
    pub(super) unsynced: Mutex<Option<StoreError>>,
    /// The last line that an fsync has covered.
    synced: AtomicU64,
    /// Wakes the thread behind the log, and the one that keeps its index.
    pub(super) bell: Arc<Bell>,
    index: Arc<Bell>,
}

impl AuditLog {
    /// Opens the log in a folder, makes it (0700) where it is missing, and notes the start. All
    /// of it is kept.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_to_keep(folder, Retention::default(), Link::NONE)
    }

    /// The same, and removes what has had its time, now and from time to time. A log that begins
    /// goes on from `base`.
    pub fn open_to_keep(folder: &Path, retention: Retention, base: Link) -> Result<Self, StoreError> {
        let retention = Retention { always: ALWAYS, ..retention };
        let key = key_of(folder)?;
        let opened = Journal::open(folder, key, now(), base);
        let opened = opened.map_err(|error| StoreError::journal(folder, &error))?;
        // What is kept up to a size goes in pieces of it.
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
        let seq = Seq(self.shared.append("notice", None, notice).map_err(down)?.seq);
        self.tell(true, || Recorded::Notice(seq, Arc::new(notice.clone())));
        Ok(seq)
    }

    /// Stores an event beside what happens anyway: it is not undone for want of a record.
    pub fn note(&self, notice: &Notice) {
        if let Err(error) = self.notice(notice) {
            tracing::error!(%error, what = notice.what, "Event not stored");
        }
    }

    /// Whether a group has filled its share of the log for this day, and how many bytes that is.
    pub fn has_filled_its_share(&self, group: &GroupName) -> Option<u64> {
        self.shared.shares.filled(group, Instant::now())
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

    /// Waits for the disk where a run is marked first, once a run, and for nothing else.
    fn decided_together<'a>(&'a self, decision: &'a Decision) -> Pending<'a, Result<Seq, LedgerDown>> {
        Box::pin(async move {
            self.shared.refuse_while_unsynced()?;
            self.will_write(decision).await?;
            self.decided(decision)
        })
    }

    fn ended(&self, seq: Seq, outcome: &Outcome) -> Result<(), LedgerDown> {
        // Followers hear of it even while the disk does not take it.
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
    /// Writes a line, and before it those that wait.
    pub(super) fn append(
        &self,
        kind: &'static str,
        about: Option<Seq>,
        record: &impl Serialize,
    ) -> Result<Written, StoreError> {
        self.tell_lost()?;
        self.write(|journal| journal.append(&head(kind, about), |into| fields(record, into)))
    }

    /// Keeps a line until it can be written, or until the next one takes it along.
    pub(super) fn keep(&self, kind: &'static str, about: Option<Seq>, record: &impl Serialize) {
        if !lock(&self.journal).wait(&head(kind, about), |into| fields(record, into)) {
            self.lost.fetch_add(1, Ordering::AcqRel);
        }
        self.bell.ring();
    }

    /// Writes the lines that wait.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        self.write(Journal::flush)?;
        self.tell_lost()
    }

    /// Says how many outcomes found no room.
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

    /// Has the journal write; what it wrote waits for an fsync.
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

    /// Whether a denial is one of a flood, and only counted.
    fn counts(&self, decision: &Decision) -> bool {
        let filled = self.shares.filled(&decision.identity.group, Instant::now()).is_some();
        let counts = lock(&self.floods).counts(decision, filled, Instant::now());
        if counts {
            self.bell.ring();
        }
        counts
    }

    /// Whether a count of a flood is not written down yet.
    pub(super) fn owes_counts(&self) -> bool {
        lock(&self.floods).owes()
    }

    /// Writes the counts of floods: those that had their minute, or all at the end.
    pub(super) fn count_floods(&self, now: Option<Instant>) {
        let due = lock(&self.floods).due(now);
        // Among the outcomes, which wait in bounds while the disk takes nothing.
        due.iter().for_each(|record| self.keep("decision", None, record));
    }

    /// Makes an alarm survive a power cut, whatever a sandbox does to have many of them.
    fn sync_alarm(&self) -> Result<(), StoreError> {
        let comes = lock(&self.alarms).comes(Instant::now());
        if comes { aside(|| self.sync_now()) } else { Ok(()) }
    }

    /// Makes all that is written survive a power cut.
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

    /// A log that the disk does not take is a lost log.
    fn refuse_while_unsynced(&self) -> Result<(), LedgerDown> {
        lock(&self.unsynced).clone().map_or(Ok(()), |why| Err(down(why)))
    }
}

/// What a line begins with that is written now.
pub(super) fn head(kind: &'static str, about: Option<Seq>) -> Head {
    Head { at: now(), kind, about: about.map(|seq| seq.0) }
}

/// The signing key beside a log.
pub(super) fn key_of(folder: &Path) -> Result<Key, StoreError> {
    Key::at(&folder.with_extension("key")).map_err(|error| StoreError::Other { path: error.path, detail: error.why })
}

/// A record's fields, each behind a comma, with nothing in them that a terminal obeys.
pub(super) fn fields(record: &impl Serialize, into: &mut Vec<u8>) {
    let start = into.len();
    // Writing to a Vec cannot fail, nor can a record whose keys are words.
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
