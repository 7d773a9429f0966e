//! What groups have used of their `[limits]`. The audit log is the only record: after a restart the day's counts
//! are read from it, so nothing is stored twice. Reading a long day takes a while and runs on another thread: only
//! that group waits.
//!
//! Days follow the owner's time zone (`clock.rs`); a minute is any sixty consecutive seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use desk::lock;
use policies::{Code, Date, GroupName, Host, Limits, Refusal};
use proxy::ports::{Budget, Pending};

use crate::clock::OwnersClock;
use crate::store::ledger::{AuditLog, UsedSince};

mod warned;

pub(crate) use warned::Warned;

const MINUTE: Duration = Duration::from_secs(60);

/// The counts of all groups.
pub struct Budgets {
    log: Arc<AuditLog>,
    clock: OwnersClock,
    groups: Mutex<BTreeMap<GroupName, Used>>,
    /// Held while a group's day is read; the group's other requests wait for it.
    reading: Mutex<BTreeMap<GroupName, Arc<tokio::sync::Mutex<()>>>>,
}

/// What one group has used today and in the last minute.
struct Used {
    day: Date,
    today: UsedSince,
    last_minute: VecDeque<Instant>,
    /// When something was last counted, by the wall clock and by the monotonic one.
    counted: (SystemTime, Instant),
    /// The warnings given today.
    warned: Warned,
}

impl Budgets {
    /// Counts into and from this log, by the days of this clock.
    pub fn new(log: Arc<AuditLog>, clock: OwnersClock) -> Self {
        Budgets { log, clock, groups: Mutex::default(), reading: Mutex::default() }
    }

    /// Counts for a group under its lock: what is refused is not counted. `Err`: today's usage is not known, and
    /// nothing was counted.
    fn with<T, F: FnOnce(&mut Used) -> T>(&self, group: &GroupName, count: F) -> Result<T, F> {
        let (mut groups, day) = (lock(&self.groups), self.clock.now().date());
        let Some(used) = groups.get_mut(group).filter(|used| used.day == day || used.is_of_the_day_before(day)) else {
            // Not read yet, or the clock was set: the log says what was used today.
            return Err(count);
        };
        if used.day < day {
            // A new day starts from zero.
            *used = Used::of(day, UsedSince::default());
        }
        used.counted = (SystemTime::now(), Instant::now());
        Ok(count(used))
    }

    /// Reads what a group has used today, once for all of its waiting requests.
    async fn read(&self, group: &GroupName) -> Result<(), Refusal> {
        let turn = lock(&self.reading).entry(group.clone()).or_default().clone();
        let _turn = turn.lock().await;
        if self.with(group, |_| ()).is_ok() {
            return Ok(());
        }
        let (log, clock, of) = (self.log.clone(), self.clock.clone(), group.clone());
        let read = tokio::task::spawn_blocking(move || Used::read(&log, &clock, &of)).await;
        self.know(group, read.unwrap_or_else(|error| Err(unreadable(error)))?);
        Ok(())
    }

    /// Keeps what was read, unless another request was faster: what was counted since then stays.
    fn know(&self, group: &GroupName, read: Used) {
        let mut groups = lock(&self.groups);
        if groups.get(group).is_none_or(|used| used.day != read.day) {
            groups.insert(group.clone(), read);
        }
    }

    /// Before anything is sent, counts an allowed request, which may have to wait for its group's counts.
    async fn count(
        &self,
        group: &GroupName,
        limits: &Limits,
        by_wildcard: Option<&Host>,
        head: u64,
    ) -> Result<(), Refusal> {
        self.within_share(group)?;
        if *limits == Limits::default() {
            // What goes by now is not counted: limits that come back read the log anew.
            lock(&self.groups).remove(group);
            return Ok(());
        }
        let host = by_wildcard.map(ToString::to_string);
        let mut count = |used: &mut Used| self.admit_to(used, group, limits, host.clone(), head);
        loop {
            match self.with(group, &mut count) {
                Ok(counted) => return counted,
                Err(_) => self.read(group).await?,
            }
        }
    }

