//! The words about a request: for its owner, and for the agent that asked.

use desk::screen::{name, quotation, with_quotations};
use percent_encoding::percent_decode_str;
use policies::{Bounds, Code, Refusal};
use proxy::ports::Question;

use super::open::Shown;
use super::reading::Answer;
use super::{deed, rules};
use crate::store::{Answered, Ask};

/// The most characters that a question shows of others' text.
const PATH: usize = 120;
const REASON: usize = 160;
const FIELD: usize = 24;
const FIELDS: usize = 8;

/// What a request would do, in its policy's words. Nothing is cut here: others' text was cut before.
pub(super) fn sentence(question: &Question) -> String {
    with_quotations(&question.says)
}

/// The same for the log, which keeps no text meant for a chat.
pub(super) fn logged(question: &Question) -> String {
    match deed::operation(question) {
        Some(operation) => format!("perform {operation} ({})", bytes(question.bytes)),
        None => sentence(question),
    }
}

fn host(question: &Question) -> String {
    quotation(&question.facts.authority.host_header(question.facts.scheme), usize::MAX)
}

fn bytes(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

fn fields(question: &Question) -> Option<String> {
    listed(&question.fields, "field", "fields")
}

/// The names of a query's parameters.
fn parameters(query: &str) -> Vec<String> {
    let names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or_default());
    names.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()).collect()
}

/// Names that others chose.
fn listed(names: &[String], one: &str, several: &str) -> Option<String> {
    let shown: Vec<_> = names.iter().take(FIELDS).map(|field| name(field, FIELD)).collect();
    match (&shown[..], names.len().saturating_sub(shown.len())) {
        ([], _) => None,
        ([only], 0) => Some(format!("{one} {only}")),
        (_, 0) => Some(format!("{several} {}", shown.join(", "))),
        (_, more) => Some(format!("{several} {} and {more} more", shown.join(", "))),
    }
}

/// What its headers say beyond what every client sends.
fn beside(question: &Question) -> Option<String> {
    let names = listed(&question.beside.names, "header", "headers")?;
    Some(format!("{names} ({})", bytes(question.beside.bytes)))
}

/// A path, with its length if it was cut, and whether everybody on the way reads along.
fn path(question: &Question) -> String {
    let path = question.shown.as_str();
    let shown = quotation(path, PATH);
    let is_cut = shown != quotation(path, usize::MAX);
    let cut = if is_cut { format!(" ({})", bytes(path.len() as u64)) } else { String::new() };
    let plain = if question.facts.scheme.as_str() == "http" { " (not encrypted)" } else { "" };
    format!("{shown}{cut}{plain}")
}

/// Method, host, path and what is sent.
fn facts(question: &Question) -> String {
    let (host, leaves) = (host(question), leaves(question));
    format!("{} \u{b7} {host}\n{} {}\n{leaves}", question.who.group, question.facts.method, path(question))
}

/// What is sent, and with which credential.
pub(super) fn leaves(question: &Question) -> String {
    let query = match &question.facts.query {
        Some(query) => {
            let names = listed(&parameters(query.as_str()), "parameter", "parameters");
            let names = names.map(|names| format!(" ({names})")).unwrap_or_default();
            format!(" and a query of {}{names}", bytes(query.as_str().len() as u64))
        }
        None => String::new(),
    };
    let key = match &question.credential {
        Some(credential) => format!("; with the credential {credential}"),
        None => String::new(),
    };
    let fields = fields(question).map(|fields| format!(", {fields}")).unwrap_or_default();
    let beside = beside(question).map(|beside| format!("; {beside}")).unwrap_or_default();
    format!("What leaves: a body of {}{query}{fields}{beside}{key}", bytes(question.bytes))
}

