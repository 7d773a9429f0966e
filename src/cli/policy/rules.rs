//! `doorward policy show`: everything that a group's policy says, presets and
//! base.toml included.

use policies::{Date, GroupName, Limits, Policy};
use policy_file::RuleSummary;

use super::show::{self, Styled, Tone};
use crate::home::Home;

pub(super) fn json(policy: &Policy) -> serde_json::Value {
    serde_json::json!({
        "group": policy.group(), "policy": policy.hash().to_string(), "rules": policy_file::summaries(policy),
        "limits": policy.limits(), "observe_until": policy.observe_until().map(|day| day.to_string()),
        "leaks": if policy.blocks_lookalikes() { "block" } else { "note" },
    })
}

pub(super) fn words(home: &Home, policy: &Policy, today: Date) -> Styled {
    let rows: Vec<Vec<Styled>> = policy_file::summaries(policy).iter().map(row).collect();
    let mut parts: Vec<Styled> = vec![if rows.is_empty() {
        let group: &GroupName = policy.group();
        format!("{group} may reach nothing: {} names nothing.", home.policy_file(group).display()).into()
    } else {
        show::table(&["", "host", "requests", "credential", "rule"], &rows)
    }];
    let limits: Vec<String> = limits(policy.limits()).collect();
    if !limits.is_empty() {
        parts.push(format!("limits: {}", limits.join(", ")).into());
    }
    parts.extend(policy.blocks_lookalikes().then(|| "leaks: what looks like a secret is blocked".into()));
    parts.extend(policy.observe_until().map(|until| Tone::Warning.of(&observed(until, today))));
    Styled::joined(parts, "\n\n")
}

/// What `mode = "observe"` means today.
fn observed(until: Date, today: Date) -> String {
    if today <= until {
        format!("observed until {until}: hosts that no rule names are let through, and marked in the log")
    } else {
        format!("observing ended on {until}: every rule is enforced")
    }
}

fn limits(limits: &Limits) -> impl Iterator<Item = String> {
    let each = limits.each().into_iter();
    each.filter_map(|(name, value)| value.map(|value| format!("{name} {}", policy_file::limit_in_words(name, value))))
}

fn row(rule: &RuleSummary) -> Vec<Styled> {
    let usual = match rule.scheme {
        Some("http") => rule.ports == [80],
        _ => rule.ports.is_empty() || rule.ports == [443],
    };
    let mut host = rule.host.clone();
    if rule.scheme == Some("http") {
        host = format!("http://{host}");
    }
    if !usual {
        host += &format!(":{}", rule.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    }
    let credential = rule.credential.as_deref().unwrap_or_default().to_owned();
    let effect = if rule.effect == "deny" { Tone::Bad } else { Tone::Good }.of(rule.effect);
    vec![effect, host.into(), rule.in_words().into(), credential.into(), rule.at.to_string().into()]
}
