//! `doorward policy show`: everything in a group's policy, including presets and base.toml.

use policies::{Asking, Date, GroupName, Limits, Moment, Policy, Rules, Say, Standing};
use policy_file::{AskingSummary, Effect, RuleSummary};

use super::show::{self, Styled, Tone};
use crate::home::Home;

pub(super) fn json(policy: &Policy) -> serde_json::Value {
    // Destructured in full, so that a new field cannot be forgotten.
    let Rules { allows: _, tunnels: _, denies: _, says, limits, asking, observe: _, blocks_lookalikes } =
        policy.rules();
    serde_json::json!({
        "group": policy.group(), "policy": policy.hash().to_string(), "rules": policy_file::summaries(policy),
        "asking": AskingSummary::from(asking), "limits": limits,
        "says": says.iter().map(say).collect::<Vec<_>>(), "observe_until": policy.observe_until().map(|day| day.to_string()),
        "leaks": if *blocks_lookalikes { "block" } else { "note" },
    })
}

fn say(say: &Say) -> serde_json::Value {
    let Say { at, requests, text } = say;
    let requests: Vec<_> = requests.iter().map(ToString::to_string).collect();
    serde_json::json!({ "at": at, "requests": requests, "text": text })
}

pub(super) fn words(home: &Home, policy: &Policy, now: Moment) -> Styled {
    let rows: Vec<Vec<Styled>> = policy_file::summaries(policy).iter().map(|rule| row(rule, now)).collect();
    let mut parts: Vec<Styled> = vec![if rows.is_empty() {
        let group: &GroupName = policy.group();
        format!("{group} may reach nothing: {} names nothing.", home.policy_file(group).display()).into()
    } else {
        show::table(&["", "host", "requests", "credential", "rule"], &rows)
    }];
    // Destructured in full, so that a new field cannot be forgotten.
    let Rules { allows: _, tunnels: _, denies: _, says: _, limits, asking, observe, blocks_lookalikes } =
        policy.rules();
    let limits: Vec<String> = self::limits(limits).collect();
    if !limits.is_empty() {
        parts.push(format!("limits: {}", limits.join(", ")).into());
    }
    parts.extend(self::asking(asking).map(Styled::from));
    parts.extend(blocks_lookalikes.then(|| "leaks: what looks like a secret is blocked".into()));
    parts.extend(observe.as_ref().map(|observe| Tone::Warning.of(&observed(observe.until, now.date()))));
    Styled::joined(parts, "\n\n")
}

/// The meaning of `mode = "observe"` today.
fn observed(until: Date, today: Date) -> String {
    if today <= until {
        format!("observed until {until}: hosts that no rule names are let through, and marked in the log")
    } else {
        format!("observing ended on {until}: every rule is enforced")
    }
}

/// `[ask]`, if it says anything.
fn asking(asking: &Asking) -> Option<String> {
    if *asking == Asking::default() {
        return None;
    }
    let AskingSummary { unlisted, hold, quiet } = AskingSummary::from(asking);
    let mut words = vec![format!("an asked request waits {hold} s")];
    words.extend(unlisted.then(|| "hosts that no rule names are asked about".to_owned()));
    words.extend((!quiet.is_empty()).then(|| format!("nobody is asked {}", quiet.join(", "))));
    Some(format!("asking: {}", words.join("; ")))
}

fn limits(limits: &Limits) -> impl Iterator<Item = String> {
    let each = limits.each().into_iter();
    each.filter_map(|(name, value)| value.map(|value| format!("{name} {}", policy_file::limit_in_words(name, value))))
}

fn row(rule: &RuleSummary, now: Moment) -> Vec<Styled> {
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
    let tone = match rule.effect {
        Effect::Deny => Tone::Bad,
        Effect::Ask => Tone::Warning,
        Effect::Allow => Tone::Good,
    };
    let effect = match rule.hours.as_ref().map(|hours| hours.standing(now)) {
        None | Some(Standing::Holds | Standing::Closed) => tone.of(&rule.effect.to_string()),
        Some(Standing::Ahead) => Tone::Faint.of(&format!("{} later", rule.effect)),
        Some(Standing::Over) => Tone::Faint.of("ended"),
    };
    vec![effect, host.into(), rule.in_words().into(), credential.into(), rule.at.to_string().into()]
}
