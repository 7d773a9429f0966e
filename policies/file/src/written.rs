//! Writes rules back as a policy file: what `policy show --toml` prints. Read again, it judges the
//! same, with presets and base.toml included; only the places differ.

use std::fmt::Write;

use ipnet::IpNet;
use policies::{
    AllowRule, Asking, Condition, DenyRule, Field, HostPattern, Hours, Leave, Limits, Methods, Observe, RequestPattern,
    Rules, Say, Times, TunnelRule, Wanted, Words,
};

use crate::summary;

/// A policy file that says the same as these rules.
pub fn written(rules: &Rules) -> String {
    let Rules { allows, tunnels, denies, says, limits, asking, observe, blocks_lookalikes } = rules;
    let mut text = String::new();
    if let Some(Observe { until, at: _ }) = observe {
        let _ = writeln!(text, "mode = \"observe\"\nobserve_until = \"{until}\"");
    }
    if *blocks_lookalikes {
        text += "leaks = \"block\"\n";
    }
    text += &in_limits(limits);
    let beside_rules = allows.iter().any(AllowRule::asks);
    text += &in_asking(asking, beside_rules);
    allows.iter().for_each(|rule| block(&mut text, &summary::header(rule.leave), &rule.at.to_string(), allow(rule)));
    tunnels.iter().for_each(|rule| block(&mut text, "[[allow]]", &rule.at.to_string(), tunnel(rule)));
    denies.iter().for_each(|rule| block(&mut text, "[[deny]]", &rule.at.to_string(), deny(rule)));
    says.iter().for_each(|rule| block(&mut text, "[[say]]", &rule.at.to_string(), say(rule)));
    text
}

fn block(text: &mut String, header: &str, at: &str, lines: Vec<String>) {
    let gap = if text.is_empty() { "" } else { "\n" };
    // Writing to a String cannot fail, here and above.
    let _ = writeln!(text, "{gap}# {at}\n{header}\n{}", lines.join("\n"));
}

fn in_limits(limits: &Limits) -> String {
    let written = |name: &str, value| match name {
        name if name.starts_with("upload") => format!("\"{value} B\""),
        name if name.starts_with("money") => format!("\"{}\"", desk::money::in_words(value)),
        _ => value.to_string(),
    };
    let said = |(name, value): (&str, Option<u64>)| value.map(|value| format!("{name} = {}\n", written(name, value)));
    let lines: String = limits.each().into_iter().filter_map(said).collect();
    if lines.is_empty() { lines } else { format!("\n[limits]\n{lines}") }
}

/// `[ask]`, which TOML needs as an `[[ask]]` if there are others.
fn in_asking(asking: &Asking, beside_rules: bool) -> String {
    let Asking { unlisted, hold, quiet } = asking;
    let mut lines = Vec::new();
    lines.extend(unlisted.as_ref().map(|_| "unlisted = true".to_owned()));
    lines.extend((*hold != Asking::HOLD).then(|| format!("hold = \"{hold}s\"")));
    let spans: Vec<_> = quiet.iter().map(|hours| format!("\"{hours}\"")).collect();
    lines.extend((!spans.is_empty()).then(|| format!("quiet = [{}]", spans.join(", "))));
    let header = if beside_rules { "[[ask]]" } else { "[ask]" };
    if lines.is_empty() { String::new() } else { format!("\n{header}\n{}\n", lines.join("\n")) }
}

// Each rule is destructured in full: a new field does not compile until it is written.

pub(crate) fn allow(rule: &AllowRule) -> Vec<String> {
    let AllowRule {
        at: _,
        origin: _,
        leave,
        host,
        scheme,
        ports,
        requests,
        query,
        credential,
        private,
        model,
        opaque,
        websocket,
        json,
        hours,
        why,
    } = rule;
    let mut lines = vec![in_host(host), format!("scheme = \"{}\"", scheme.as_str())];
    lines.extend(in_ports(ports));
    lines.push(asked(requests));
    lines.extend(query.as_ref().map(|pairs| self::query(pairs)));
    lines.extend(json.as_ref().map(|conditions| self::json(conditions)));
    lines.extend(websocket.then(|| "websocket = true".to_owned()));
    lines.extend(credential.as_ref().map(|name| format!("credential = {}", quoted(name))));
    lines.extend(in_private(private));
    lines.extend(model.then(|| "model = true".to_owned()));
    lines.extend(opaque.then(|| "opaque = true".to_owned()));
    lines.extend((*leave == Leave::Unasked).then(|| "unasked = true".to_owned()));
    lines.extend(hours.iter().flat_map(self::hours));
    lines.extend(why.as_deref().map(in_why));
    lines
}

