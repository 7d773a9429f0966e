//! `doorward policy explain`: the verdict on one request, now or at another time, and the deciding rule.

use policies::{
    Ask, AskedBy, BodyConditions, Code, Facts, Hours, Moment, Permit, Policy, Refusal, RuleRef, Terms, Verdict,
};
use policy_file::Way;
use serde_json::{Value, json};

use super::show::{Styled, Tone};
use crate::home::Home;
use crate::pipeline::notice;

/// As JSON; with `when` if it is not now, and `hours` if the deciding rule has them.
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

/// As JSON, for a request that no rule decides.
pub(super) fn answered_here_json(request: &str) -> Value {
    json!({ "verdict": "allow", "request": request, "rule": null, "answered_by": "doorward" })
}

/// The same for a person.
pub(super) fn answered_here(request: &str) -> Styled {
    Tone::Good.of("allow") + format!("  {request}\nrule   none is asked: Doorward itself answers there")
}

fn json_of(request: &str, way: &Way, notes: &[String]) -> Value {
    match way {
        Way::Unopened(tunnel) => {
            json!({ "verdict": "allow", "request": request, "rule": tunnel.rule(), "tls": "tunnel" })
        }
        Way::Judged(Verdict::Allow(permit)) => json!({
            "verdict": "allow", "request": request, "rule": permit.rule(), "credential": permit.credential(),
            "body_is_checked": permit.body_conditions().is_some(), "observed": permit.observed(),
            "asked_by_body": permit.body_conditions().and_then(BodyConditions::asked_by).map(|by| &by.at),
            "unless": is_name(permit).then_some(Code::ResolvedPrivate), "notes": notes,
        }),
        Way::Judged(Verdict::Ask(ask)) => {
            let (AskedBy { at, why, hold, quiet, lift }, terms) = (&**ask.by(), ask.terms());
            json!({
                "verdict": "ask", "request": request, "rule": at, "why": why, "hold": hold, "quiet": quiet,
                "lift": lift, "credential": terms.credential(), "body_is_checked": checks_body(terms),
                "unless": is_name(terms).then_some(Code::ResolvedPrivate), "notes": notes,
            })
        }
        Way::Judged(Verdict::Deny(_, refusal)) => json!({
            "verdict": "deny", "request": request, "code": refusal.code, "why": refusal.for_log(),
            "rule": refusal.rule, "lift": refusal.lift,
        }),
    }
}

