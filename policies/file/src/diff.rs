//! What a change of a policy would do: rule by rule, and to requests that were
//! asked before. What it is not: a proof; two policies that differ in rules may
//! still allow the same.

use std::collections::HashMap;

use policies::{Code, Date, Facts, Limits, Policy, PolicyAt, Verdict};
use serde::Serialize;

use crate::summary::{RuleSummary, summaries};
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
    /// The last day of observing, before and after, where it changed.
    pub observe: Option<(Option<Date>, Option<Date>)>,
    /// Whether what looks like a secret is blocked, before and after, where it changed.
    pub leaks: Option<(bool, bool)>,
    /// Requests that fare otherwise.
    pub requests: Vec<RequestChange>,
}

/// A limit before and after; none is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitChange {
    /// As in `[limits]`.
    pub name: &'static str,
    /// Before.
    pub old: Option<u64>,
    /// After.
    pub new: Option<u64>,
}

/// A request and what becomes of it, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestChange {
    /// `GET https://host/path`, without the query.
    pub request: String,
    /// Before.
    pub old: Fate,
    /// After.
    pub new: Fate,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes through unopened.
    Tunnelled,
    /// It is allowed.
    Allowed,
    /// It is allowed if its body is as the rules want it.
    AllowedByBody,
    /// It is refused.
    Refused(Code),
}

/// What replacing a policy by another would change in its rules.
pub fn diff(old: &Policy, new: &Policy) -> Diff {
    let (old_rules, new_rules) = (summaries(old), summaries(new));
    let observe = (old.observe_until(), new.observe_until());
    let leaks = (old.blocks_lookalikes(), new.blocks_lookalikes());
    Diff {
        added: only_in(&new_rules, &old_rules),
        removed: only_in(&old_rules, &new_rules),
        limits: limit_changes(old.limits(), new.limits()),
        observe: (observe.0 != observe.1).then_some(observe),
        leaks: (leaks.0 != leaks.1).then_some(leaks),
        requests: Vec::new(),
    }
}

fn fate(policy: PolicyAt<'_>, facts: &Facts) -> Fate {
    match way(policy.enforced(), facts.clone()) {
        Way::Unopened(_) => Fate::Tunnelled,
        Way::Judged(Verdict::Allow(permit)) if permit.body_conditions().is_some() => Fate::AllowedByBody,
        Way::Judged(Verdict::Allow(_)) => Fate::Allowed,
        Way::Judged(Verdict::Deny(_, refusal)) => Fate::Refused(refusal.code),
    }
}

impl Diff {
    /// The same with what would become of these requests, as if nothing was observed.
    #[must_use]
    pub fn with_requests(self, old: PolicyAt<'_>, new: PolicyAt<'_>, asked: &[Facts]) -> Self {
        Diff { requests: request_changes(old, new, asked), ..self }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.limits.is_empty()
            && self.observe.is_none()
            && self.leaks.is_none()
            && self.requests.is_empty()
    }

    /// Whether the new policy may allow something that the old one does not. Errs on
    /// the side of yes.
    pub fn widens(&self) -> bool {
        let looser = |old: Option<u64>, new: Option<u64>| match (old, new) {
            (Some(old), Some(new)) => new > old,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let has_condition = |rule: &&RuleSummary| !rule.json.is_empty();
        self.added.iter().any(|rule| rule.effect == "allow")
            || self.removed.iter().any(|rule| rule.effect == "deny")
            // An allow with a credential or a condition can bind what another allows freely.
            || self.removed.iter().any(|rule| rule.credential.is_some() || has_condition(&rule))
            || self.limits.iter().any(|limit| looser(limit.old, limit.new))
            || self.observe.is_some_and(|(old, new)| new > old)
            || self.leaks.is_some_and(|(blocked, _)| blocked)
    }
}

/// Rules that say the same are the same, wherever they stand.
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
