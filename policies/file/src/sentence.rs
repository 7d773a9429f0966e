//! What a request does, in one line: for the question to the owner, for refusals and for the log.
//!
//! What it is not: a judgement, or the agent's words. A sentence is the rules' own text or ours.
//! Anything taken from the request is in quotation marks, cut to length, on one line, with hidden
//! and direction-changing characters written out. Of the request's data the host comes first, in the
//! letters that are resolved.

use std::fmt::Write;

use desk::screen::{is_plain_name, on_screen, value};
use percent_encoding::percent_decode_str;
use policies::{
    AllowRule, Facts, Field, Method, Origin, RequestPattern, Say, Scheme, Showing, Teller, Telling, key_letters,
    letters_of, parameter_names,
};

use crate::body_of::Body;
use crate::say::{Piece, pieces};

/// The longest value, in characters.
const VALUE: usize = 80;
/// The longest path or field name.
const NAME: usize = 60;
/// The most fields that are named.
const FIELDS: usize = 6;
/// Stands for what is unknown when a request is only described.
const NOT_KNOWN: char = '\u{2026}';

/// The teller of every policy read by this crate.
pub(crate) const TELLER: Teller = Teller { said, plain };

fn said(telling: &Telling<'_>) -> Option<String> {
    best(telling).and_then(|(say, request)| Some(fill(say, request, telling)? + &whose(say, telling)))
}

/// Names the skill whose words they are, if they are not the owner's own.
fn whose(say: &Say, telling: &Telling<'_>) -> String {
    match telling.rules.iter().find(|rule| rule.at.file == say.at.file).map(|rule| &rule.origin) {
        Some(Origin::Skill(name)) => format!(" (skill {name})"),
        _ => String::new(),
    }
}

/// Whether the sentences of a rule's text may speak of the request. A skill's may speak of what its own rules cover
/// and nobody else's: what a group's own rule is about is not for a skill to put into words.
fn may_speak(rule: &AllowRule, rules: &[&AllowRule]) -> bool {
    !matches!(rule.origin, Origin::Skill(_)) || rules.iter().all(|other| other.at.file == rule.at.file)
}

/// The most specific sentence among those in the same text as a rule that covers the request.
fn best<'a>(telling: &Telling<'a>) -> Option<(&'a Say, &'a RequestPattern)> {
    let Telling { says, rules, facts, body: _ } = telling;
    let own = says.iter().filter(|say| rules.iter().any(|rule| rule.at.file == say.at.file && may_speak(rule, rules)));
    let all = own.flat_map(|say| say.requests.iter().map(move |request| (say, request)));
    let about = all.filter(|(_, request)| request.matches(facts.method, &facts.path));
    about.min_by_key(|(say, request)| {
        let literal = request.path().len() - request.path().matches('*').count();
        (std::cmp::Reverse(literal), &say.at)
    })
}

fn fill(say: &Say, request: &RequestPattern, telling: &Telling<'_>) -> Option<String> {
    let facts = telling.facts;
    let body = telling.body.map(Body::of);
    let mut text = String::new();
    for piece in pieces(&say.text).ok()? {
        match piece {
            Piece::Words(words) => text += &words,
            Piece::Star(star) => text += &data(&at_star(request, facts, star)?),
            Piece::Query(_) if body.is_none() && facts.query.is_none() => text.push(NOT_KNOWN),
            Piece::Query(name) => {
                let alone = body.as_ref().is_none_or(|body| !body.has(&name));
                text += &shown(parameter(facts, &name).filter(|_| alone));
            }
            Piece::Json(field) => match &body {
                Some(body) => text += &shown(body.value(&field).filter(|_| !is_asked(facts, &field))),
                None => text.push(NOT_KNOWN),
            },
        }
    }
    Some(on_screen(&text))
}

/// The text matched by a star of the pattern: counted from the front or, after a `**`, from the end.
fn at_star(request: &RequestPattern, facts: &Facts, star: usize) -> Option<String> {
    let wanted: Vec<&str> = request.path().split('/').collect();
    let had: Vec<&str> = facts.path.as_str().split('/').collect();
    let (at, segment) = wanted.iter().enumerate().filter(|(_, segment)| segment.contains('*')).nth(star)?;
    let many = wanted.iter().position(|segment| *segment == "**");
    let behind = wanted.len() - at;
    let found = match many {
        _ if *segment == "**" => had.get(at..(had.len() + 1).checked_sub(behind)?)?.join("/"),
        Some(many) if at > many => (*had.get(had.len().checked_sub(behind)?)?).to_owned(),
        _ => (*had.get(at)?).to_owned(),
    };
    Some(undone(&found))
}

