//! What groups have used up of their `[limits]`. The audit log is the memory: after
//! a restart the day's counts are read from it, so nothing is written twice.
//!
//! Days are the machine's local ones; a minute is any sixty seconds in a row.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policies::{Code, Date, GroupName, Host, Limits, Refusal};
use proxy::ports::Budget;

use crate::store::ledger::{AuditLog, Notice, UsedSince};

const MINUTE: Duration = Duration::from_secs(60);

/// Percent of a limit at which its owner is warned.
const WARNINGS: [u64; 2] = [80, 50];

/// The counts of all groups.
pub struct Budgets {
    log: Arc<AuditLog>,
    groups: Mutex<BTreeMap<GroupName, Used>>,
}

/// What one group has used today, and in the last minute.
struct Used {
    day: Date,
    today: UsedSince,
    last_minute: VecDeque<Instant>,
    /// The warnings that were given today.
    warned: BTreeSet<(&'static str, u64)>,
}

impl Budgets {
    /// Counts into, and from, this log.
    pub fn new(log: Arc<AuditLog>) -> Self {
        Budgets { log, groups: Mutex::default() }
    }

    /// Counts for a group under its lock: what is refused is not counted.
    fn with<T>(&self, group: &GroupName, count: impl FnOnce(&mut Used) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut groups = self.lock();
        let day = today();
        let used = match groups.remove(group).filter(|used| used.day == day) {
            Some(used) => used,
            None => Used::read(&self.log, group, day)?,
        };
        count(groups.entry(group.clone()).or_insert(used))
    }

    /// A group whose records have filled its share of the log asks for no more: the log would
    /// fill the disk, and shut the doors of all others.
    fn within_share(&self, group: &GroupName) -> Result<(), Refusal> {
        let Some(share) = self.log.has_filled_its_share(group) else { return Ok(()) };
        let why = format!(
            "the group's requests have filled its share of the audit log for this day ({} MB); the owner gives more \
             with a larger keep_size in [audit] of doorward.toml",
            share / 1_000_000
        );
        Err(Refusal::new(Code::LimitExceeded, why))
    }

    fn warn(&self, group: &GroupName, used: &mut Used, what: &'static str, value: u64, limit: Option<u64>) {
        let Some(limit) = limit.filter(|limit| *limit > 0) else { return };
        let reached = WARNINGS.into_iter().find(|percent| value.saturating_mul(100) >= limit.saturating_mul(*percent));
        let Some(percent) = reached.filter(|percent| used.warned.insert((what, *percent))) else { return };
        let text = format!("group {group} has used {percent} % of its {what} ({limit})");
        tracing::warn!(budget.group = %group, budget.limit = what, budget.percent = percent, "Budget is running out");
        if let Err(error) = self.log.notice(&Notice::new("budget", Some(group), text)) {
            tracing::error!(%error, "Warning about a budget not stored");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupName, Used>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget for Budgets {
    fn admit(&self, group: &GroupName, limits: &Limits, by_wildcard: Option<&Host>, head: u64) -> Result<(), Refusal> {
        self.within_share(group)?;
        if *limits == Limits::default() {
            // What goes by now is not counted: limits that come back read the log anew.
            self.lock().remove(group);
            return Ok(());
        }
        let host = by_wildcard.map(ToString::to_string);
        self.with(group, |used| {
            let minute = used.in_the_last_minute() + 1;
            over("requests_per_minute", minute, limits.requests_per_minute)?;
            over("requests_per_day", used.today.requests + 1, limits.requests_per_day)?;
            over("upload_per_day", used.today.bytes_up + head, limits.upload_per_day)?;
            let new = host.as_ref().is_some_and(|host| !used.today.names.contains(host));
            if new {
                over("new_names_per_day", used.today.names.len() as u64 + 1, limits.new_names_per_day)?;
            }
            used.last_minute.push_back(Instant::now());
            used.today.requests += 1;
            used.today.bytes_up += head;
            used.today.names.extend(host);
            let (requests, bytes) = (used.today.requests, used.today.bytes_up);
            self.warn(group, used, "requests_per_day", requests, limits.requests_per_day);
            self.warn(group, used, "upload_per_day", bytes, limits.upload_per_day);
            Ok(())
        })
    }

    fn spend(&self, group: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal> {
        // Counted under any limit: one on bytes may be added during the day.
        if *limits == Limits::default() || bytes == 0 {
            return Ok(());
        }
        self.with(group, |used| {
            let value = used.today.bytes_up + bytes;
            over("upload_per_day", value, limits.upload_per_day)?;
            used.today.bytes_up = value;
            self.warn(group, used, "upload_per_day", value, limits.upload_per_day);
            Ok(())
        })
    }
}

impl Used {
    /// Fails closed: a log that cannot be read tells nothing of what was used.
    fn read(log: &AuditLog, group: &GroupName, day: Date) -> Result<Self, Refusal> {
        let today = log.used_since(group, start_of_day()).map_err(|error| {
            let why = "what the group has used today cannot be read";
            Refusal::new(Code::AuditUnavailable, why).logged_as(format!("{why}: {error}"))
        })?;
        Ok(Used { day, today, last_minute: VecDeque::new(), warned: BTreeSet::new() })
    }

    fn in_the_last_minute(&mut self) -> u64 {
        while self.last_minute.front().is_some_and(|at| at.elapsed() >= MINUTE) {
            self.last_minute.pop_front();
        }
        self.last_minute.len() as u64
    }
}

fn over(what: &str, value: u64, limit: Option<u64>) -> Result<(), Refusal> {
    let Some(limit) = limit.filter(|limit| value > *limit) else { return Ok(()) };
    let again = if what.ends_with("minute") { "try again in a minute" } else { "it starts anew at midnight" };
    let why = format!("the group has used up its {what} of {limit}; {again}, or the owner raises it in [limits]");
    Err(Refusal::new(Code::LimitExceeded, why))
}

/// The day it is where the machine stands.
pub fn today() -> Date {
    let now = jiff::Zoned::now();
    let part = |value: i8| u8::try_from(value).unwrap_or(1);
    let year = u16::try_from(now.year()).unwrap_or(9999);
    // A clock that names no day of the calendar ends every observation.
    Date::new(year, part(now.month()), part(now.day())).unwrap_or(Date::LAST)
}

fn start_of_day() -> i64 {
    jiff::Zoned::now().start_of_day().map_or(0, |start| start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests;