fn hours(policy: &Policy, way: &Way) -> Option<Hours> {
    let rule = match way {
        Way::Unopened(tunnel) => tunnel.rule(),
        Way::Judged(Verdict::Allow(permit)) => permit.rule(),
        Way::Judged(Verdict::Ask(ask)) => &ask.by().at,
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
) -> Styled {
    let request = &when.map_or_else(|| request.to_owned(), |when| format!("{request}\nwhen   {when}"));
    match way {
        Way::Unopened(tunnel) => {
            let says = says(policy, tunnel.rule()).unwrap_or_default();
            Tone::Good.of("allow")
                + format!("  {request}\nrule   {}, unopened: no path is looked at{says}", tunnel.rule())
        }
        Way::Judged(Verdict::Allow(permit)) => allowed(policy, request, permit, notes),
        Way::Judged(Verdict::Ask(ask)) => asked(home, policy, request, ask, notes),
        Way::Judged(Verdict::Deny(facts, refusal)) => denied(home, policy, (request, facts), refusal),
    }
}

/// The text of the deciding rule, if there is one.
fn says(policy: &Policy, rule: &RuleRef) -> Option<String> {
    let rule = policy_file::summaries(policy).into_iter().find(|summary| summary.at == *rule)?;
    Some(format!("\nsays   {} {}: {}", rule.effect, rule.host, rule.in_words()))
}

fn allowed(policy: &Policy, request: &str, permit: &Permit, notes: &[String]) -> Styled {
    let mut words = format!("  {request}\nrule   {}", permit.rule());
    if let Some(until) = policy.observe_until().filter(|_| permit.observed()) {
        words += &format!(", observed until {until}: no rule names the host, and after that day it is refused");
    }
    words.extend(permit.credential().map(|name| format!(", with the credential {name}")));
    words.extend(says(policy, permit.rule()));
    if let Some(by) = permit.body_conditions().and_then(BodyConditions::asked_by) {
        words += &format!("\nasks   {} about some bodies", by.at);
    }
    Tone::Good.of("allow") + (words + &given(permit, notes))
}

fn asked(home: &Home, policy: &Policy, request: &str, ask: &Ask, notes: &[String]) -> Styled {
    let AskedBy { at, why, hold, quiet, lift } = &**ask.by();
    let terms = ask.terms();
    let mut words = format!("    {request}\nrule   {at}");
    words.extend(terms.credential().map(|name| format!(", with the credential {name}")));
    words.extend(says(policy, at));
    words.extend(why.iter().map(|why| format!("\nwhy    {why}")));
    words += &if *quiet {
        "\nquiet  nobody is asked at this time: it is refused".to_owned()
    } else {
        format!("\nholds  {hold} s for the answer")
    };
    words += &given(terms, notes);
    Tone::Warning.of("ask") + words + lifted("To have it go unasked,", home, policy, lift)
}

/// What accompanies a request that is allowed, or may be.
fn given(terms: &Terms, notes: &[String]) -> String {
    let mut words = String::new();
    if checks_body(terms) {
        words += "\nbody   must be JSON as the rules want it; `policy show` lists the conditions";
    }
    words.extend(notes.iter().map(|note| format!("\nnote   {note}")));
    if is_name(terms) {
        let nets: Vec<_> = terms.private().iter().map(ToString::to_string).collect();
        let but = if nets.is_empty() { String::new() } else { format!(" other than {}", nets.join(", ")) };
        words += &format!("\nunless it resolves to a private address{but} ({})", Code::ResolvedPrivate);
    }
    words
}

fn checks_body(terms: &Terms) -> bool {
    terms.body_conditions().is_some_and(BodyConditions::look_inside)
}

/// The address of a name is only known when it is dialled.
fn is_name(terms: &Terms) -> bool {
    terms.facts().authority.host.name().is_some()
}

fn denied(home: &Home, policy: &Policy, (request, facts): (&str, &Facts), refusal: &Refusal) -> Styled {
    let rule = refusal.rule.as_ref().map_or_else(|| without_rule(refusal.code).to_owned(), ToString::to_string);
    let says = refusal.rule.as_ref().and_then(|rule| says(policy, rule)).unwrap_or_default();
    let words = format!("   {request}\nrule   {rule}{says}\ncode   {}\nwhy    {}", refusal.code, refusal.for_log());
    let how = match refusal.lift.iter().any(|line| !line.starts_with('#')) {
        true => {
            let spelt = Facts { path: facts.path.spelt(), ..(*facts).clone() };
            let command = Styled::fixed(&spelt.command_to_allow(policy.group()));
            Styled::from("\n\nTo allow it, run:\n\n") + command + lifted("or", home, policy, &refusal.lift)
        }
        false => lifted("To allow it,", home, policy, &refusal.lift),
    };
    Tone::Bad.of("deny") + words + how
}

/// The explanation if no rule decided: none names the request, or something else in it is refused.
fn without_rule(code: Code) -> &'static str {
    match code {
        Code::NotAllowed | Code::PortDenied | Code::MethodDenied | Code::PathDenied | Code::IpLiteral => {
            "none names it"
        }
        _ => "none decides it",
    }
}

/// The lines that would change it, or what to do by hand; `before` introduces them.
fn lifted(before: &str, home: &Home, policy: &Policy, lift: &[String]) -> Styled {
    if lift.is_empty() {
        return Styled::default();
    }
    if let Some(instruction) = notice::instruction(lift) {
        return format!("\n\n{before} {instruction}.").into();
    }
    let file = home.policy_file(policy.group());
    Styled::from(format!("\n\n{before} put this into {}:\n\n", file.display())) + Styled::fixed(&lift.join("\n"))
}
