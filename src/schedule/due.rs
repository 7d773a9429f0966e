//! What is due now, given what was planned before.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::Schedule;

/// Which missed occurrences of a task are still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// None: anything more than some minutes late is skipped.
    Skip,
    /// The last one.
    #[default]
    Once,
    /// All, but at most the last [`MOST_MISSED`].
    All,
}

/// The most missed occurrences of a task that are run.
pub const MOST_MISSED: usize = 10;

/// Anything less late is not missed: a restart, or a slow start of the machine.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// A clock that was set back by more had been wrong.
const WRONG: SignedDuration = SignedDuration::from_hours(24);

/// The most occurrences that are counted one by one.
const COUNTED: usize = 5000;

/// A task's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Intervals count from here.
    pub anchor: Timestamp,
    /// When this plan was made.
    pub planned_at: Timestamp,
    /// The last occurrence that was due.
    pub last: Option<Timestamp>,
    /// The next one; `None` if none follows.
    pub next: Option<Timestamp>,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The occurrences to run, the oldest first.
    pub runs: Vec<Timestamp>,
    /// How many are skipped, at least.
    pub missed: usize,
    /// The next plan.
    pub plan: Plan,
}

impl Missed {
    /// All of them, as spelt.
    pub const NAMES: [&str; 3] = ["skip", "once", "all"];

    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Missed::Skip => "skip",
            Missed::Once => "once",
            Missed::All => "all",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Missed::Skip, Missed::Once, Missed::All].into_iter().find(|missed| missed.name() == name)
    }
}

impl Plan {
    /// The plan of a task that starts, or starts again.
    pub fn from_now(schedule: &Schedule, anchor: Timestamp, now: Timestamp) -> Self {
        Plan { anchor, planned_at: now, last: None, next: schedule.next(now, anchor) }
    }

    /// What is due now, and what follows.
    pub fn due(self, schedule: &Schedule, missed: Missed, now: Timestamp) -> Due {
        let plan = self.by_a_clock_set_back(schedule, now);
        let Some(first) = plan.next.filter(|next| *next <= now) else {
            return Due { runs: Vec::new(), missed: 0, plan };
        };
        let (newest, count) = newest(schedule, first, plan.anchor, now);
        let last = newest.back().copied().unwrap_or(first);
        let runs: Vec<_> = match missed {
            Missed::Skip => Vec::from_iter(Some(last).filter(|last| now.duration_since(*last) <= LATE)),
            Missed::Once => vec![last],
            Missed::All => newest.into(),
        };
        let next = schedule.next(now, plan.anchor);
        Due { missed: count - runs.len(), runs, plan: Plan { planned_at: now, last: Some(last), next, ..plan } }
    }

    /// The same, with at least this long until the next occurrence.
    #[must_use]
    pub fn resting(self, schedule: &Schedule, pause: SignedDuration, now: Timestamp) -> Self {
        let rested = now.checked_add(pause).unwrap_or(now);
        match self.next {
            Some(next) if next < rested && schedule.recurs() => {
                Plan { planned_at: now, next: schedule.next(rested, self.anchor), ..self }
            }
            _ => self,
        }
    }

    /// A plan made by a clock that was ahead would wait for that clock. Occurrences due within the day stay counted:
    /// they are not due again.
    fn by_a_clock_set_back(self, schedule: &Schedule, now: Timestamp) -> Self {
        if now >= self.planned_at || !schedule.recurs() || self.next.is_none() {
            return self;
        }
        let was_wrong = self.planned_at.duration_since(now) > WRONG;
        let last = self.last.filter(|_| !was_wrong);
        let after = last.map_or(now, |last| last.max(now));
        Plan { planned_at: now, last, next: schedule.next(after, self.anchor), ..self }
    }
}

/// The newest occurrences from the first one until now, and how many there were, at least.
fn newest(schedule: &Schedule, first: Timestamp, anchor: Timestamp, now: Timestamp) -> (VecDeque<Timestamp>, usize) {
    let (mut newest, mut count, mut at) = (VecDeque::new(), 0, Some(first));
    while let Some(occurs) = at.filter(|at| *at <= now) {
        if newest.len() == MOST_MISSED {
            newest.pop_front();
        }
        newest.push_back(occurs);
        count += 1;
        let after = match count {
            // So far behind, the exact number does not matter.
            COUNTED => now.checked_sub(SignedDuration::from_hours(48)).map_or(occurs, |near| near.max(occurs)),
            _ => occurs,
        };
        at = schedule.next(after, anchor);
    }
    (newest, count)
}
