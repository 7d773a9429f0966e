//! What one group has used: in the day, in the month, and in flight.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use policies::{Date, GroupName};

use super::went_on;
use crate::budget::Warned;
use crate::clock::OwnersClock;
use crate::config::Prices;
use crate::store::StoreError;
use crate::store::ledger::AuditLog;

/// Tokens and their cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) tokens: u64,
    /// In millionths of a US dollar.
    pub(super) money: u64,
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Open {
    /// The day for which it counts.
    pub(super) day: Date,
    /// The most it may use.
    pub(super) most: Spent,
    /// What it has used so far.
    pub(super) so_far: Spent,
    /// The part that the sums already contain: the log was read while it was in flight.
    pub(super) counted: Spent,
}

impl Open {
    pub(super) fn new(day: Date, most: Spent) -> Self {
        Open { day, most, so_far: Spent::default(), counted: Spent::default() }
    }
}

/// What one group has used.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) day: Date,
    pub(super) today: Spent,
    pub(super) month: Spent,
    pub(super) open: BTreeMap<u64, Open>,
    pub(super) warned: Warned,
    /// Whether something passed that was not counted here.
    pub(super) is_behind: bool,
    /// When it was last counted, by the wall clock and by the monotonic one.
    counted: (SystemTime, Instant),
}

impl Spent {
    pub(super) fn add(&mut self, other: Spent) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money = self.money.saturating_add(other.money);
    }

    pub(super) fn without(self, other: Spent) -> Spent {
        let (tokens, money) = (self.tokens.saturating_sub(other.tokens), self.money.saturating_sub(other.money));
        Spent { tokens, money }
    }

    fn larger(self, other: Spent) -> Spent {
        Spent { tokens: self.tokens.max(other.tokens), money: self.money.max(other.money) }
    }
}

impl Used {
    /// From the log, which counts requests in flight at their maximum.
    pub(super) fn read(
        log: &AuditLog,
        clock: &OwnersClock,
        prices: &Prices,
        group: &GroupName,
    ) -> Result<Self, StoreError> {
        let day = clock.now().date();
        let spent = |since| -> Result<Spent, StoreError> {
            let mut spent = Spent::default();
            for used in log.tokens_since(Some(group), since)? {
                spent.add(Spent { tokens: used.tokens.sum(), money: prices.cost(&used.tokens).unwrap_or(0) });
            }
            Ok(spent)
        };
        let (today, month) = (spent(clock.start_of_day())?, spent(clock.start_of_month())?);
        let counted = (SystemTime::now(), Instant::now());
        let (open, warned) = (BTreeMap::new(), Warned::default());
        Ok(Used { day, today, month, open, warned, is_behind: false, counted })
    }

    /// Keeps the requests that were in flight when the log was read: of this day, they are in it at their maximum.
    pub(super) fn going_on_from(mut self, before: Option<Self>) -> Self {
        for (hold, open) in before.into_iter().flat_map(|before| before.open) {
            let counted = if open.day == self.day { open.most } else { Spent::default() };
            self.open.insert(hold, Open { day: self.day, counted, ..open });
        }
        self
    }

    /// Whether it counts for this day: its own, or a later one that was not only reached by setting the clock.
    pub(super) fn is_of(&self, day: Date) -> bool {
        self.day == day || self.day < day && went_on(self.counted.0, self.counted.1)
    }

    /// Moves on to this day.
    pub(super) fn goes_into(&mut self, day: Date) {
        if self.day < day {
            self.today = Spent::default();
            if !self.day.is_in_the_month_of(day) {
                self.month = Spent::default();
            }
            self.warned = Warned::default();
            self.day = day;
        }
        self.counted = (SystemTime::now(), Instant::now());
    }

    /// The requests in flight, except one.
    pub(super) fn others(&self, but: u64) -> Spent {
        let mut sum = Spent::default();
        self.open
            .iter()
            .filter(|(hold, _)| **hold != but)
            .for_each(|(_, open)| sum.add(open.most.larger(open.so_far).without(open.counted)));
        sum
    }

    pub(super) fn settle(&mut self, hold: u64, spent: Spent) {
        let Some(open) = self.open.remove(&hold) else { return };
        let spent = spent.without(open.counted);
        if open.day == self.day {
            self.today.add(spent);
        }
        if open.day.is_in_the_month_of(self.day) {
            self.month.add(spent);
        }
    }
}
