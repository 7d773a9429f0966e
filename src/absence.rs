//! The owner's absence: when the owner has said nothing for `[absence] after` (`doorward.toml`), groups reach their
//! models and nothing else until the owner speaks again.
//!
//! What it is: the count and its file. What it is not: a verdict; the gate asks a switch, and this module sets it.
//!
//! **Invariants**
//! - Only elapsed time counts: measured by a monotonic clock while the machine runs, by the wall clock while it was
//!   off. Setting the wall clock changes nothing while Doorward runs.
//! - An absence begins before it is written down, and ends after its end is written down.
//! - A count that cannot be read has run out.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use desk::lock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::approvals::Times;
use crate::store::ledger::{AuditLog, Notice};

/// How often the time is checked.
const LOOK: Duration = Duration::from_secs(60);

/// How much of the count a crash of the machine may lose, in milliseconds.
const KEEP: u64 = 600_000;

/// Applies the result: `true` leaves groups only their models.
type Apply = Box<dyn Fn(bool) + Send + Sync>;

/// Counts how long the owner has been silent.
pub struct Absence {
    /// `None`: never.
    after: Option<Duration>,
    file: PathBuf,
    ledger: Arc<AuditLog>,
    times: Times,
    /// Identifies this boot of the machine: the monotonic clock means nothing in another.
    boot: String,
    apply: Apply,
    counting: Mutex<Counting>,
}

struct Counting {
    count: Count,
    /// How much of the count is in the file.
    kept: Option<u64>,
    /// Why the owner is away, until that has been reported. Only then is it in the file.
    untold: Option<String>,
}

/// The count as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    /// How long the owner has been silent, in milliseconds.
    silent: u64,
    /// Whether that was too long.
    away: bool,
    /// When it was counted, by the wall clock.
    wall: i64,
    /// By the monotonic clock, in milliseconds,
    steady: u64,
    /// in this boot of the machine.
    boot: String,
}

impl std::fmt::Debug for Absence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Absence")
    }
}

impl Absence {
    /// Continues from the count in the file. Where absence is not configured, the file is removed.
    pub fn open(
        (after, file): (Option<Duration>, PathBuf),
        ledger: Arc<AuditLog>,
        (times, boot): (Times, String),
        apply: impl Fn(bool) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (wall, steady) = times.millis();
        let new = Count { silent: 0, away: false, wall, steady, boot: boot.clone() };
        let (known, unread) = if after.is_some() { read(&file) } else { (None, None) };
        if after.is_none()
            && let Err(error) = heard_without_a_daemon(&file)
        {
            tracing::warn!(path = %file.display(), %error, "what counted the owner's absence cannot be removed");
        }
        let count = match (known, &unread) {
            (_, Some(_)) => Count { away: true, ..new },
            (None, None) => new,
            (Some(known), None) => {
                let went = if known.boot == boot && known.steady <= steady {
                    steady - known.steady
                } else {
                    u64::try_from(wall.saturating_sub(known.wall)).unwrap_or(0)
                };
                Count { silent: known.silent.saturating_add(went), away: known.away, ..new }
            }
        };
        let away = count.away;
        let untold = unread.map(|why| format!("the file that says when the owner spoke last cannot be read ({why})"));
        let (apply, counting) = (Box::new(apply), Mutex::new(Counting { count, kept: None, untold }));
        let absence = Arc::new(Absence { after, file, ledger, times, boot, apply, counting });
        if away {
            (absence.apply)(true);
        }
        absence.count();
        absence
    }

    /// Whether groups reach only their models.
    pub fn is_away(&self) -> bool {
        lock(&self.counting).count.away
    }

    /// The owner has said something.
    pub fn heard(&self) {
        if self.after.is_none() {
            return;
        }
        let mut counting = lock(&self.counting);
        let was_away = counting.count.away;
        if let Some(why) = counting.untold.take() {
            self.begins(&why);
        }
        if was_away {
            let back = Notice::new("owner_back", None, "the owner has spoken: policies hold again as they stand");
            if let Err(down) = self.ledger.notice(&back) {
                tracing::error!(%down, "the owner is back, and cannot be: the log cannot be written");
                return;
            }
        }
        let (wall, steady) = self.times.millis();
        counting.count = Count { silent: 0, away: false, wall, steady, boot: self.boot.clone() };
        self.keep(&mut counting, was_away);
        if was_away {
            tracing::warn!("the owner is back");
            (self.apply)(false);
        }
    }

