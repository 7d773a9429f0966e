//! `doorward usage`: model usage, and how much of each limit that is.

mod openmetrics;

use std::collections::BTreeMap;
use std::process::ExitCode;

use policies::{GroupName, Limits};
use serde_json::json;

use super::show::{Columns, Screen, Styled};
use super::{Failure, change, group, show, times};
use crate::config::Config;
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::meters::{self, Period, Report};
use crate::store::ledger::AuditReader;

/// See what models used up: runs, tokens and money
///
/// Read from the model's own answers as they went through the door, under rules with `model = true`.
/// `[limits]` in a group's policy bounds it: `tokens_per_day`, `money_per_month`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward usage
  doorward usage family
  doorward usage --month
  doorward usage --json
  doorward usage --openmetrics > doorward.prom

Exit codes: 0.")]
pub struct UsageArgs {
    /// Only of this group
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Since the first of the month, not only today
    #[arg(long)]
    month: bool,
    /// As JSON, one line
    #[arg(long)]
    json: bool,
    /// In the OpenMetrics text format, for Prometheus and the like
    #[arg(long, conflicts_with = "json")]
    openmetrics: bool,
}

const HEADINGS: [&str; 7] = ["GROUP", "MODEL", "REQUESTS", "READ", "CACHED", "WRITTEN", "COST"];

pub(super) fn run(home: &Home, args: &UsageArgs) -> Result<ExitCode, Failure> {
    let period = if args.month { Period::Month } else { Period::Day };
    let clock = times::clock(home);
    let since = if args.month { clock.start_of_month() } else { clock.start_of_day() };
    let prices = Config::load(home)?.prices.with_shipped();
    let mut used = Vec::new();
    if home.audit_log().is_dir() {
        used = AuditReader::open(&home.audit_log())?.tokens_since(args.group.as_ref(), since)?;
    }
    let mut reports: BTreeMap<String, Report> =
        meters::report(used, &prices).into_iter().map(|report| (report.group.clone(), report)).collect();
    let store = group::open_store(home)?;
    if let (Some(group), true) = (&args.group, reports.is_empty()) {
        // A removed group's usage is still shown.
        change::registered_group(home, group)?;
    }
    for group in store.groups()?.into_iter().map(|group| group.name) {
        if args.group.as_ref().is_none_or(|only| *only == group) {
            let runs = store.runs_since(&group, since)?;
            let name = group.to_string();
            let report = reports.entry(name.clone()).or_insert_with(|| Report { group: name, ..Report::default() });
            report.runs = runs;
        }
    }
    let reports: Vec<(Report, Limits)> = reports
        .into_values()
        .map(|report| (limits_of(home, &report.group), report))
        .map(|(limits, report)| (report, limits))
        .collect();
    if args.openmetrics {
        show::verbatim(&openmetrics::text(&reports, period))?;
    } else if args.json {
        let groups: Vec<_> =
            reports.iter().map(|(report, limits)| json!({ "usage": report, "limits": limits })).collect();
        show::json(
            &json!({ "period": period, "since_ms": since, "prices_of": crate::config::PRICES_OF, "groups": groups }),
        )?;
    } else {
        show::line(text(&reports, period, Screen::stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A policy that does not load has no limits to show.
fn limits_of(home: &Home, group: &str) -> Limits {
    let group = GroupName::parse(group).ok();
    let compiled = group.and_then(|group| PolicyFiles::compile(home, &group).ok());
    compiled.map(|compiled| *compiled.policy.limits()).unwrap_or_default()
}

fn text(reports: &[(Report, Limits)], period: Period, screen: Screen) -> Styled {
    let rows: Vec<[Styled; 7]> =
        reports.iter().flat_map(|(report, _)| report.models.iter().map(|model| row(&report.group, model))).collect();
    let mut lines: Vec<Styled> = Vec::new();
    if rows.is_empty() {
        lines.push(Styled::from(format!("No model was asked {}.", period.in_words())));
    } else {
        let mut columns = Columns::new(&HEADINGS).numbers(&[2, 3, 4, 5, 6]);
        rows.iter().for_each(|row| columns.fit(row));
        let fitted = columns.on(screen);
        lines.extend(fitted.headings().into_iter().map(Styled::drawn));
        lines.extend(rows.iter().map(|row| Styled::drawn(fitted.row(row))));
        lines.push(Styled::from(format!("\n{}.", capital(&meters::prices_of()))));
    }
    for (report, limits) in reports {
        lines.extend(of_group(report, limits, period).map(Styled::from));
    }
    Styled::joined(lines, "\n")
}

/// One group's usage in a line; `None` if it is zero and unlimited.
fn of_group(report: &Report, limits: &Limits, period: Period) -> Option<String> {
    let mut parts = Vec::new();
    if report.runs > 0 {
        let plural = if report.runs == 1 { "" } else { "s" };
        parts.push(format!("{} run{plural}", report.runs));
    }
    if report.tokens > 0 {
        parts.push(format!("{} tokens, {}", report.tokens, desk::money::about(report.cost)));
    }
    parts.extend(report.of_limits(limits, period));
    parts.extend(report.unpriced());
    (!parts.is_empty()).then(|| format!("{} {}: {}.", report.group, period.in_words(), parts.join("; ")))
}

fn row(group: &str, model: &meters::OfModel) -> [Styled; 7] {
    let about = if model.estimated { "~" } else { "" };
    [
        group.to_owned(),
        desk::screen::on_screen(meters::named(&model.model)),
        model.requests.to_string(),
        format!("{about}{}", model.input + model.cache_write),
        model.cache_read.to_string(),
        format!("{about}{}", model.output),
        model.cost.map_or_else(|| "no price".to_owned(), desk::money::about),
    ]
    .map(Styled::from)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::OfModel;

    #[test]
    fn what_was_used_is_shown_with_its_limits() {
        let model = |name: &str, cost: Option<u64>| OfModel {
            model: name.to_owned(),
            requests: 3,
            input: 1200,
            cache_read: 45_000,
            cache_write: 34,
            output: 800,
            estimated: cost.is_none(),
            cost,
        };
        let report = Report {
            group: "family".to_owned(),
            models: vec![model("claude-sonnet-4-5", Some(123_456)), model("", None)],
            tokens: 94_068,
            cost: 123_456,
            without_price: vec![String::new()],
            runs: 2,
        };
        let limits = Limits { money_per_day: Some(2_000_000), runs_per_day: Some(50), ..Limits::default() };
        let quiet = Report { group: "work".to_owned(), ..Report::default() };
        let shown = text(&[(report, limits), (quiet, Limits::default())], Period::Day, Screen::PIPE);
        let shown = shown.plain();
        let want = "\
GROUP   MODEL              REQUESTS   READ  CACHED  WRITTEN      COST
family  claude-sonnet-4-5         3   1234   45000      800  0.13 USD
family  (not named)               3  ~1234   45000     ~800  no price

Prices as listed on 2026-10-24, or as [prices] says.
family today: 2 runs; 94068 tokens, 0.13 USD; 2 of 50 (runs_per_day); 0.13 USD of 2 USD (money_per_day); without a \
price, so counted in tokens alone: (not named); [prices] in doorward.toml gives them one.";
        assert_eq!(shown, want);
        let nothing = text(&[], Period::Month, Screen::PIPE).plain();
        assert_eq!(nothing, "No model was asked this month.");
    }
}
