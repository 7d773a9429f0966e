//! The smallest rule for one request: what an owner's `always` or `never` writes.
//!
//! It is exact about the host, port, method and path, the whole query, and every string, boolean and missing
//! field that rules can express for a JSON body. It does not pretend to express the rest: a number or a long
//! text only has to be present, a field that was not sent may be present, and where nothing of the body can be
//! expressed (it is empty, or no JSON) it may be anything; [`Smallest::wider`] lists each. A query that rules cannot
//! express exactly gets no rule. It holds in the hours of the rules that open the request, and ends with them.

use policies::{AllowRule, Facts, Field, Hours, PolicyAt, Query, Showing, Upgrade, Verdict, Wanted, Words};
use serde_json::Value;

use crate::body_of::Body;
use crate::{Source, compile, suggest, written};

/// A block for a group's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smallest {
    /// TOML.
    pub toml: String,
    /// What it covers beyond the request, in words; empty: nothing.
    pub wider: Vec<&'static str>,
    /// When it holds, in words; `None`: always.
    pub hours: Option<String>,
}

/// Why no rule covers exactly this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// Its query has a spelling that rules do not compare.
    #[error("its query cannot be written into a rule: use letters, digits, - . _ and ~ only")]
    Query,
    /// Its body has fields that hosts read in more than one way.
    #[error("its body has a field in more than one spelling, and no rule covers that")]
    Body,
    /// It switches to another protocol.
    #[error("a WebSocket goes on in messages that no rule reads")]
    Upgrade,
    /// The policy does not ask about it, so there is nothing to allow for good.
    #[error("the policy does not ask about this request")]
    NotAsked,
}

/// The longest text in a condition.
const TEXT: usize = 200;
/// The most conditions of a rule.
const CONDITIONS: usize = 64;

/// The `[[allow]]` for a request that was asked about.
pub fn always(policy: PolicyAt<'_>, facts: &Facts, body: Showing<'_>, why: &str) -> Result<Smallest, Unsayable> {
    if facts.upgrade == Some(Upgrade::WebSocket) {
        return Err(Unsayable::Upgrade);
    }
    let (credential, by) = match policy.with_grants(&[]).decide(facts.clone()) {
        Verdict::Ask(ask) => (ask.terms().credential().cloned(), ask.by().clone()),
        Verdict::Allow(permit) => match permit.body_conditions().map(|conditions| conditions.check(body.bytes)) {
            Some(Err(policies::Unfit::Asks(by))) => (permit.credential().cloned(), by),
            Some(Ok(_) | Err(policies::Unfit::Refused(_))) | None => return Err(Unsayable::NotAsked),
        },
        Verdict::Deny(..) => return Err(Unsayable::NotAsked),
    };
    let mut lines = suggest::allow_lines(facts);
    lines.push(query(facts)?);
    let mut wider = Vec::new();
    match json(body, &mut wider) {
        Some(line) => lines.push(line),
        // An empty body cannot be demanded, nor an empty object.
        None => wider = vec!["any body"],
    }
    let hours = hours(policy, facts, credential.as_deref(), &mut wider);
    lines.extend(credential.map(|name| format!("credential = \"{name}\"")));
    if policy.policy().rules().asking.unlisted.as_ref() != Some(&by.at) {
        lines.push("unasked = true".to_owned());
    }
    lines.extend(hours.map(written::hours).unwrap_or_default());
    lines.push(written::in_why(why));
    wider.sort_unstable();
    wider.dedup();
    let toml = lines.join("\n") + "\n";
    if !covers(&toml, policy, facts, body.bytes) {
        return Err(Unsayable::Body);
    }
    Ok(Smallest { toml, wider, hours: hours.map(ToString::to_string) })
}

/// Whether a block alone lets through the request it was made from.
fn covers(toml: &str, policy: PolicyAt<'_>, facts: &Facts, body: &[u8]) -> bool {
    let source = Source { name: "always".to_owned(), text: toml.to_owned() };
    let Ok(alone) = compile(policy.policy().group(), &source, None) else { return false };
    match alone.policy.at(policy.now()).decide(facts.clone()) {
        Verdict::Allow(permit) => permit.body_conditions().is_none_or(|conditions| conditions.check(body).is_ok()),
        Verdict::Ask(_) | Verdict::Deny(..) => false,
    }
}

/// The `[[deny]]` for a request: for its method and path, whatever its query and body.
pub fn never(facts: &Facts, why: &str) -> Smallest {
    let mut lines = suggest::deny_lines(facts);
    lines.push(written::in_why(why));
    Smallest { toml: lines.join("\n") + "\n", wider: vec!["any query and any body"], hours: None }
}

