//! What models use of groups' `[limits]` on tokens and money. The audit log is the only record, as for the other
//! limits (`budget.rs`): a decision states the most a request may use, its outcome what it did use, and after a
//! restart the day and the month are read from there.
//!
//! Days and months follow the owner's time zone (`clock.rs`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use desk::lock;
use policies::{Code, GroupName, Limits, Refusal};
use proxy::audit::Tokens;
use proxy::ports::{Meter, Pending};

use crate::clock::OwnersClock;
use crate::config::Prices;
use crate::store::ledger::AuditLog;

mod report;
mod used;

pub use report::{OfModel, Period, Report, named, prices_of, report};
use used::{Open, Spent, Used};

/// How far two clocks at the same pace may drift apart.
const STEADY: Duration = Duration::from_mins(1);

/// The counts of all groups.
pub struct Meters {
    log: Arc<AuditLog>,
    clock: OwnersClock,
    prices: Prices,
    groups: Mutex<BTreeMap<GroupName, Used>>,
    /// Held while a group's usage is read; the group's other requests wait for it.
    reading: Mutex<BTreeMap<GroupName, Arc<tokio::sync::Mutex<()>>>>,
    holds: AtomicU64,
}

impl Meters {
    /// Counts from this log, by the days of this clock, at these prices.
    pub fn new(log: Arc<AuditLog>, clock: OwnersClock, prices: Prices) -> Self {
        let (groups, reading, holds) = (Mutex::default(), Mutex::default(), AtomicU64::new(1));
        Meters { log, clock, prices, groups, reading, holds }
    }

    /// Counts for a group under its lock. `None`: its usage is not known.
    fn with<T>(&self, group: &GroupName, count: impl FnOnce(&mut Used) -> T) -> Option<T> {
        let (mut groups, day) = (lock(&self.groups), self.clock.now().date());
        let used = groups.get_mut(group).filter(|used| !used.is_behind && used.is_of(day))?;
        used.goes_into(day);
        Some(count(used))
    }

    /// The same for a request with a reservation: even if the clock is set to another day, and until the log has been
    /// read again, it is counted against what was known.
    fn under_way<T>(&self, group: &GroupName, count: impl FnOnce(&mut Used) -> T) -> Option<T> {
        let (mut groups, day) = (lock(&self.groups), self.clock.now().date());
        let used = groups.get_mut(group)?;
        if used.is_of(day) {
            used.goes_into(day);
        }
        Some(count(used))
    }

    async fn read(&self, group: &GroupName) -> Result<(), Refusal> {
        let turn = lock(&self.reading).entry(group.clone()).or_default().clone();
        let _turn = turn.lock().await;
        if self.with(group, |_| ()).is_some() {
            return Ok(());
        }
        let (log, clock, prices, of) = (self.log.clone(), self.clock.clone(), self.prices.clone(), group.clone());
        let read = tokio::task::spawn_blocking(move || Used::read(&log, &clock, &prices, &of)).await;
        let read = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(error) => return Err(unreadable(&error)),
        };
        let mut groups = lock(&self.groups);
        let before = groups.remove(group);
        groups.insert(group.clone(), read.going_on_from(before));
        Ok(())
    }

    async fn hold(&self, group: &GroupName, limits: &Limits, most: &Tokens) -> Result<u64, Refusal> {
        if !limits.bind_models() {
            // What passes now is not counted here: if limits come back, the log is read again.
            lock(&self.groups).entry(group.clone()).and_modify(|used| used.is_behind = true);
            return Ok(0);
        }
        let most = Spent { tokens: most.sum(), money: self.price(limits, most)? };
        loop {
            let held = self.with(group, |used| {
                fits(used, limits, &most)?;
                self.warn(group, used, limits);
                let hold = self.holds.fetch_add(1, Ordering::Relaxed);
                used.open.insert(hold, Open::new(used.day, most));
                Ok(hold)
            });
            match held {
                Some(held) => return held,
                None => self.read(group).await?,
            }
        }
    }

    /// What tokens cost. A model without a price cannot be held to a limit on money, so it is refused first.
    fn price(&self, limits: &Limits, tokens: &Tokens) -> Result<u64, Refusal> {
        if limits.money_per_day.is_none() && limits.money_per_month.is_none() {
            return Ok(self.prices.cost(tokens).unwrap_or(0));
        }
        // Also for a request that claims to use nothing.
        let one = Tokens { output: tokens.output.max(1), ..tokens.clone() };
        if self.prices.cost(&one).is_none() {
            let why = match &tokens.model {
                Some(model) => format!(
                    "the model {model} has no price; the owner gives it one: [prices.\"{model}\"] in doorward.toml, with \
                     input and output in US dollars for a million tokens"
                ),
                None => "this request names no model, so it has no price; name one (`model`), or the owner lifts the \
                         limits on money in [limits]"
                    .to_owned(),
            };
            let why = format!("what the group's models may cost is limited, and {why}");
            return Err(Refusal::new(Code::UsedUp, why));
        }
        Ok(self.prices.cost(tokens).unwrap_or(0))
    }

    fn warn(&self, group: &GroupName, used: &mut Used, limits: &Limits) {
        for (name, limit, of) in each(limits) {
            let value = of(&used.today, &used.month);
            used.warned.about(&self.log, group, name, value, limit);
        }
    }
}

