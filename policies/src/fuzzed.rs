//! What must hold for any input: the targets of `fuzz/`, each a plain function, and a replay of the
//! committed corpus as a test. Not part of what ships.
//!
//! Where it can, a target consults a second, simpler reader: two that agree on what was accepted
//! are better evidence than one that does not panic.

#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

use crate::body::{BodyConditions, Condition, Does, Effect, Field, Wanted, Words};
use crate::host_pattern::HostPattern;
use crate::segments::{Outline, Segments};
use crate::{Authority, Facts, Host, Path, RequestPattern, Scheme};

/// `host:port`, as CONNECT and Host headers hold it.
pub fn authority(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for default in [None, Some(443)] {
        if let Ok(authority) = Authority::parse(text, default) {
            assert_eq!(Authority::parse(&authority.to_string(), None), Ok(authority.clone()), "it has two forms");
            assert_eq!(
                Authority::parse(&authority.host_header(Scheme::Https), Some(443)),
                Ok(authority.clone()),
                "the Host header says something else"
            );
            read_by_others(&authority.host);
        }
    }
    if let Ok(facts) = Facts::parse("GET", &format!("https://{text}")) {
        read_by_others(&facts.authority.host);
        segments_stay(&facts.path);
        assert_eq!(again(&facts), facts, "the URL has two forms");
    }
}

/// `HOST`, `METHOD /path` and a path, each on a line: patterns and what they match.
pub fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    if let Ok(pattern) = HostPattern::for_deny(line()) {
        assert_eq!(HostPattern::for_deny(&pattern.to_string()), Ok(pattern));
    }
    let (Ok(pattern), Ok(path)) = (RequestPattern::parse(line()), Path::parse(line())) else { return };
    assert_eq!(RequestPattern::parse(&pattern.to_string()), Ok(pattern.clone()));
    segments_stay(&path);
    let (exact, wide) = (Segments::exact(path.as_str()), Segments::wide_request(&path));
    let allows = pattern.covers_path(&exact);
    let denies = pattern.covers_path_either_way(&exact, &wide);
    assert!(denies || !allows, "a deny covers less than an allow");
    assert!(!allows || pattern.outline().meets(&exact.outline()), "passed over, and it matches");
    let wide_outline = Outline::of_all(wide.iter().map(Segments::outline));
    assert!(!denies || pattern.wide_outline().meets(&wide_outline));
    let shown = pattern.to_string();
    if shown.matches('*').count() > 6 || path.as_str().len() > 100 {
        return; // Trying every way takes too long.
    }
    let wanted: Vec<&str> = shown.split_once(" /").unwrap().1.split('/').collect();
    let escaped = path.as_str().replace('*', "%2A").replace('!', "%21");
    let had: Vec<&str> = escaped[1..].split('/').collect();
    assert_eq!(allows, covers(&wanted, &had), "two readers of {shown} disagree");
    let spells =
        wanted.iter().rev().skip(1).any(|want| want.is_empty()) || shown.contains("%2F") || shown.contains("%25");
    assert!(path.is_plain() || spells || !allows, "a star covers what must be spelt");
}

/// A JSON body, with conditions looking into it.
pub fn body(bytes: &[u8]) {
    let check = |field: &str, words: Words, effect| {
        let condition = Condition::new(Field::read(field).unwrap(), words, effect);
        let mut conditions = BodyConditions::new(false);
        conditions.set_free(effect == Effect::Deny);
        let does = match effect {
            Effect::Allow => Does::Open { at: RULE.with(Clone::clone), lift: Vec::new() },
            Effect::Deny => Does::Deny(crate::Refusal::new(crate::Code::DeniedByRule, "no")),
        };
        conditions.add(Some(&[condition].into()), does);
        conditions.check(bytes).is_ok()
    };
    let text = || vec![Wanted::Text("web_*".to_owned()), Wanted::Bool(true)];
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let absent = check("a.b", Words::Absent, Effect::Allow);
    let present = check("a.b", Words::Present, Effect::Allow);
    assert!(!(absent && present), "there is a field and there is none");
    for passed in [
        absent,
        present,
        check("t[*].k", Words::Not(text()), Effect::Allow),
        check("t[*].k", Words::Only(text()), Effect::Allow),
        check("t[*].k", Words::Any(text()), Effect::Deny),
    ] {
        assert!(!passed || json.is_some(), "what no other reader takes for JSON was judged");
    }
    if let Some(json) = json.filter(|_| absent) {
        let found = json.get("a").and_then(|a| a.get("b")).is_some_and(|b| !b.is_null());
        assert!(!found, "another reader finds the field");
    }
}

thread_local! {
    static RULE: crate::RuleRef = crate::RuleRef { file: "family.toml".into(), line: 1 };
}

/// Stars over segments and over characters, by trying every way.
fn covers(wanted: &[&str], had: &[&str]) -> bool {
    match (wanted.split_first(), had.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&"**", rest)), _) => {
            // A part that must be spelt ends a star's run; the end of a path may be empty.
            let taken = had.iter().enumerate().position(|(at, have)| {
                have.contains("%2F") || have.contains("%25") || (have.is_empty() && at + 1 != had.len())
            });
            (0..=taken.unwrap_or(had.len())).any(|taken| covers(rest, &had[taken..]))
        }
        (Some((want, rest)), Some((have, behind))) => {
            let (wants, haves): (Vec<_>, Vec<_>) = (want.split("%2F").collect(), have.split("%2F").collect());
            let inner = |one: &str, rest: &[&str]| one.is_empty() && !rest.is_empty();
            let fits = wants.len() == haves.len()
                && inner(want, rest) == inner(have, behind)
                && wants
                    .iter()
                    .zip(haves)
                    .all(|(want, have)| (*want != "*" || !have.is_empty()) && fits(want.as_bytes(), have.as_bytes()));
            fits && covers(rest, behind)
        }
        (Some(_), None) => false,
    }
}