/// The hours of the rules that open a request now, if they agree on any.
fn hours<'a>(
    policy: PolicyAt<'a>,
    facts: &Facts,
    credential: Option<&str>,
    wider: &mut Vec<&'static str>,
) -> Option<&'a Hours> {
    let named = policy.policy().allows_of(&facts.authority.host);
    let opens = |rule: &&AllowRule| rule.credential.as_deref() == credential && rule.covers_at(facts, policy.now());
    let opening: Vec<_> = named.filter(opens).collect();
    let first = opening.first()?.hours.as_ref();
    if opening.iter().all(|rule| rule.hours.as_ref() == first) {
        return first;
    }
    // One that always holds, whatever the body is, is no narrower.
    if !opening.iter().any(|rule| rule.hours.is_none() && rule.json.is_none()) {
        wider.push("any time: the rules that allow it now have different hours");
    }
    None
}

fn query(facts: &Facts) -> Result<String, Unsayable> {
    let sent = facts.query.as_ref().map(Query::as_str);
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let mut pairs = Vec::new();
    // An empty query, `?` alone, differs from none.
    for pair in sent.into_iter().flat_map(|sent| sent.split('&')) {
        let (key, value) = pair.split_once('=').ok_or(Unsayable::Query)?;
        let is_new = pairs.iter().all(|(known, _): &(String, String)| known != key);
        if key.is_empty() || !plain(key) || !plain(value) || !is_new {
            return Err(Unsayable::Query);
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(written::query(&pairs))
}

/// What rules can express of a JSON body, leaf by leaf. `None`: nothing.
fn json(body: Showing<'_>, wider: &mut Vec<&'static str>) -> Option<String> {
    let body = Body::of(body);
    let json = body.json()?;
    wider.push("fields beside those that were sent");
    let mut leaves = Vec::new();
    walk(json, String::new(), &mut leaves, wider);
    if leaves.len() > CONDITIONS {
        wider.push("the rest of a body with many fields");
        leaves.truncate(CONDITIONS);
    }
    (!leaves.is_empty()).then(|| written::json_of(&leaves))
}

fn walk(value: &Value, at: String, leaves: &mut Vec<(Field, Words)>, wider: &mut Vec<&'static str>) {
    let words = match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                // A key that looks like a path would be read as one, and an empty key as the level above.
                if key.is_empty() || key.contains(['.', '[', ']', '?']) {
                    wider.push("other values of fields whose names no rule can write");
                    continue;
                }
                let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                walk(value, below, leaves, wider);
            }
            return;
        }
        Value::Array(items) if !items.is_empty() => {
            no_more_than(items, &at, leaves, wider);
            items.iter().enumerate().for_each(|(n, item)| walk(item, format!("{at}[{n}]"), leaves, wider));
            return;
        }
        // For a condition, a null counts as absent.
        Value::Null => Words::Absent,
        Value::Bool(value) => Words::Any(vec![Wanted::Bool(*value)]),
        Value::String(text) if is_sayable(text) => Words::Any(vec![Wanted::Text(text.clone())]),
        Value::String(_) => {
            wider.push("other texts where one is long or holds a star");
            Words::Present
        }
        Value::Number(_) => {
            wider.push("other numbers");
            Words::Present
        }
        Value::Object(_) | Value::Array(_) => {
            wider.push("something inside of what was empty");
            Words::Present
        }
    };
    match Field::read(&at) {
        Ok(field) => leaves.push((field, words)),
        Err(_) => wider.push("other values of fields whose names no rule can write"),
    }
}

fn is_sayable(text: &str) -> bool {
    text.len() <= TEXT && !text.contains('*')
}

/// A list with more items would be another request (another recipient): nothing follows the last item, and no string
/// or boolean differs. After a null, which counts as absent, other kinds of values could follow.
fn no_more_than(items: &[Value], at: &str, leaves: &mut Vec<(Field, Words)>, wider: &mut Vec<&'static str>) {
    let wanted = |item: &Value| match item {
        Value::Bool(value) => Some(Wanted::Bool(*value)),
        Value::String(text) if is_sayable(text) => Some(Wanted::Text(text.clone())),
        _ => None,
    };
    match items.iter().map(wanted).collect::<Option<Vec<_>>>() {
        Some(all) => {
            let mut each: Vec<Wanted> = Vec::new();
            all.into_iter().for_each(|one| {
                if !each.contains(&one) {
                    each.push(one)
                }
            });
            leaves.extend(Field::read(&format!("{at}[*]")).map(|field| (field, Words::Only(each))));
        }
        None => wider.push("more items of a list"),
    }
    leaves.extend(Field::read(&format!("{at}[{}]", items.len())).map(|field| (field, Words::Absent)));
}