    fn admit_to(
        &self,
        used: &mut Used,
        group: &GroupName,
        limits: &Limits,
        host: Option<String>,
        head: u64,
    ) -> Result<(), Refusal> {
        let minute = used.in_the_last_minute() + 1;
        over("requests_per_minute", minute, limits.requests_per_minute)?;
        over("requests_per_day", used.today.requests + 1, limits.requests_per_day)?;
        over("upload_per_day", used.today.bytes_up + head, limits.upload_per_day)?;
        if host.as_ref().is_some_and(|host| !used.today.names.contains(host)) {
            over("new_names_per_day", used.today.names.len() as u64 + 1, limits.new_names_per_day)?;
        }
        used.last_minute.push_back(Instant::now());
        used.today.requests += 1;
        used.today.bytes_up += head;
        used.today.names.extend(host);
        let (requests, bytes) = (used.today.requests, used.today.bytes_up);
        used.warned.about(&self.log, group, "requests_per_day", requests, limits.requests_per_day);
        used.warned.about(&self.log, group, "upload_per_day", bytes, limits.upload_per_day);
        Ok(())
    }

    /// A group whose records have filled its share of the log is refused further requests: a full disk would shut
    /// the doors of all other groups.
    fn within_share(&self, group: &GroupName) -> Result<(), Refusal> {
        let Some(share) = self.log.has_filled_its_share(group) else { return Ok(()) };
        let why = format!(
            "the group's requests have filled its share of the audit log for this day ({} MB); the owner gives more \
             with a larger keep_size in [audit] of doorward.toml",
            share / 1_000_000
        );
        Err(Refusal::new(Code::LimitExceeded, why))
    }
}

impl Budget for Budgets {
    fn admit<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &Limits,
        by_wildcard: Option<&'a Host>,
        head: u64,
    ) -> Pending<'a, Result<(), Refusal>> {
        let limits = *limits;
        Box::pin(async move { self.count(group, &limits, by_wildcard, head).await })
    }

    fn spend(&self, group: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal> {
        // Counted whatever the limits: one on bytes may be added during the day.
        if *limits == Limits::default() || bytes == 0 {
            return Ok(());
        }
        let mut count = |used: &mut Used| {
            let value = used.today.bytes_up + bytes;
            over("upload_per_day", value, limits.upload_per_day)?;
            used.today.bytes_up = value;
            used.warned.about(&self.log, group, "upload_per_day", value, limits.upload_per_day);
            Ok(())
        };
        loop {
            match self.with(group, &mut count) {
                Ok(counted) => return counted,
                // Only where limits were added while a body was in flight: its next bytes wait here.
                Err(_) => self.know(group, Used::read(&self.log, &self.clock, group)?),
            }
        }
    }
}

impl Used {
    fn of(day: Date, today: UsedSince) -> Self {
        let counted = (SystemTime::now(), Instant::now());
        Used { day, today, last_minute: VecDeque::new(), counted, warned: Warned::default() }
    }

    /// Fails closed: if the log cannot be read, usage is unknown.
    fn read(log: &AuditLog, clock: &OwnersClock, group: &GroupName) -> Result<Self, Refusal> {
        let day = clock.now().date();
        log.used_since(group, clock.start_of_day()).map(|used| Used::of(day, used)).map_err(unreadable)
    }

    /// Whether a day has passed since, and not only the clock was set.
    fn is_of_the_day_before(&self, day: Date) -> bool {
        let (then, at) = self.counted;
        let by_the_clock = SystemTime::now().duration_since(then).unwrap_or_default();
        self.day < day && by_the_clock.abs_diff(at.elapsed()) < MINUTE
    }

    fn in_the_last_minute(&mut self) -> u64 {
        while self.last_minute.front().is_some_and(|at| at.elapsed() >= MINUTE) {
            self.last_minute.pop_front();
        }
        self.last_minute.len() as u64
    }
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    let why = "what the group has used today cannot be read";
    Refusal::new(Code::AuditUnavailable, why).logged_as(format!("{why}: {error}"))
}

fn over(what: &str, value: u64, limit: Option<u64>) -> Result<(), Refusal> {
    let Some(limit) = limit.filter(|limit| value > *limit) else { return Ok(()) };
    let again = if what.ends_with("minute") { "try again in a minute" } else { "it starts anew at midnight" };
    let why = format!("the group has used up its {what} of {limit}; {again}, or the owner raises it in [limits]");
    Err(Refusal::new(Code::LimitExceeded, why))
}

#[cfg(test)]
mod tests;
