//! Running `[[test]]`s: when a file is loaded, and when its owner asks.

use desk::{Problem, Text};
use policies::{At, Moment, Policy, PolicyAt, Refusal, RuleRef, Verdict};

use crate::table::Test;
use crate::way::{Way, way};

/// What became of one `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TestReport {
    /// Where it stands.
    pub at: RuleRef,
    /// As it stands there.
    pub request: String,
    /// When, where the test says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// `allow` or `deny`.
    pub want: &'static str,
    /// Whether it came out so.
    pub passed: bool,
    /// The rule that allows the request, or why it is refused.
    pub why: String,
}

/// What becomes of a test at all the moments that it may mean.
struct Outcome {
    /// At one that goes against the test, where there is one.
    result: Result<RuleRef, Refusal>,
    passed: bool,
    /// That moment, and another at which the test would hold: only the time decides.
    turns: Option<(Moment, Moment)>,
}

pub(crate) fn report(test: &Test, text: &Text, policy: &Policy) -> TestReport {
    let Outcome { result, passed, turns } = outcome(policy, test);
    let why = result.map_or_else(|refusal| refusal.why, |rule| format!("allowed by {rule}"));
    TestReport {
        at: RuleRef { file: text.name.clone(), line: text.line(test.span.start) },
        request: test.request.clone(),
        when: test.at.map(|at| at.to_string()),
        want: if test.want_allow { "allow" } else { "deny" },
        passed,
        why: turns.map_or(why.clone(), |(against, _)| format!("at {}: {why}", in_week(against))),
    }
}

/// Runs a test; where it fails, whether it wanted `allow`, and the problem.
pub(crate) fn problem(test: &Test, text: &Text, policy: &Policy) -> Option<(bool, Problem)> {
    let Outcome { result, passed, turns } = outcome(policy, test);
    if passed {
        return None;
    }
    let at = turns.map(|(against, _)| format!(" at {}", in_week(against))).unwrap_or_default();
    let say_when = |(_, holds)| format!("say when the request comes, like at = \"{}\"", in_week(holds));
    let (message, help) = match result {
        Ok(rule) => {
            let message = format!("this test wants {} denied, but {rule} allows it{at}", asked(test));
            let narrow = "narrow that rule, or add a [[deny]]";
            (message, Some(turns.map_or(narrow.to_owned(), |turns| format!("{}; or {narrow}", say_when(turns)))))
        }
        Err(refusal) => {
            let message = format!("this test wants {} allowed, but{at} it is denied: {}", asked(test), refusal.why);
            (message, turns.map(say_when).or_else(|| lift_in_one_line(&refusal)))
        }
    };
    Some((test.want_allow, Problem::new(text, test.span.clone(), message, help)))
}

fn asked(test: &Test) -> String {
    let when = test.at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{}{when}", test.request)
}

/// As a test says it.
fn in_week(moment: Moment) -> String {
    format!("{} {}", moment.weekday(), moment.time())
}

/// What a test does not say of the time may be any: it holds where it holds at every moment
/// that makes a difference.
fn outcome(policy: &Policy, test: &Test) -> Outcome {
    let said = test.at.unwrap_or(At::ANY);
    let judged = |moment| {
        // Without a date it is about the rules, whichever day it is.
        let at = policy.at(moment);
        verdict(if said.has_date() { at } else { at.enforced() }, test)
    };
    let (first, borders) = (said.seen_from(Moment::FAR), policy.borders_of(&test.facts.authority.host));
    let result = judged(first);
    let holds = result.is_ok() == test.want_allow;
    let mut others = said.moments(&borders).into_iter().map(|moment| (moment, judged(moment)));
    match others.find(|(_, other)| other.is_ok() != result.is_ok()) {
        None => Outcome { result, passed: holds, turns: None },
        Some((other, result)) if holds => Outcome { result, passed: false, turns: Some((other, first)) },
        Some((other, _)) => Outcome { result, passed: false, turns: Some((first, other)) },
    }
}

/// What becomes of a request: the rule that lets it pass, unopened or opened.
fn verdict(at: PolicyAt<'_>, test: &Test) -> Result<RuleRef, Refusal> {
    match way(at, test.facts.clone()) {
        Way::Unopened(tunnel) => Ok(tunnel.rule().clone()),
        Way::Judged(Verdict::Allow(permit)) => {
            if let (Some(conditions), Some(body)) = (permit.body_conditions(), &test.body) {
                conditions.check(body.as_bytes())?;
            }
            Ok(permit.rule().clone())
        }
        Way::Judged(Verdict::Deny(_, refusal)) => Err(refusal),
    }
}

fn lift_in_one_line(refusal: &Refusal) -> Option<String> {
    (!refusal.lift.is_empty()).then(|| format!("add: {}", refusal.lift.join("  ")))
}
