//! What a change of policy would do: rule by rule, and to requests that were made before. What it
//! is not: a proof. Two policies with different rules may still allow the same.

use std::collections::HashMap;

use policies::{Asking, Code, Date, Facts, Limits, Policy, PolicyAt, Verdict};
use serde::Serialize;

use crate::summary::{Effect, RuleSummary, summaries};
use crate::way::{Way, way};

/// From an old policy to a new one.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// Rules that only the new one has.
    pub added: Vec<RuleSummary>,
    /// Rules that only the old one has.
    pub removed: Vec<RuleSummary>,
    /// Limits that changed.
    pub limits: Vec<LimitChange>,
    /// The settings of `[ask]`, before and after, if any of them changed.
    pub asking: Option<(AskingSummary, AskingSummary)>,
    /// The last day of observing, before and after, if it changed.
    pub observe: Option<(Option<Date>, Option<Date>)>,
    /// Whether lookalikes of secrets are blocked, before and after, if that changed.
    pub leaks: Option<(bool, bool)>,
    /// Requests with another outcome.
    pub requests: Vec<RequestChange>,
}

/// A limit before and after; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitChange {
    /// As in `[limits]`.
    pub name: &'static str,
    /// Before.
    pub old: Option<u64>,
    /// After.
    pub new: Option<u64>,
}

/// `[ask]`, without its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskingSummary {
    /// Whether hosts that no rule names are asked about.
    pub unlisted: bool,
    /// How long a request waits, in seconds.
    pub hold: u64,
    /// When nobody is asked.
    pub quiet: Vec<String>,
}

/// A request and its outcome, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestChange {
    /// `GET https://host/path`, without the query.
    pub request: String,
    /// Before.
    pub old: Fate,
    /// After.
    pub new: Fate,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes through unopened.
    Tunnelled,
    /// It is allowed.
    Allowed,
    /// It is allowed if its body meets the rules' conditions.
    AllowedByBody,
    /// The owner is asked first.
    Asked,
    /// The owner is asked first if its body is one that the rules ask about.
    AskedByBody,
    /// It is refused.
    Refused(Code),
}

impl From<&Asking> for AskingSummary {
    fn from(asking: &Asking) -> Self {
        let Asking { unlisted, hold, quiet } = asking;
        let quiet = quiet.iter().map(ToString::to_string).collect();
        AskingSummary { unlisted: unlisted.is_some(), hold: *hold, quiet }
    }
}

/// What replacing a policy by another changes in its rules.
pub fn diff(old: &Policy, new: &Policy) -> Diff {
    let (old_rules, new_rules) = (summaries(old), summaries(new));
    let observe = (old.observe_until(), new.observe_until());
    let asking = (AskingSummary::from(&old.rules().asking), AskingSummary::from(&new.rules().asking));
    let leaks = (old.blocks_lookalikes(), new.blocks_lookalikes());
    Diff {
        added: only_in(&new_rules, &old_rules),
        removed: only_in(&old_rules, &new_rules),
        limits: limit_changes(old.limits(), new.limits()),
        asking: (asking.0 != asking.1).then_some(asking),
        observe: (observe.0 != observe.1).then_some(observe),
        leaks: (leaks.0 != leaks.1).then_some(leaks),
        requests: Vec::new(),
    }
}

fn fate(policy: PolicyAt<'_>, facts: &Facts) -> Fate {
    match way(policy.enforced(), facts.clone()) {
        Way::Unopened(_) => Fate::Tunnelled,
        Way::Judged(Verdict::Allow(permit)) => match permit.body_conditions() {
            None => Fate::Allowed,
            Some(conditions) if conditions.asked_by().is_some() => Fate::AskedByBody,
            Some(_) => Fate::AllowedByBody,
        },
        Way::Judged(Verdict::Ask(_)) => Fate::Asked,
        Way::Judged(Verdict::Deny(_, refusal)) => Fate::Refused(refusal.code),
    }
}

impl Diff {
    /// The same with the outcome of these requests, without observing.
    #[must_use]
    pub fn with_requests(self, old: PolicyAt<'_>, new: PolicyAt<'_>, asked: &[Facts]) -> Self {
        Diff { requests: request_changes(old, new, asked), ..self }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let Diff { added, removed, limits, asking, observe, leaks, requests } = self;
        added.is_empty()
            && removed.is_empty()
            && limits.is_empty()
            && asking.is_none()
            && observe.is_none()
            && leaks.is_none()
            && requests.is_empty()
    }

    /// Whether the new policy may allow something that the old one does not, asked or unasked. Errs
    /// on the side of yes.
    pub fn widens(&self) -> bool {
        // Destructured in full, so that a new field either widens or is left out by name.
        let Diff { added, removed, limits, asking, observe, leaks, requests: _ } = self;
        let looser = |old: Option<u64>, new: Option<u64>| match (old, new) {
            (Some(old), Some(new)) => new > old,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let opens = |rule: &RuleSummary| match rule.effect {
            Effect::Allow | Effect::Ask => true,
            Effect::Deny => false,
        };
        let binds = |rule: &RuleSummary| match rule.effect {
            // An allow with a credential or a condition can restrict what another allows freely.
            Effect::Allow => rule.credential.is_some() || !rule.json.is_empty(),
            Effect::Ask | Effect::Deny => true,
        };
        let asks_more = |(old, new): &(AskingSummary, AskingSummary)| new.unlisted && !old.unlisted;
        added.iter().any(opens)
            || removed.iter().any(binds)
            || limits.iter().any(|limit| looser(limit.old, limit.new))
            || asking.as_ref().is_some_and(asks_more)
            || observe.is_some_and(|(old, new)| new > old)
            || leaks.is_some_and(|(blocked, _)| blocked)
    }
}

/// Rules that say the same are the same, wherever they are.
fn only_in(these: &[RuleSummary], those: &[RuleSummary]) -> Vec<RuleSummary> {
    let mut left: HashMap<String, usize> = HashMap::new();
    for rule in those {
        *left.entry(rule.meaning()).or_default() += 1;
    }
    let is_new = |rule: &&RuleSummary| match left.get_mut(&rule.meaning()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(is_new).cloned().collect()
}

fn limit_changes(old: &Limits, new: &Limits) -> Vec<LimitChange> {
    let pairs = old.each().into_iter().zip(new.each());
    let changes = pairs.map(|((name, old), (_, new))| LimitChange { name, old, new });
    changes.filter(|change| change.old != change.new).collect()
}

fn request_changes(old: PolicyAt<'_>, new: PolicyAt<'_>, asked: &[Facts]) -> Vec<RequestChange> {
    let mut out: Vec<RequestChange> = Vec::new();
    for facts in asked {
        let request = format!("{} {}", facts.method, facts.url_without_query());
        let change = RequestChange { request, old: fate(old, facts), new: fate(new, facts) };
        if change.old != change.new && !out.contains(&change) {
            out.push(change);
        }
    }
    out
}
