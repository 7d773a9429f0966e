//! Runs `[[test]]`s: when a file is loaded, and on request.

use desk::{Problem, Text};
use policies::{At, BodyConditions, Moment, Policy, PolicyAt, Refusal, RuleRef, Unfit, Verdict};

use crate::table::{Test, Want};
use crate::way::{Way, way};

/// The result of one `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TestReport {
    /// Where the test is.
    pub at: RuleRef,
    /// The request as written there.
    pub request: String,
    /// The time, if the test gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// `allow`, `ask` or `deny`.
    pub want: &'static str,
    /// Whether the outcome was the wanted one.
    pub passed: bool,
    /// The rule that allows or asks about the request, or why it is refused.
    pub why: String,
}

/// The outcome of a request.
enum Came {
    Allowed(RuleRef),
    Asked(RuleRef),
    Denied(Refusal),
}

/// The outcome of a test at all moments that it may mean.
struct Outcome {
    /// The outcome at a moment that fails the test, if there is one.
    came: Came,
    passed: bool,
    /// That moment, and another at which the test would pass: only the time decides.
    turns: Option<(Moment, Moment)>,
}

impl Came {
    fn want(&self) -> Want {
        match self {
            Came::Allowed(_) => Want::Allow,
            Came::Asked(_) => Want::Ask,
            Came::Denied(_) => Want::Deny,
        }
    }

    fn in_words(self) -> String {
        match self {
            Came::Allowed(rule) => format!("allowed by {rule}"),
            Came::Asked(rule) => format!("{rule} asks about it first"),
            Came::Denied(refusal) => refusal.why,
        }
    }
}

pub(crate) fn report(test: &Test, text: &Text, policy: &Policy) -> TestReport {
    let Outcome { came, passed, turns } = outcome(policy, test);
    let why = came.in_words();
    TestReport {
        at: RuleRef { file: text.name.clone(), line: text.line(test.span.start) },
        request: test.request.clone(),
        when: test.at.map(|at| at.to_string()),
        want: test.want.as_str(),
        passed,
        why: turns.map_or(why.clone(), |(against, _)| format!("at {}: {why}", as_said(test, against))),
    }
}

/// Runs a test; if it fails, returns whether more gets through than it wants, and the problem.
pub(crate) fn problem(test: &Test, text: &Text, policy: &Policy) -> Option<(bool, Problem)> {
    let Outcome { came, passed, turns } = outcome(policy, test);
    if passed {
        return None;
    }
    let is_wider = came.want() > test.want;
    let at = turns.map(|(against, _)| format!(" at {}", as_said(test, against))).unwrap_or_default();
    let wants = match test.want {
        Want::Deny => "denied",
        Want::Ask => "asked about",
        Want::Allow => "allowed",
    };
    let say_when = |(_, holds)| format!("say when the request comes, like at = \"{}\"", as_said(test, holds));
    let narrow = match test.want {
        Want::Ask => "add an [[ask]], or narrow that rule",
        Want::Deny | Want::Allow => "narrow that rule, or add a [[deny]]",
    };
    let narrowed = || Some(turns.map_or(narrow.to_owned(), |turns| format!("{}; or {narrow}", say_when(turns))));
    let asked = asked(test);
    let (message, help) = match came {
        Came::Allowed(rule) => (format!("this test wants {asked} {wants}, but {rule} allows it{at}"), narrowed()),
        Came::Asked(rule) if is_wider => {
            (format!("this test wants {asked} {wants}, but {rule} asks about it{at}"), narrowed())
        }
        Came::Asked(rule) => {
            let message = format!("this test wants {asked} {wants}, but {rule} asks about it first{at}");
            (message, turns.map(say_when).or_else(|| Some("want \"ask\", or narrow that rule".to_owned())))
        }
        Came::Denied(refusal) => {
            let message = format!("this test wants {asked} {wants}, but{at} it is denied: {}", refusal.why);
            (message, turns.map(say_when).or_else(|| lift_in_one_line(&refusal)))
        }
    };
    Some((is_wider, Problem::new(text, test.span.clone(), message, help)))
}

fn asked(test: &Test) -> String {
    let when = test.at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{}{when}", test.request)
}

/// As this test would say it: by the calendar if it goes by that.
fn as_said(test: &Test, moment: Moment) -> String {
    if test.at.is_some_and(At::has_date) { moment.written() } else { format!("{} {}", moment.weekday(), moment.time()) }
}

/// Parts of the time that a test does not give may be anything: it passes if it does so at every
/// moment that makes a difference.
fn outcome(policy: &Policy, test: &Test) -> Outcome {
    let said = test.at.unwrap_or(At::ANY);
    let judged = |moment| {
        // Without a date it is about the rules, whatever the day.
        let at = policy.at(moment);
        verdict(if said.has_date() { at } else { at.enforced() }, test)
    };
    let (first, borders) = (said.seen_from(Moment::FAR), policy.borders_of(&test.facts.authority.host));
    let came = judged(first);
    let holds = came.want() == test.want;
    let mut others = said.moments(&borders).into_iter().map(|moment| (moment, judged(moment)));
    match others.find(|(_, other)| other.want() != came.want()) {
        None => Outcome { came, passed: holds, turns: None },
        Some((other, came)) if holds => Outcome { came, passed: false, turns: Some((other, first)) },
        Some((other, at_other)) => {
            // If the test passes at neither, another time is no help.
            let turns = (at_other.want() == test.want).then_some((first, other));
            Outcome { came, passed: false, turns }
        }
    }
}

/// The outcome of a request, unopened or opened.
fn verdict(at: PolicyAt<'_>, test: &Test) -> Came {
    match way(at, test.facts.clone()) {
        Way::Unopened(tunnel) => Came::Allowed(tunnel.rule().clone()),
        Way::Judged(Verdict::Allow(permit)) => match body(permit.body_conditions(), test) {
            Some(came) => came,
            None => Came::Allowed(permit.rule().clone()),
        },
        Way::Judged(Verdict::Ask(ask)) => match body(ask.terms().body_conditions(), test) {
            Some(came) => came,
            None => Came::Asked(ask.by().at.clone()),
        },
        Way::Judged(Verdict::Deny(_, refusal)) => Came::Denied(refusal),
    }
}

/// What a test's body changes, if it has one.
fn body(conditions: Option<&BodyConditions>, test: &Test) -> Option<Came> {
    match conditions?.check(test.body.as_ref()?.as_bytes()) {
        Ok(_) => None,
        Err(Unfit::Asks(by)) => Some(Came::Asked(by.at.clone())),
        Err(Unfit::Refused(refusal)) => Some(Came::Denied(refusal)),
    }
}

fn lift_in_one_line(refusal: &Refusal) -> Option<String> {
    (!refusal.lift.is_empty()).then(|| format!("add: {}", refusal.lift.join("  ")))
}