/// One question in full.
pub(super) fn single(shown: &Shown) -> String {
    let Shown { code, question, rules, .. } = shown;
    if deed::operation(question).is_some() {
        return format!(
            "{} wants to {}\n\nReply to this message, or with its code {code}:\n1 or \u{1f44d} \u{2013} yes, this once\nno or \
             \u{1f44e} \u{2013} no; \u{201c}no: because \u{2026}\u{201d} tells the agent why",
            question.who.group,
            sentence(question),
        );
    }
    let Bounds { requests, bytes, seconds } = Bounds::OF_AN_ANSWER;
    // These are not the owner's own words.
    let whose = policy_file::skill_of(&question.by.at).map(|name| format!(", as the skill {name} says"));
    let whose = whose.unwrap_or_default();
    let why = question
        .by
        .why
        .as_deref()
        .map(|why| format!("\nAsked because{whose}: {}", quotation(why, REASON)))
        .unwrap_or_default();
    let reason = match &shown.reason {
        Some(reason) => format!("\n\nIts agent says:\n\u{201c}{}\u{201d}", quotation(reason, REASON)),
        None => String::new(),
    };
    let answer = match question.run {
        Some(_) => format!(
            "\n2 \u{2013} yes, and requests like it until this answer ends: at most {requests}, of {} KiB each, within {} \
             minutes",
            bytes >> 10,
            seconds / 60
        ),
        None => String::new(),
    };
    let always = match &rules.always {
        Ok(rule) => {
            let when = rule.hours.as_ref().map(|hours| format!(" ({hours})")).unwrap_or_default();
            format!("\n3 \u{2013} yes, always{when}: a rule is written, which also covers {}", rules::wider(rule))
        }
        Err(_) => String::new(),
    };
    format!(
        "{} wants to {}\n\n{}{why}{reason}\n\nReply to this message, or with its code {code}:\n1 or \u{1f44d} \u{2013} yes, this \
         once{answer}{always}\nno or \u{1f44e} \u{2013} no; \u{201c}no: because \u{2026}\u{201d} \
         tells the agent why\nnever \u{2013} no, always: a denial is written",
        question.who.group,
        sentence(question),
        facts(question),
    )
}

/// The parts of a question that others chose, as they wrote them.
pub(super) fn as_it_came(shown: &Shown) -> String {
    let Shown { question, reason, .. } = shown;
    let beside = [question.says.as_str(), question.shown.as_str(), reason.as_deref().unwrap_or_default()];
    let asked = question.facts.query.as_ref().map(|query| parameters(query.as_str())).unwrap_or_default();
    let names = question.fields.iter().chain(&question.beside.names).chain(&asked).map(String::as_str);
    beside.into_iter().chain(names).collect::<Vec<_>>().join("\n")
}

/// Several, and how many more wait.
pub(super) fn list<'a>(shown: impl Iterator<Item = &'a Shown>, more: usize) -> String {
    let one = |Shown { code, question, .. }: &Shown| {
        let wants = format!("{code} \u{2013} {} wants to {}", question.who.group, sentence(question));
        match deed::operation(question) {
            Some(_) => wants,
            None => {
                let (host, path, leaves) = (host(question), path(question), leaves(question));
                format!("{wants}\n   {host} \u{b7} {} {path}\n   {leaves}", question.facts.method)
            }
        }
    };
    let lines: Vec<_> = shown.map(one).collect();
    let more = if more == 0 { String::new() } else { format!("\n{more} more wait; `doorward ask` lists them.") };
    format!(
        "{} requests wait for an answer:\n\n{}{more}\n\nAnswer each with its code: \u{201c}yes CODE\u{201d}, \u{201c}no CODE: because \
         \u{2026}\u{201d}. 2, 3 and never are for more than one request: with them it comes again alone first, in full. Replying \u{201c}yes all\u{201d} or \u{201c}no\u{201d} to this message answers all that it \
         lists.",
        lines.len(),
        lines.join("\n")
    )
}

/// The refusal after a wait without an answer.
pub(super) fn unanswered(question: &Question) -> Refusal {
    let unanswered = question.by.unanswered();
    let why = format!(
        "{}: {}; the question stays open for ten minutes: if the owner says yes in that time, the same request goes \
         through once, so try it again later, and do not change it",
        unanswered.why,
        sentence(question),
    );
    Refusal { why, ..unanswered }
}

