//! Model usage in the OpenMetrics text format, for plotting over time.

use policies::Limits;

use crate::meters::{Period, Report};

/// One metric: its name, description and samples.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<String>,
}

/// All metrics. The numbers are those of the day or month so far and restart with the next: gauges.
pub(super) fn text(reports: &[(Report, Limits)], period: Period) -> String {
    let mut all = [
        family("doorward_runs", "Runs of a group's agent."),
        family("doorward_model_requests", "Requests to a model that came to something."),
        family("doorward_model_tokens", "Tokens that a model read, found in a cache, put into one, or wrote."),
        family(
            "doorward_model_cost_dollars",
            "What the tokens cost by the prices that Doorward knows; without a price, no sample.",
        ),
        family("doorward_limit", "A limit of the group's policy, in what its name says; money in US dollars."),
    ];
    for (report, limits) in reports {
        let group = [("group", report.group.as_str()), ("period", named(period))];
        all[0].add(&group, &report.runs);
        for model in &report.models {
            let of_model = [group[0], group[1], ("model", model.model.as_str())];
            all[1].add(&of_model, &model.requests);
            let kinds = [
                ("input", model.input),
                ("cache_read", model.cache_read),
                ("cache_write", model.cache_write),
                ("output", model.output),
            ];
            for (kind, tokens) in kinds {
                all[2].add(&[of_model[0], of_model[1], of_model[2], ("kind", kind)], &tokens);
            }
            if let Some(cost) = model.cost {
                all[3].add(&of_model, &dollars(cost));
            }
        }
        for (name, limit) in limits_of(limits, period) {
            all[4].add(&[group[0], ("limit", name)], &limit);
        }
    }
    let families: String = all.iter().map(Family::text).collect();
    families + "# EOF"
}

fn limits_of(limits: &Limits, period: Period) -> Vec<(&'static str, String)> {
    let whole = |limit: Option<u64>| limit.map(|limit| limit.to_string());
    let money = |limit: Option<u64>| limit.map(dollars);
    let all = match period {
        Period::Day => vec![
            ("runs_per_day", whole(limits.runs_per_day)),
            ("tokens_per_day", whole(limits.tokens_per_day)),
            ("money_per_day", money(limits.money_per_day)),
        ],
        Period::Month => vec![
            ("tokens_per_month", whole(limits.tokens_per_month)),
            ("money_per_month", money(limits.money_per_month)),
        ],
    };
    all.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect()
}

fn named(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
    }
}

/// Exact millionths.
fn dollars(millionths: u64) -> String {
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help, samples: Vec::new() }
}

impl Family {
    fn add(&mut self, labels: &[(&str, &str)], value: &dyn std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(name, label)| format!("{name}=\"{}\"", escaped(label))).collect();
        self.samples.push(format!("{}{{{}}} {value}\n", self.name, labels.join(",")));
    }

    /// Empty without samples.
    fn text(&self) -> String {
        let Family { name, help, samples } = self;
        if samples.is_empty() {
            return String::new();
        }
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{}", samples.concat())
    }
}

/// A model's name comes from a sandbox or a host.
fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::OfModel;

    #[test]
    fn each_number_is_a_sample_and_no_name_ends_its_label() {
        let model = |name: &str, cost| OfModel {
            model: name.to_owned(),
            requests: 3,
            input: 12,
            output: 8,
            cost,
            ..OfModel::default()
        };
        let models = vec![model("claude-sonnet-4-5", Some(1_230_456)), model("a\"} 1\n\\", None)];
        let report = Report { group: "family".to_owned(), models, runs: 2, ..Report::default() };
        let limits = Limits { money_per_day: Some(2_000_000), tokens_per_month: Some(9), ..Limits::default() };
        let want = r#"# HELP doorward_runs Runs of a group's agent.
# TYPE doorward_runs gauge
doorward_runs{group="family",period="day"} 2
# HELP doorward_model_requests Requests to a model that came to something.
# TYPE doorward_model_requests gauge
doorward_model_requests{group="family",period="day",model="claude-sonnet-4-5"} 3
doorward_model_requests{group="family",period="day",model="a\"} 1\n\\"} 3
# HELP doorward_model_tokens Tokens that a model read, found in a cache, put into one, or wrote.
# TYPE doorward_model_tokens gauge
doorward_model_tokens{group="family",period="day",model="claude-sonnet-4-5",kind="input"} 12
doorward_model_tokens{group="family",period="day",model="claude-sonnet-4-5",kind="cache_read"} 0
doorward_model_tokens{group="family",period="day",model="claude-sonnet-4-5",kind="cache_write"} 0
doorward_model_tokens{group="family",period="day",model="claude-sonnet-4-5",kind="output"} 8
doorward_model_tokens{group="family",period="day",model="a\"} 1\n\\",kind="input"} 12
doorward_model_tokens{group="family",period="day",model="a\"} 1\n\\",kind="cache_read"} 0
doorward_model_tokens{group="family",period="day",model="a\"} 1\n\\",kind="cache_write"} 0
doorward_model_tokens{group="family",period="day",model="a\"} 1\n\\",kind="output"} 8
# HELP doorward_model_cost_dollars What the tokens cost by the prices that Doorward knows; without a price, no sample.
# TYPE doorward_model_cost_dollars gauge
doorward_model_cost_dollars{group="family",period="day",model="claude-sonnet-4-5"} 1.230456
# HELP doorward_limit A limit of the group's policy, in what its name says; money in US dollars.
# TYPE doorward_limit gauge
doorward_limit{group="family",limit="money_per_day"} 2.000000
# EOF"#;
        assert_eq!(text(&[(report, limits)], Period::Day), want);
        assert_eq!(text(&[], Period::Month), "# EOF");
    }
}
