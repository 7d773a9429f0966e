//! What models used up, added up for people and for agents.

use policies::Limits;
use serde::Serialize;

use crate::config::{PRICES_OF, Prices};
use crate::store::ledger::ModelUse;

/// For how long it is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// The day so far.
    Day,
    /// The month so far.
    Month,
}

/// What was used up for one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The group.
    pub group: String,
    /// Model by model.
    pub models: Vec<OfModel>,
    /// Tokens of all of them.
    pub tokens: u64,
    /// What they cost, in millionths of a US dollar: of those that have a price.
    pub cost: u64,
    /// Those that have none.
    pub without_price: Vec<String>,
    /// Runs of the agent.
    pub runs: u64,
}

/// What one model used up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfModel {
    /// The model; empty where nobody named it.
    pub model: String,
    /// Requests that came to something.
    pub requests: u64,
    /// Tokens that it read, but for the next two.
    pub input: u64,
    /// Tokens that it found in a cache.
    pub cache_read: u64,
    /// Tokens that it put into one.
    pub cache_write: u64,
    /// Tokens that it wrote.
    pub output: u64,
    /// Whether some of it is an estimate, or is under way.
    pub estimated: bool,
    /// What that costs; `None` where it has no price.
    pub cost: Option<u64>,
}

/// Adds up what was used, group by group. They come in order.
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
    /// What it is called.
    pub fn in_words(self) -> &'static str {
        match self {
            Period::Day => "today",
            Period::Month => "this month",
        }
    }
}

impl Report {
    /// What was used of each limit of this period, in a line: `0.42 of 2 USD (money_per_day)`.
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

    /// That some models have no price, where that is so.
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

/// Of which day the prices are.
pub fn prices_of() -> String {
    format!("prices as listed on {PRICES_OF}, or as [prices] says")
}