/// The refusal when nobody was asked.
pub(super) fn not_asked(question: &Question) -> Refusal {
    let why = format!(
        "the owner is asked about this first, and does not want to be asked now: {}; try again later",
        sentence(question)
    );
    Refusal { why, ..question.by.unanswered() }
}

/// The refusal after the owner's no.
pub(super) fn refused(question: &Question, because: Option<&str>, for_good: bool) -> Refusal {
    let always = if for_good { ", now and in future" } else { "" };
    no(question, &format!("the owner said no{always}"), because)
}

/// The refusal because of a recent no to a similar request.
pub(super) fn refused_before(question: &Question, because: Option<&str>) -> Refusal {
    no(question, "the owner said no to this a moment ago, and is not asked again so soon", because)
}

/// The refusal after many noes to a group.
pub(super) fn refused_often(question: &Question) -> Refusal {
    no(
        question,
        "the owner said no several times within ten minutes, and is not asked about anything until that is over",
        None,
    )
}

/// The yes was for one request, and the same one was sent twice at a time.
pub(super) fn taken_by_another(question: &Question) -> Refusal {
    no(question, "the owner said yes once, and the same request, sent at the same time, has used it", None)
}

fn no(question: &Question, said: &str, because: Option<&str>) -> Refusal {
    let because = because.map(|because| format!(": {because}")).unwrap_or_default();
    let why = format!("{said}{because} (the question was: {})", sentence(question));
    Refusal { code: Code::AskRefused, why, ..question.by.unanswered() }
}

/// What the owner is told about an answer that counts. `written` is the rule, if one was written.
pub(super) fn answered(answer: &Answer, waited: bool, written: Option<&str>) -> String {
    let late = "Its request waits no longer: the same one goes through if it comes within ten minutes, and its agent is \
                told.";
    let written = written.unwrap_or_default();
    match (answer.what, waited) {
        (Answered::Once, true) => "Allowed, this once.".to_owned(),
        (Answered::Once, false) => format!("Allowed, once. {late}"),
        (Answered::Answer, true) => "Allowed until this answer ends.".to_owned(),
        (Answered::Answer, false) => format!("Allowed until this answer ends. {late}"),
        (Answered::Always, _) => format!("Allowed from now on. {written}"),
        (Answered::Never, _) => format!("Refused from now on. {written}"),
        (Answered::No, _) if answer.because.is_some() => "Refused, and its agent is told why.".to_owned(),
        (Answered::No, _) => "Refused.".to_owned(),
    }
}

/// What the owner is told about an answer to a closed question.
pub(super) fn closed(ask: Option<&Ask>) -> String {
    match ask.and_then(|ask| Some((ask.answer?, ask.how.as_deref().unwrap_or_default()))) {
        Some((answer, how)) => {
            format!("That question was answered before ({} {how}); nothing happened.", answer.as_str())
        }
        None => {
            "That question is not open any more: it is older than ten minutes, its policy has changed or Doorward was \
                 started anew. Nothing happened; the request can be made again."
                .to_owned()
        }
    }
}

/// What an agent is told whose request had gone before the yes came.
pub(super) fn may_come_again(question: &Question) -> String {
    if let Some(operation) = deed::operation(question) {
        return format!(
            "Doorward: the owner has said yes to an operation that was refused for want of an answer: {operation}. If it is \
             still wanted, ask for exactly the same again within ten minutes."
        );
    }
    format!(
        "Doorward: the owner has said yes to a request that was refused for want of an answer: {} {}. If it is still \
         wanted, send exactly the same request again within ten minutes.",
        question.facts.method,
        question.facts.authority.host_header(question.facts.scheme) + question.shown.as_str(),
    )
}

/// What the owner is told about one yes to several questions.
pub(super) fn which() -> String {
    "Which? Nothing happened: answer each with its code, as \u{201c}yes CODE\u{201d}, or all with \u{201c}yes all\u{201d} or \
     \u{201c}no\u{201d}."
        .to_owned()
}