pub(crate) fn tunnel(rule: &TunnelRule) -> Vec<String> {
    let TunnelRule { at: _, origin: _, host, ports, private, hours, why } = rule;
    let mut lines = vec![in_host(host), "tls = \"tunnel\"".to_owned()];
    lines.extend(in_ports(ports));
    lines.extend(in_private(private));
    lines.extend(hours.iter().flat_map(self::hours));
    lines.extend(why.as_deref().map(in_why));
    lines
}

fn deny(rule: &DenyRule) -> Vec<String> {
    let DenyRule { at: _, origin: _, host, ports, requests, json, why } = rule;
    let mut lines = vec![in_host(host)];
    lines.extend(in_ports(ports));
    lines.push(asked(requests));
    lines.extend(json.as_ref().map(|conditions| self::json(conditions)));
    lines.extend(why.as_deref().map(in_why));
    lines
}

fn say(say: &Say) -> Vec<String> {
    let Say { at: _, requests, text } = say;
    vec![asked(requests), format!("text = {}", quoted(text))]
}

fn in_host(host: &HostPattern) -> String {
    format!("host = {}", quoted(&host.to_string()))
}

fn in_ports(ports: &[u16]) -> Option<String> {
    let all: Vec<_> = ports.iter().map(u16::to_string).collect();
    (!all.is_empty()).then(|| format!("ports = [{}]", all.join(", ")))
}

/// `access` has a pattern of its own, which stands alone.
fn asked(requests: &[RequestPattern]) -> String {
    if requests.iter().any(|request| request.methods() == Methods::Read) {
        return "access = \"read\"".to_owned();
    }
    let all: Vec<_> = requests.iter().map(|request| quoted(&request.to_string())).collect();
    format!("do = [{}]", all.join(", "))
}

fn in_private(nets: &[IpNet]) -> Option<String> {
    let all: Vec<_> = nets.iter().map(|net| format!("\"{net}\"")).collect();
    (!all.is_empty()).then(|| format!("private = [{}]", all.join(", ")))
}

pub(crate) fn in_why(why: &str) -> String {
    format!("why = {}", quoted(why))
}

/// `hours = "07:00-21:00"`, `days = ["mon", "tue"]`, `from = "2026-12-05 08:00"`, `until = "2026-12-05 22:00"`
pub(crate) fn hours(hours: &Hours) -> Vec<String> {
    let Times { span, days, from, until } = hours.times();
    let days: Vec<_> = days.iter().map(|day| format!("\"{day}\"")).collect();
    let span = span.map(|(from, to)| format!("hours = \"{from}-{to}\""));
    let days = (!days.is_empty()).then(|| format!("days = [{}]", days.join(", ")));
    let from = from.map(|from| format!("from = \"{}\"", from.written()));
    let until = until.map(|until| format!("until = \"{}\"", until.written()));
    [span, days, from, until].into_iter().flatten().collect()
}

/// `query = { service = "x" }`
pub(crate) fn query(pairs: &[(String, String)]) -> String {
    let all: Vec<_> = pairs.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
    if all.is_empty() { "query = {}".to_owned() } else { format!("query = {{ {} }}", all.join(", ")) }
}

/// `json = { "a.b" = { not = ["x"] } }`
pub(crate) fn json(conditions: &[Condition]) -> String {
    let all: Vec<_> = conditions.iter().map(condition).collect();
    format!("json = {{ {} }}", all.join(", "))
}

/// The same for fields and their conditions.
pub(crate) fn json_of(said: &[(Field, Words)]) -> String {
    let all: Vec<_> = said.iter().map(|(field, words)| self::said(field, words)).collect();
    format!("json = {{ {} }}", all.join(", "))
}

fn condition(condition: &Condition) -> String {
    said(&condition.field, &condition.words)
}

fn said(field: &Field, words: &Words) -> String {
    let list = |wanted: &[Wanted]| {
        let one = |wanted: &Wanted| match wanted {
            Wanted::Text(text) => quoted(text),
            Wanted::Bool(value) => value.to_string(),
        };
        wanted.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let said = match words {
        Words::Not(wanted) => format!("{{ not = [{}] }}", list(wanted)),
        Words::Only(wanted) => format!("{{ only = [{}] }}", list(wanted)),
        Words::Any(wanted) => format!("{{ any = [{}] }}", list(wanted)),
        Words::Absent => "\"absent\"".to_owned(),
        Words::Present => "\"present\"".to_owned(),
    };
    format!("{} = {said}", quoted(&field.to_string()))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