    /// Counts the time since the last look, and applies what follows.
    pub fn look(&self) {
        self.count();
        let mut counting = lock(&self.counting);
        let untold = counting.untold.take();
        if let Some(why) = &untold {
            self.begins(why);
        }
        self.keep(&mut counting, untold.is_some());
    }

    /// What holds from now on. The owner hears of a new absence at the next look.
    fn count(&self) {
        let Some(after) = self.after else { return };
        let (wall, steady) = self.times.millis();
        let mut counting = lock(&self.counting);
        let Count { silent, away, steady: before, .. } = counting.count;
        let silent = silent.saturating_add(steady.saturating_sub(before));
        let over = !away && u128::from(silent) >= after.as_millis();
        counting.count = Count { silent, away: away || over, wall, steady, boot: self.boot.clone() };
        if over {
            (self.apply)(true);
            counting.untold = Some(format!("no word of the owner came for {}", length(after)));
        }
    }

    fn begins(&self, why: &str) {
        let text = format!(
            "{why}: groups reach their models and nothing else, until the owner writes in the main group\u{2019}s chat or runs \
             `doorward unlock`"
        );
        tracing::warn!("{text}");
        self.ledger.note(&Notice::new("owner_away", None, text));
    }

    /// Looks for as long as the daemon serves. Whatever reports to the owner is listening by then.
    pub async fn watch(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        self.look();
        while self.after.is_some() {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => self.look(),
                _ = ending.wait_for(|ending| *ending) => return self.look(),
            }
        }
    }

    fn keep(&self, counting: &mut Counting, at_once: bool) {
        let silent = counting.count.silent;
        if self.after.is_none() {
            return;
        }
        if !at_once && counting.kept.is_some_and(|kept| silent.abs_diff(kept) < KEEP) {
            return;
        }
        match write(&self.file, &counting.count) {
            Ok(()) => counting.kept = Some(silent),
            Err(error) => {
                tracing::error!(path = %self.file.display(), %error, "when the owner spoke last cannot be kept");
            }
        }
    }
}