/// Whether the query has a parameter with that name: many hosts merge parameters and fields, and differ in which of
/// the two they take.
fn is_asked(facts: &Facts, field: &Field) -> bool {
    let Some(query) = &facts.query else { return false };
    let wanted = key_letters(first_of(field).as_str());
    query.as_str().split(['&', ';']).any(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        parameter_names(key).iter().any(|read| letters_of(read) == wanted)
    })
}

/// The name of the top-level field.
fn first_of(field: &Field) -> String {
    let text = field.to_string();
    text.split(['.', '[', '?']).next().unwrap_or_default().to_owned()
}

fn parameter(facts: &Facts, name: &str) -> Option<String> {
    let query = facts.query.as_ref()?.as_str();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    // As hosts read names: for each of `to`, `To` and `to[]`, some host takes that one.
    let wanted = key_letters(name);
    let is_it = |key: &str| parameter_names(key).iter().any(|read| letters_of(read) == wanted);
    let mut values = pairs.filter(|(key, _)| is_it(key)).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(undone(&value.replace('+', " "))),
        // A parameter that occurs twice has two readings.
        _ => None,
    }
}

fn undone(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

fn shown(value: Option<String>) -> String {
    value.map_or_else(|| "(not said)".to_owned(), |said| data(&said))
}

/// Text from a request, shown as data.
fn data(text: &str) -> String {
    format!("\u{201c}{}\u{201d}", value(text, VALUE))
}

/// Without a sentence: the method, the host and the path in plain words, and what is sent.
fn plain(telling: &Telling<'_>) -> String {
    let Facts { scheme, authority, method, path, query, upgrade } = telling.facts;
    let mut host = authority.host_header(*scheme);
    if *scheme == Scheme::Http {
        host += " (in the clear)";
    }
    let at = if path.as_str() == "/" { String::new() } else { format!(" {}", data(path.as_str())) };
    let Showing { bytes: body, fields, is_json: _ } = telling.body.unwrap_or_default();
    let bytes = match (telling.body, body.len()) {
        (None, _) => "something".to_owned(),
        (Some(_), 1) => "1 byte".to_owned(),
        (Some(_), bytes) => format!("{bytes} bytes"),
    };
    let mut text = match method {
        _ if upgrade.is_some() => format!("open a WebSocket at {host}{at}"),
        Method::Get
        | Method::Head
        | Method::Options
        | Method::Propfind
        | Method::Report
        | Method::Search
        | Method::Query
        | Method::List
            if body.is_empty() =>
        {
            format!("read from {host}{at}")
        }
        Method::Lock if body.is_empty() => format!("lock at {host}{at}"),
        Method::Unlock if body.is_empty() => format!("unlock at {host}{at}"),
        Method::Purge if body.is_empty() => format!("purge from the cache of {host}{at}"),
        Method::Delete if body.is_empty() => format!("delete at {host}{at}"),
        Method::Mkcol | Method::Mkcalendar if body.is_empty() => format!("make a folder at {host}{at}"),
        Method::Post => format!("send {bytes} to {host}{at}"),
        Method::Put | Method::Patch | Method::Proppatch => format!("write {bytes} to {host}{at}"),
        Method::Get
        | Method::Head
        | Method::Options
        | Method::Propfind
        | Method::Report
        | Method::Search
        | Method::Query
        | Method::List
        | Method::Lock
        | Method::Unlock
        | Method::Acl
        | Method::Purge
        | Method::Delete
        | Method::Mkcol
        | Method::Mkcalendar => format!("send {method} with {bytes} to {host}{at}"),
    };
    if let Some(query) = query.as_ref().filter(|query| !query.as_str().is_empty()) {
        let names = query.as_str().split('&').map(|pair| undone(pair.split('=').next().unwrap_or_default()));
        let length = query.as_str().len();
        let bytes = if length == 1 { "byte" } else { "bytes" };
        let _ = write!(text, ", asking with {length} {bytes}: {}", listed(&names.collect::<Vec<_>>()));
    }
    if !fields.is_empty() {
        let _ = write!(text, ": {} {}", if fields.len() == 1 { "field" } else { "fields" }, listed(fields));
    }
    text
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(FIELDS);
    let named = |name: &String| {
        let shown = value(name, NAME);
        if is_plain_name(name) { shown } else { format!("\u{201c}{shown}\u{201d}") }
    };
    let mut all: Vec<_> = names.iter().take(FIELDS).map(named).collect();
    all.extend((more > 0).then(|| format!("and {more} more")));
    all.join(", ")
}