fn fits(want: &[u8], have: &[u8]) -> bool {
    match (want.split_first(), have.split_first()) {
        (None, have) => have.is_none(),
        (Some((b'*', rest)), _) => {
            let taken = have.windows(3).position(|three| three == b"%25").unwrap_or(have.len());
            (0..=taken).any(|taken| fits(rest, &have[taken..]))
        }
        (Some((want, rest)), Some((have, behind))) => want == have && fits(rest, behind),
        (Some(_), None) => false,
    }
}

/// The URL written anew, and read again.
fn again(facts: &Facts) -> Facts {
    let url = format!("{}://{}{}", facts.scheme.as_str(), facts.authority, facts.path_and_query());
    Facts::parse(facts.method.as_str(), &url).unwrap()
}

/// A server that undoes escapes finds the segments that were judged or, if a rule has to spell
/// them, others that are valid paths themselves.
fn segments_stay(path: &Path) {
    assert_eq!(Path::parse(path.as_str()).as_ref(), Ok(path), "the path has two forms");
    let plain = undone(path.as_str().as_bytes());
    assert!(!plain.contains(&b'\\') && !plain.iter().any(u8::is_ascii_control));
    assert!(!path.is_plain() || !plain.contains(&b'%'), "an escape hides an escape");
    let twice = plain.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(at, _)| &plain[at + 1..]);
    let mut twice = twice.filter_map(|behind| behind.get(..2));
    assert!(twice.all(|two| !two.iter().all(u8::is_ascii_hexdigit)), "an escape within an escape");
    let segments: Vec<&[u8]> = plain[1..].split(|byte| *byte == b'/').collect();
    let written = path.as_str()[1..].split('/').count();
    assert!(!path.is_plain() || segments.len() == written, "an escape hides a slash");
    let (last, inner) = segments.split_last().unwrap();
    let empty = inner.iter().filter(|segment| segment.is_empty()).count();
    let spelt = path.as_str()[1..].split('/').rev().skip(1).filter(|segment| segment.is_empty()).count();
    assert_eq!(empty, spelt, "an escape makes an empty segment");
    assert!(!path.is_plain() || empty == 0, "an empty segment is nothing to spell");
    assert!(inner.iter().all(|segment| !segment.starts_with(b";")), "a segment of parameters alone");
    let bare = |segment: &&[u8]| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    assert!(segments.iter().map(bare).all(|bare| bare != b"." && bare != b".."), "a dot segment");
    assert!(last.is_empty() || !bare(last).is_empty(), "a segment of parameters alone");
}

fn undone(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap();
        plain.push(if byte == b'%' { u8::try_from(digit() * 16 + digit()).unwrap() } else { byte });
    }
    plain
}

/// `inet_aton` reads hexadecimal, octal and short forms as addresses: a name must be none of them,
/// and an address must be read as itself.
fn read_by_others(host: &Host) {
    let text = host.to_string();
    assert_eq!(Host::parse(&text).as_ref(), Ok(host), "the host has two forms");
    assert!(text.len() <= 253 && text == text.to_ascii_lowercase() && !text.ends_with('.'));
    match host {
        Host::Ip(std::net::IpAddr::V4(address)) => assert_eq!(inet_aton(&text), Some(u32::from(*address))),
        Host::Ip(std::net::IpAddr::V6(_)) => assert!(text.starts_with('[') && text.ends_with(']')),
        Host::Name(_) => assert_eq!(inet_aton(&text), None, "{text} is an address to a resolver"),
    }
}

fn inet_aton(text: &str) -> Option<u32> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        None if part.starts_with('0') && part.len() > 1 => u64::from_str_radix(&part[1..], 8).ok(),
        None if part.starts_with(|c: char| c.is_ascii_digit()) => part.parse().ok(),
        _ => None,
    };
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let room = 32 - 8 * u32::try_from(first.len()).ok().filter(|count| *count < 4)?;
    let high = first.iter().try_fold(0_u64, |sum, part| (*part < 256).then_some(sum << 8 | part))?;
    let all = (*last < 1 << room).then_some(high << room | last)?;
    u32::try_from(all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Past findings and seeds still hold.
    #[test]
    fn the_corpus_replays() {
        type Target = fn(&[u8]);
        let targets: [(&str, Target); 3] = [("authority", authority), ("pattern", pattern), ("body", body)];
        for (name, target) in targets {
            let folder = format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
            assert!(entries.len() > 5, "{name} has nothing to begin with");
            for entry in entries {
                target(&std::fs::read(entry.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn the_other_reader_reads_as_resolvers_do() {
        for (text, want) in [
            ("127.1", Some(0x7f00_0001)),
            ("2130706433", Some(0x7f00_0001)),
            ("0x7f.1", Some(0x7f00_0001)),
            ("0177.0.0.1", Some(0x7f00_0001)),
            ("1.2.3.4", Some(0x0102_0304)),
            ("1.2.3.4.5", None),
            ("256.1.1.1", None),
            ("a.test", None),
            ("", None),
        ] {
            assert_eq!(inet_aton(text), want, "{text}");
        }
    }
}