/// The count in the file, if there is one; and why it cannot be read.
fn read(file: &Path) -> (Option<Count>, Option<String>) {
    match std::fs::read_to_string(file) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(count) => (Some(count), None),
            Err(error) => (None, Some(error.to_string())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn write(file: &Path, count: &Count) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    let mut aside = tempfile::NamedTempFile::new_in(dir)?;
    let text = serde_json::to_string(count)?;
    aside.write_all(text.as_bytes()).and_then(|()| aside.as_file().sync_all())?;
    aside.persist(file).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// The owner has spoken while no daemon is counting.
pub fn heard_without_a_daemon(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn length(length: Duration) -> String {
    let hours = length.as_secs() / 3600;
    if hours >= 48 && hours.is_multiple_of(24) { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};

    use super::*;

    const DAY: u64 = 24 * 3600;
    const FORTNIGHT: Option<Duration> = Some(Duration::from_secs(14 * DAY));

    struct Machine {
        dir: tempfile::TempDir,
        ledger: Arc<AuditLog>,
        wall: Arc<AtomicI64>,
        steady: Arc<AtomicU64>,
        away: Arc<AtomicBool>,
        boot: &'static str,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let ledger = Arc::new(AuditLog::open(&dir.path().join("audit")).unwrap());
            let (wall, steady) = (Arc::new(AtomicI64::new(1_795_000_000_000)), Arc::new(AtomicU64::new(1000)));
            Machine { dir, ledger, wall, steady, away: Arc::default(), boot: "one" }
        }

        fn daemon(&self) -> Arc<Absence> {
            self.daemon_after(FORTNIGHT)
        }

        fn daemon_after(&self, after: Option<Duration>) -> Arc<Absence> {
            self.away.store(false, SeqCst);
            let (wall, steady, away) = (self.wall.clone(), self.steady.clone(), self.away.clone());
            let times = Times::new(move || wall.load(SeqCst), move || Duration::from_secs(steady.load(SeqCst)));
            let clocks = (times, self.boot.to_owned());
            let apply = move |now| away.store(now, SeqCst);
            let absence = Absence::open((after, self.file()), self.ledger.clone(), clocks, apply);
            assert!(after.is_none() || absence.is_away() == self.is_away(), "what holds, holds at once");
            absence.look();
            absence
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("absence.json")
        }

        fn goes_on(&self, seconds: u64) {
            self.steady.fetch_add(seconds, SeqCst);
            self.clock_is_set(i64::try_from(seconds).unwrap());
        }

        fn clock_is_set(&self, seconds: i64) {
            self.wall.fetch_add(seconds * 1000, SeqCst);
        }

        fn is_away(&self) -> bool {
            self.away.load(SeqCst)
        }

        fn told(&self, what: &str) -> usize {
            let what = format!("\"what\":\"{what}\"");
            let log = self.dir.path().join("audit/000000000001.jsonl");
            std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(&what)).count()
        }
    }

    #[test]
    fn who_says_nothing_for_long_is_away_until_they_speak() {
        let machine = Machine::new();
        let absence = machine.daemon();
        for _ in 0..13 {
            machine.goes_on(DAY);
            absence.look();
        }
        absence.heard();
        machine.goes_on(14 * DAY - 1);
        absence.look();
        assert!(!machine.is_away());
        machine.goes_on(1);
        absence.look();
        machine.goes_on(DAY);
        absence.look();
        assert!(machine.is_away() && absence.is_away());
        assert_eq!((machine.told("owner_away"), machine.told("owner_back")), (1, 0), "told once");
        absence.heard();
        assert!(!machine.is_away() && !absence.is_away());
        assert_eq!(machine.told("owner_back"), 1);
    }

    #[test]
    fn a_restart_neither_forgets_nor_ends_it() {
        let mut machine = Machine::new();
        drop(machine.daemon());
        machine.goes_on(10 * DAY);
        let absence = machine.daemon();
        machine.goes_on(3 * DAY);
        absence.look();
        drop(absence);
        // The machine was off.
        machine.boot = "two";
        machine.steady.store(5, SeqCst);
        machine.clock_is_set(i64::try_from(DAY).unwrap());
        let absence = machine.daemon();
        assert!(machine.is_away());
        drop(absence);
        machine.boot = "three";
        let absence = machine.daemon();
        assert!(machine.is_away(), "only a word ends it");
        assert_eq!(machine.told("owner_away"), 1);
        absence.heard();
        drop(absence);
        drop(machine.daemon());
        assert!(!machine.is_away());
        // Switching the count off forgets it.
        machine.goes_on(20 * DAY);
        drop(machine.daemon_after(None));
        drop(machine.daemon());
        assert!(!machine.is_away());
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing() {
        let mut machine = Machine::new();
        let absence = machine.daemon();
        machine.clock_is_set(400 * 24 * 3600);
        absence.look();
        assert!(!machine.is_away(), "set forward");
        drop(absence);
        let absence = machine.daemon();
        assert!(!machine.is_away(), "and by another daemon of the same run");
        machine.clock_is_set(-800 * 24 * 3600);
        machine.goes_on(14 * DAY);
        absence.look();
        assert!(machine.is_away(), "set back");
        absence.heard();
        drop(absence);
        // Switched on with a clock that has lost its time: what was counted stays.
        machine.goes_on(13 * DAY);
        machine.daemon().look();
        machine.boot = "two";
        machine.wall.store(0, SeqCst);
        let absence = machine.daemon();
        assert!(!machine.is_away());
        machine.goes_on(DAY);
        absence.look();
        assert!(machine.is_away());
    }

    #[test]
    fn a_count_that_cannot_be_read_is_over() {
        for text in ["", "{", "{\"silent\":0}"] {
            let machine = Machine::new();
            std::fs::write(machine.file(), text).unwrap();
            let absence = machine.daemon();
            assert!(machine.is_away() && machine.told("owner_away") == 1, "{text}");
            absence.heard();
            drop(machine.daemon());
            assert!(!machine.is_away());
        }
    }
}
