//! Running `[[test]]`s: when a file is loaded, and when its owner asks.

use desk::{Problem, Text};
use policies::{At, Moment, Policy, Refusal, RuleRef, Verdict};

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

pub(crate) fn report(test: &Test, text: &Text, policy: &Policy) -> TestReport {
    let outcome = outcome(policy, test);
    TestReport {
        at: RuleRef { file: text.name.clone(), line: text.line(test.span.start) },
        request: test.request.clone(),
        when: test.at.map(|at| at.to_string()),
        want: if test.want_allow { "allow" } else { "deny" },
        passed: outcome.is_ok() == test.want_allow,
        why: outcome.map_or_else(|refusal| refusal.why, |rule| format!("allowed by {rule}")),
    }
}

/// Runs a test; where it fails, whether it wanted `allow`, and the problem.
pub(crate) fn problem(test: &Test, text: &Text, policy: &Policy) -> Option<(bool, Problem)> {
    let (message, help) = match (outcome(policy, test), test.want_allow) {
        (Ok(_), true) | (Err(_), false) => return None,
        (Ok(rule), false) => {
            let message = format!("this test wants {} denied, but {rule} allows it", asked(test));
            (message, Some("narrow that rule, or add a [[deny]]".to_owned()))
        }
        (Err(refusal), true) => {
            let message = format!("this test wants {} allowed, but it is denied: {}", asked(test), refusal.why);
            (message, lift_in_one_line(&refusal))
        }
    };
    Some((test.want_allow, Problem::new(text, test.span.clone(), message, help)))
}

fn asked(test: &Test) -> String {
    let when = test.at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{}{when}", test.request)
}

/// What becomes of a request: the rule that lets it pass, unopened or opened.
fn outcome(policy: &Policy, test: &Test) -> Result<RuleRef, Refusal> {
    // Without a date it is about the rules, whichever day it is.
    let at = policy.at(test.at.map_or(Moment::FAR, |at| at.seen_from(Moment::FAR)));
    let at = if test.at.is_some_and(At::has_date) { at } else { at.enforced() };
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
