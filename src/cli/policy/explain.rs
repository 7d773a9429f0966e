//! `doorward policy explain`: what becomes of one request, now or at another time, and by
//! which rule.

use policies::{Code, Facts, Hours, Moment, Permit, Policy, Refusal, RuleRef, Verdict};
use policy_file::Way;
use serde_json::{Value, json};

use crate::home::Home;

/// As JSON; `when` where it is not now, `hours` where the rule that decided has them.
pub(super) fn json(policy: &Policy, request: &str, when: Option<Moment>, way: &Way, notes: &[String]) -> Value {
    let mut json = json_of(request, way, notes);
    if let (Some(hours), Value::Object(fields)) = (hours(policy, way), &mut json) {
        fields.insert("hours".to_owned(), json!(hours));
    }
    if let (Some(when), Value::Object(fields)) = (when, &mut json) {
        fields.insert("when".to_owned(), when.to_string().into());
    }
    json
}

fn json_of(request: &str, way: &Way, notes: &[String]) -> Value {
    match way {
        Way::Unopened(tunnel) => {
            json!({ "verdict": "allow", "request": request, "rule": tunnel.rule(), "tls": "tunnel" })
        }
        Way::Judged(Verdict::Allow(permit)) => json!({
            "verdict": "allow", "request": request, "rule": permit.rule(), "credential": permit.credential(),
            "body_is_checked": permit.body_conditions().is_some(), "observed": permit.observed(),
            "unless": is_name(permit).then_some(Code::ResolvedPrivate), "notes": notes,
        }),
        Way::Judged(Verdict::Deny(_, refusal)) => json!({
            "verdict": "deny", "request": request, "code": refusal.code, "why": refusal.why,
            "rule": refusal.rule, "lift": refusal.lift,
        }),
    }
}

fn hours(policy: &Policy, way: &Way) -> Option<Hours> {
    let rule = match way {
        Way::Unopened(tunnel) => tunnel.rule(),
        Way::Judged(Verdict::Allow(permit)) => permit.rule(),
        Way::Judged(Verdict::Deny(_, refusal)) => refusal.rule.as_ref()?,
    };
    policy_file::summaries(policy).into_iter().find(|summary| summary.at == *rule)?.hours
}

/// For a person.
pub(super) fn words(
    home: &Home,
    policy: &Policy,
    request: &str,
    when: Option<Moment>,
    way: &Way,
    notes: &[String],
) -> String {
    let request = &when.map_or_else(|| request.to_owned(), |when| format!("{request}\nwhen   {when}"));
    match way {
        Way::Unopened(tunnel) => {
            let says = says(policy, tunnel.rule()).unwrap_or_default();
            format!("allow  {request}\nrule   {}, unopened: no path is looked at{says}", tunnel.rule())
        }
        Way::Judged(Verdict::Allow(permit)) => allowed(policy, request, permit, notes),
        Way::Judged(Verdict::Deny(facts, refusal)) => denied(home, policy, (request, facts), refusal),
    }
}

/// What a rule says, where one decided.
fn says(policy: &Policy, rule: &RuleRef) -> Option<String> {
    let rule = policy_file::summaries(policy).into_iter().find(|summary| summary.at == *rule)?;
    Some(format!("\nsays   {} {}: {}", rule.effect, rule.host, rule.in_words()))
}

fn allowed(policy: &Policy, request: &str, permit: &Permit, notes: &[String]) -> String {
    let mut words = format!("allow  {request}\nrule   {}", permit.rule());
    if let Some(until) = policy.observe_until().filter(|_| permit.observed()) {
        words += &format!(", observed until {until}: no rule names the host, and after that day it is refused");
    }
    words.extend(permit.credential().map(|name| format!(", with the credential {name}")));
    words.extend(says(policy, permit.rule()));
    if permit.body_conditions().is_some() {
        words += "\nbody   must be JSON as the rules want it; `policy show` lists the conditions";
    }
    words.extend(notes.iter().map(|note| format!("\nnote   {note}")));
    if is_name(permit) {
        let nets: Vec<_> = permit.private().iter().map(ToString::to_string).collect();
        let but = if nets.is_empty() { String::new() } else { format!(" other than {}", nets.join(", ")) };
        words += &format!("\nunless it resolves to a private address{but} ({})", Code::ResolvedPrivate);
    }
    words
}

/// What a name resolves to is known when it is dialled.
fn is_name(permit: &Permit) -> bool {
    permit.facts().authority.host.name().is_some()
}

fn denied(home: &Home, policy: &Policy, (request, facts): (&str, &Facts), refusal: &Refusal) -> String {
    let rule = refusal.rule.as_ref().map_or_else(|| "none names it".to_owned(), ToString::to_string);
    let says = refusal.rule.as_ref().and_then(|rule| says(policy, rule)).unwrap_or_default();
    let mut words = format!("deny   {request}\nrule   {rule}{says}\ncode   {}\nwhy    {}", refusal.code, refusal.why);
    if !refusal.lift.is_empty() {
        let file = home.policy_file(policy.group());
        let lines = refusal.lift.join("\n");
        words += &match lines.strip_prefix("# ") {
            // A remark says what to do by hand.
            Some(remark) => format!("\n\nTo allow it, {remark}"),
            None => format!(
                "\n\nTo allow it, run:  {}\nor put this into {}:\n\n{lines}",
                facts.command_to_allow(policy.group()),
                file.display()
            ),
        };
    }
    words
}
