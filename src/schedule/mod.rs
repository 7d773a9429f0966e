//! When a task is due: a pure function of its schedule, of what was due before, and of the time.
//!
//! What it is: cron lines, intervals and single times in a time zone, parsed, followed across clock changes
//! ([`Schedule::next`]) and put into words ([`Schedule::words`]); and what is to run now, whatever the machine's clock
//! did meanwhile ([`Plan::due`]). What it is not: it has no store, no timer and no clock of its own.
//!
//! **Invariants**
//! - No occurrence is due twice, unless the clock was set back by more than a day: then what was due by the wrong clock
//!   does not count.
//! - After any gap at most [`MOST_MISSED`] occurrences are due at once.

mod due;
mod read;
mod words;

use std::time::Duration;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use due::{Due, MOST_MISSED, Missed, Plan};
pub use read::zone_name;

/// When something is to be done, repeatedly or once.
#[derive(Clone, Debug)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
    zone_name: String,
}

#[derive(Clone, Debug)]
enum When {
    /// The parsed line and its source.
    Cron(Box<Cron>, String),
    Every(Duration),
    Once(Timestamp),
    /// What this machine cannot parse, as stored, and why.
    Lost(Kind, String, String),
}

/// The form of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cron line of five fields, by the zone's clock.
    Cron,
    /// A duration, whatever the clock shows.
    Interval,
    /// A single time.
    Once,
}

impl Kind {
    /// All of them, as spelt.
    pub const NAMES: [&str; 3] = ["cron", "interval", "once"];

    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cron => "cron",
            Kind::Interval => "interval",
            Kind::Once => "once",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Kind::Cron, Kind::Interval, Kind::Once].into_iter().find(|kind| kind.name() == name)
    }
}

impl Schedule {
    /// The first occurrence after a moment. Intervals count from `anchor`, so that they never drift.
    ///
    /// A fixed time in a gap of the clock comes at the first moment after the gap, and a repeated one comes the first
    /// time. A line for every few minutes or hours follows the clock as it runs: nothing in the gap, and occurrences in
    /// both hours of the same name.
    pub fn next(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Lost(..) => None,
            When::Once(at) => Some(*at).filter(|at| *at > after),
            When::Every(every) => {
                let every = i64::try_from(every.as_millis()).ok().filter(|every| *every > 0)?;
                let (after, anchor) = (after.as_millisecond(), anchor.as_millisecond());
                let gone = after.checked_sub(anchor)?.div_euclid(every);
                let next = gone.checked_add(1)?.checked_mul(every)?.checked_add(anchor)?;
                Timestamp::from_millisecond(next).ok()
            }
            When::Cron(cron, _) => {
                let from = after.to_zoned(self.zone.clone());
                cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp()).filter(|next| *next > after)
            }
        }
    }

    /// Whether it comes again and again.
    pub fn recurs(&self) -> bool {
        !matches!(self.when, When::Once(_))
    }

    /// How its time is said.
    pub fn kind(&self) -> Kind {
        match &self.when {
            When::Cron(..) => Kind::Cron,
            When::Every(_) => Kind::Interval,
            When::Once(_) => Kind::Once,
            When::Lost(kind, ..) => *kind,
        }
    }

    /// As [`Schedule::stored`] reads it: a cron line, milliseconds, or a time of UTC's.
    pub fn value(&self) -> String {
        match &self.when {
            When::Cron(_, line) => line.clone(),
            When::Every(every) => every.as_millis().to_string(),
            When::Once(at) => at.to_string(),
            When::Lost(_, value, _) => value.clone(),
        }
    }

    /// Why this machine cannot say when it is due, where it cannot: it may know other time zones than
    /// the one that it was made on.
    pub fn lost(&self) -> Option<&str> {
        match &self.when {
            When::Lost(_, _, why) => Some(why),
            _ => None,
        }
    }

    /// The name of its time zone.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// A moment as its zone's clock shows it: `2026-11-30 07:00`.
    pub fn shows(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

#[cfg(test)]
mod tests;