impl Meter for Meters {
    fn reserve<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &'a Limits,
        most: &'a Tokens,
    ) -> Pending<'a, Result<u64, Refusal>> {
        Box::pin(self.hold(group, limits, most))
    }

    fn has_price(&self, model: &str) -> bool {
        let one = Tokens { model: Some(model.to_owned()), output: 1, ..Tokens::default() };
        self.prices.cost(&one).is_some()
    }

    fn goes_on(&self, group: &GroupName, limits: &Limits, hold: u64, so_far: &Tokens) -> Result<(), Refusal> {
        let so_far = Spent { tokens: so_far.sum(), money: self.prices.cost(so_far).unwrap_or(0) };
        let goes_on = self.under_way(group, |used| {
            let Some(open) = used.open.get_mut(&hold) else { return Ok(()) };
            open.so_far = so_far;
            let so_far = so_far.without(open.counted);
            let others = used.others(hold);
            for (name, limit, of) in each(limits) {
                let sum = of(&used.today, &used.month) + of(&others, &others) + of(&so_far, &so_far);
                if let Some(limit) = limit.filter(|limit| sum > *limit) {
                    return Err(used_up(name, limit));
                }
            }
            self.warn(group, used, limits);
            Ok(())
        });
        goes_on.unwrap_or(Ok(()))
    }

    fn settle(&self, group: &GroupName, hold: u64, used: Option<&Tokens>) {
        let cost = |tokens: &Tokens| Spent { tokens: tokens.sum(), money: self.prices.cost(tokens).unwrap_or(0) };
        let spent = used.map(cost).unwrap_or_default();
        self.under_way(group, |used| used.settle(hold, spent));
    }
}

/// The usage that a limit is compared with, of the day's and the month's.
type Of = fn(&Spent, &Spent) -> u64;

/// The limits on models, each with the usage it is compared with.
fn each(limits: &Limits) -> [(&'static str, Option<u64>, Of); 4] {
    [
        ("tokens_per_day", limits.tokens_per_day, |today, _| today.tokens),
        ("tokens_per_month", limits.tokens_per_month, |_, month| month.tokens),
        ("money_per_day", limits.money_per_day, |today, _| today.money),
        ("money_per_month", limits.money_per_month, |_, month| month.money),
    ]
}

/// Whether a request may still use that much.
fn fits(used: &Used, limits: &Limits, most: &Spent) -> Result<(), Refusal> {
    let open = used.others(0);
    for (name, limit, of) in each(limits) {
        let Some(limit) = limit else { continue };
        let (spent, held) = (of(&used.today, &used.month), of(&open, &open));
        if spent >= limit {
            return Err(used_up(name, limit));
        }
        let (left, most) = (limit.saturating_sub(spent.saturating_add(held)), of(most, most));
        if left == 0 || most > left {
            let [left, most, limit] = [left, most, limit].map(|value| amount(name, value));
            let others = if held > 0 { ", beside what other requests of it may take" } else { "" };
            let why = format!(
                "the group has {left} of its {name} of {limit} left{others}, and this request may take {most}; ask for \
                 less with a smaller `max_tokens`, or wait ({}), or the owner raises it in [limits]",
                again(name)
            );
            return Err(Refusal::new(Code::UsedUp, why));
        }
    }
    Ok(())
}

fn used_up(name: &str, limit: u64) -> Refusal {
    let limit = amount(name, limit);
    let why =
        format!("the group has used up its {name} of {limit}; {}, or the owner raises it in [limits]", again(name));
    Refusal::new(Code::UsedUp, why)
}

fn again(name: &str) -> &'static str {
    if name.ends_with("month") { "it starts anew with the next month" } else { "it starts anew at midnight" }
}

/// The amount in words.
fn amount(name: &str, value: u64) -> String {
    if name.starts_with("money") { desk::money::in_words(value) } else { value.to_string() }
}

fn unreadable(error: &dyn std::fmt::Display) -> Refusal {
    let why = "what the group's models have used up cannot be read";
    Refusal::new(Code::AuditUnavailable, why).logged_as(format!("{why}: {error}"))
}

/// Whether the clock ran on by itself, and was not set.
fn went_on(then: SystemTime, at: Instant) -> bool {
    SystemTime::now().duration_since(then).unwrap_or_default().abs_diff(at.elapsed()) < STEADY
}

#[cfg(test)]
mod tests;
