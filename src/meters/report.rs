//! Model usage, summed up for people and for agents.

use policies::Limits;
use serde::Serialize;

use crate::config::{PRICES_OF, Prices};
use crate::store::ledger::ModelUse;

/// The period of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// The day so far.
    Day,
    /// The month so far.
    Month,
}

/// One group's usage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The group.
    pub group: String,
    /// By model.
    pub models: Vec<OfModel>,
    /// Their total tokens.
    pub tokens: u64,
    /// Their cost, in millionths of a US dollar, as far as prices are known.
    pub cost: u64,
    /// Models without a price.
    pub without_price: Vec<String>,
    /// The agent's runs.
    pub runs: u64,
}

/// One model's usage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfModel {
    /// The model; empty if unknown.
    pub model: String,
    /// Requests that used anything.
    pub requests: u64,
    /// Input tokens, without the next two.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens.
    pub output: u64,
    /// Whether part of it is an estimate or in flight.
    pub estimated: bool,
    /// Its cost; `None` without a price.
    pub cost: Option<u64>,
}

/// Sums up usage by group. The input is in order.
pub fn report(used: Vec<ModelUse>, prices: &Prices) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    for ModelUse { group, requests, tokens } in used {
        if reports.last().is_none_or(|last| last.group != group) {
            reports.push(Report { group, ..Report::default() });
        }
        let Some(report) = reports.last_mut() else { continue };
        let cost = prices.cost(&tokens);
        let model = tokens.model.clone().unwrap_or_default();
        report.tokens = report.tokens.saturating_add(tokens.sum());
        match cost {
            Some(cost) => report.cost = report.cost.saturating_add(cost),
            None => report.without_price.push(model.clone()),
        }
        report.models.push(OfModel {
            model,
            requests,
            input: tokens.input,
            cache_read: tokens.cache_read,
            cache_write: tokens.cache_write,
            output: tokens.output,
            estimated: tokens.estimated,
            cost,
        });
    }
    reports
}

impl Period {
    /// Its name.
    pub fn in_words(self) -> &'static str {
        match self {
            Period::Day => "today",
            Period::Month => "this month",
        }
    }
}

impl Report {
    /// The usage of each limit for this period, in a line: `0.42 of 2 USD (money_per_day)`.
    pub fn of_limits(&self, limits: &Limits, period: Period) -> Vec<String> {
        let all = [
            (Period::Day, "runs_per_day", self.runs, limits.runs_per_day),
            (Period::Day, "tokens_per_day", self.tokens, limits.tokens_per_day),
            (Period::Day, "money_per_day", self.cost, limits.money_per_day),
            (Period::Month, "tokens_per_month", self.tokens, limits.tokens_per_month),
            (Period::Month, "money_per_month", self.cost, limits.money_per_month),
        ];
        let of_period = all.into_iter().filter(|(of, ..)| *of == period);
        let line = |(_, name, value, limit): (_, &str, u64, Option<u64>)| {
            let limit = limit?;
            Some(match name.starts_with("money") {
                true => format!("{} of {} ({name})", desk::money::about(value), desk::money::in_words(limit)),
                false => format!("{value} of {limit} ({name})"),
            })
        };
        of_period.filter_map(line).collect()
    }

    /// A note that some models have no price, if so.
    pub fn unpriced(&self) -> Option<String> {
        let named: Vec<&str> = self.without_price.iter().map(|model| named(model)).collect();
        (!named.is_empty()).then(|| {
            format!(
                "without a price, so counted in tokens alone: {}; [prices] in doorward.toml gives them one",
                named.join(", ")
            )
        })
    }
}

/// A model's name for people.
pub fn named(model: &str) -> &str {
    if model.is_empty() { "(not named)" } else { model }
}

/// The date of the prices.
pub fn prices_of() -> String {
    format!("prices as listed on {PRICES_OF}, or as [prices] says")
}
