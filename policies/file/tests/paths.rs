//! Paths with two readings: a rule can spell them out, nothing else covers them, and denials find
//! them in both readings.
#![allow(clippy::unwrap_used)]

use policies::*;
use proptest::prelude::*;
use proptest::sample::select;

use super::verdicts::{check, decide, policy};

/// What must be spelt, as it is in a canonical path.
const SIGNS: [&str; 3] = ["%2F", "%25", "//"];

fn spells(text: &str) -> bool {
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// The simplest matcher: tries every way, over separators and letters.
mod naive {
    pub(super) fn covers(pattern: &str, path: &str) -> bool {
        let cut = |text: &str| text[1..].split('/').map(str::to_owned).collect::<Vec<_>>();
        let path = path.replace('*', "%2A").replace('!', "%21");
        segments(&cut(pattern), &cut(&path))
    }

    fn segments(pattern: &[String], path: &[String]) -> bool {
        match (pattern.first().map(String::as_str), path.first()) {
            (None, None) => true,
            (Some("**"), None) => segments(&pattern[1..], path),
            (Some("**"), Some(next)) => {
                let is_sign = |token: &String| token == "%2F" || token == "%25";
                let takes = if next.is_empty() { path.len() == 1 } else { !tokens(next).iter().any(is_sign) };
                segments(&pattern[1..], path) || (takes && segments(pattern, &path[1..]))
            }
            (Some(want), Some(have)) => {
                let inner = path.len() > 1;
                let fits = match (want.is_empty(), have.is_empty()) {
                    (true, true) => (pattern.len() > 1) == inner,
                    (false, true) if inner => false,
                    _ => segment(&tokens(want), &tokens(have), true),
                };
                fits && segments(&pattern[1..], &path[1..])
            }
            _ => false,
        }
    }

    /// Escapes are one token each.
    fn tokens(text: &str) -> Vec<String> {
        let (mut rest, mut tokens) = (text, Vec::new());
        while !rest.is_empty() {
            let (token, behind) = rest.split_at(if rest.starts_with('%') { 3 } else { 1 });
            tokens.push(token.to_owned());
            rest = behind;
        }
        tokens
    }

    /// `begins`: right after a slash, or an escaped one, where a lone star needs at least one
    /// character.
    fn segment(want: &[String], have: &[String], begins: bool) -> bool {
        let alone =
            begins && want.first().is_some_and(|token| token == "*") && want.get(1).is_none_or(|token| token == "%2F");
        match (want.first().map(String::as_str), have.first()) {
            (None, None) => true,
            (Some("*"), Some(next)) => {
                let takes = next != "%2F" && next != "%25";
                let one = takes && star(&want[1..], &have[1..]);
                one || (!alone && segment(&want[1..], have, false))
            }
            (Some("*"), None) => !alone && segment(&want[1..], have, false),
            (Some(want_token), Some(next)) => want_token == next && segment(&want[1..], &have[1..], next == "%2F"),
            _ => false,
        }
    }

    /// A star that has taken something and may take more.
    fn star(behind: &[String], have: &[String]) -> bool {
        let more = have.first().is_some_and(|next| next != "%2F" && next != "%25");
        segment(behind, have, false) || (more && star(behind, &have[1..]))
    }
}

const TEXT_SEGMENTS: [&str; 15] = [
    "",
    "a",
    "b",
    "ab",
    "a%2Fb",
    "a%25",
    "%25a",
    "a%25b",
    "a%2Fb%2Fc",
    "a%2F",
    "a%25%2Fb",
    "a*b",
    "%2Ab",
    "%C3%A9",
    "A",
];
const PATTERN_SEGMENTS: [&str; 20] = [
    "",
    "a",
    "ab",
    "*",
    "**",
    "a*",
    "*b",
    "a%2Fb",
    "a%2F*",
    "*%2F*",
    "*%2F*%2F*",
    "*%25",
    "*%25*",
    "%25*",
    "a%2F",
    "*%25%2F*",
    "a%25b",
    "%2Ab",
    "a*b",
    "%C3*",
];

fn joined<'a>(segments: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    let one = segments.iter().map(|one| format!("/{one}"));
    let two = segments.iter().flat_map(|one| segments.iter().map(move |two| format!("/{one}/{two}")));
    one.chain(two)
}

/// Every path with two segments against every pattern with two.
#[test]
fn another_matcher_says_the_same() {
    let paths: Vec<Path> = joined(&TEXT_SEGMENTS).filter_map(|text| Path::parse(&text).ok()).collect();
    let (mut allowed, mut spelt) = (0, 0);
    for pattern in joined(&PATTERN_SEGMENTS) {
        let Ok(rule) = RequestPattern::parse(&format!("GET {pattern}")) else { continue };
        for path in &paths {
            let covers = rule.matches(Method::Get, path);
            assert_eq!(covers, naive::covers(&pattern, path.as_str()), "{pattern} {path}");
            assert!(!covers || path.is_plain() || spells(&pattern), "{pattern} covers {path}, which nobody spelt");
            assert!(!covers || !path.is_plain() || !spells(&pattern), "{pattern} covers {path}, which is another");
            (allowed, spelt) = (allowed + usize::from(covers), spelt + usize::from(covers && !path.is_plain()));
        }
    }
    assert!(allowed > 1000 && spelt > 100, "{allowed} {spelt}");
}

fn pattern_text() -> impl Strategy<Value = String> {
    prop::collection::vec(select(PATTERN_SEGMENTS.to_vec()), 1..5).prop_map(|all| format!("/{}", all.join("/")))
}

fn path_text() -> impl Strategy<Value = String> {
    prop::collection::vec(select(TEXT_SEGMENTS.to_vec()), 1..6).prop_map(|all| format!("/{}", all.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn longer_paths_are_read_alike(pattern in pattern_text(), path in path_text()) {
        let (Ok(rule), Ok(path)) = (RequestPattern::parse(&format!("GET {pattern}")), Path::parse(&path)) else {
            return Ok(());
        };
        prop_assert_eq!(rule.matches(Method::Get, &path), naive::covers(&pattern, path.as_str()));
        prop_assert!(rule.touches(Method::Get, &path) || !rule.matches(Method::Get, &path));
    }

    /// No rule that spells nothing out allows what was refused whatever the rules said.
    #[test]
    fn a_rule_that_spells_nothing_allows_nothing_new(
        pattern in "/([abAB*.]{1,3}|\\*\\*)(/([abAB*.]{1,3}|\\*\\*)){0,3}/?",
        path in "/([abAB./;*]|%2[f5F]|%5[cC]|%C3%A9){0,14}",
    ) {
        let (Ok(rule), Ok(path)) = (RequestPattern::parse(&format!("* {pattern}")), Path::parse(&path)) else {
            return Ok(());
        };
        prop_assert!(path.is_plain() || !rule.matches(Method::Get, &path), "{} {}", pattern, path);
    }

    /// No path that is accepted becomes an invalid one when it is undone.
    #[test]
    fn what_is_undone_is_a_path(text in "/([ab./;]|%2[fF5eE]|%41|%3[bB]){0,14}") {
        let Ok(path) = Path::parse(&text) else { return Ok(()) };
        let undone = path.undone();
        let odd = undone.match_indices('%').any(|(at, _)| undone.get(at + 1..at + 3).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit())));
        prop_assert!(path.undone() == path.as_str() || !path.as_str().contains("%2F") || !undone.contains("/../"));
        prop_assert!(!odd || path.as_str().contains("%3B"), "{} is {}", path, undone);
        prop_assert_eq!(undone.matches("//").count(), path.as_str().matches("//").count(), "{} is {}", path, undone);
    }
}

/// Names that occur in the paths of APIs: packages, projects, branches, keys, titles.
#[test]
fn a_name_with_a_slash_is_spelt_in_a_rule() {
    let text = r#"
[[allow]]
host = "a.test"
do = ["GET /@scope%2F*", "GET /api/v4/projects/me%2Fnotes/**", "PUT /o/*%2F*%2F*", "GET /100%25", "GET /wiki/*%25*"]

[[allow]]
host = "a.test"
do = ["GET /debian//pool/**", "GET /web/*/https://example.org/**", "GET /plain/**", "GET /b/*/c"]
"#;
    check(
        text,
        &[
            ("GET https://a.test/@scope%2fname", "allow 2"),
            ("GET https://a.test/@scope%2Fname", "allow 2"),
            ("GET https://a.test/@scope/name", "path_denied"),
            ("GET https://a.test/@scope%2Fname/1.0", "path_ambiguous"),
            ("GET https://a.test/@scope%2Fname%2Fmore", "path_ambiguous"),
            ("GET https://a.test/@scope%2F", "path_ambiguous"),
            ("GET https://a.test/@other%2Fname", "path_ambiguous"),
            ("POST https://a.test/@scope%2Fname", "method_denied"),
            ("GET https://a.test:8443/@scope%2Fname", "path_ambiguous"),
            ("GET https://a.test/api/v4/projects/me%2Fnotes", "allow 2"),
            ("GET https://a.test/api/v4/projects/me%2Fnotes/issues", "allow 2"),
            ("GET https://a.test/api/v4/projects/me%2Fnotes/issues%2F1", "path_ambiguous"),
            ("GET https://a.test/api/v4/projects/you%2Fnotes/issues", "path_ambiguous"),
            ("PUT https://a.test/o/2026%2F11%2Fx.pdf", "allow 2"),
            ("PUT https://a.test/o/2026%2Fx.pdf", "path_ambiguous"),
            ("GET https://a.test/100%25", "allow 2"),
            ("GET https://a.test/wiki/100%25_sure", "allow 2"),
            ("GET https://a.test/wiki/100_sure", "path_denied"),
            ("GET https://a.test/debian//pool/x", "allow 6"),
            ("GET https://a.test/debian/pool/x", "path_denied"),
            ("GET https://a.test/debian///pool/x", "path_ambiguous"),
            ("GET https://a.test//debian/pool/x", "path_ambiguous"),
            ("GET https://a.test/debian//pool//x", "path_ambiguous"),
            ("GET https://a.test/web/2024/https://example.org/", "allow 6"),
            ("GET https://a.test/web/2024/https:/example.org/", "path_denied"),
            ("GET https://a.test/plain/a%2Fb", "path_ambiguous"),
            ("GET https://a.test/plain//b", "path_ambiguous"),
            ("GET https://a.test/plain//", "path_ambiguous"),
            ("GET https://a.test/plain/a%25", "path_ambiguous"),
            ("GET https://a.test/b//c", "path_ambiguous"),
            ("GET https://b.test/a%2Fb", "path_ambiguous"),
        ],
    );
}

/// A deny reads a path as it stands, where its stars cover everything, and undone.
#[test]
fn denials_find_both_readings() {
    let allow = "[[allow]]\nhost = \"a.test\"\ndo = [\"* /p/*%2F*\", \"* /p/*%2F*%2F*\", \"* /p//*/**\", \"* /p/*%25*\", \"* //p/**\"]\n";
    for (deny, path, denied) in [
        ("/p/admin/**", "/p/admin%2Fx", true),
        ("/p/admin/**", "/p/ADMIN%2Fx", true),
        ("/p/admin/**", "/p/admin;v=1%2Fx", true),
        ("/p/admin/x", "/p/admin%2Fx.json", true),
        ("/p/*", "/p/admin%2Fx", true),
        ("/p/*/x", "/p/admin%2Fx", true),
        ("/p/admin%2F*", "/p/admin%2Fx", true),
        ("/p/admin%2F*", "/p/admin%2Fx%2Fy", true),
        ("/p/admin%2Fx", "/p/Admin%2fX", true),
        ("/**/x", "/p/admin%2Fx", true),
        ("/p/other/**", "/p/admin%2Fx", false),
        ("/p/x", "/p/admin%2Fx", false),
        ("/p/admin/**", "/p//admin/x", true),
        ("/p/*/admin/x", "/p//admin/x", true),
        ("/p//admin/**", "/p//admin/x", true),
        ("/p/*", "/p//x", true),
        ("/p/secret", "//p/secret", true),
        ("/p/secret", "//p/other", false),
        ("/p/100%25", "/p/100%25", true),
        ("/p/100*", "/p/100%25", true),
        ("/p/*", "/p/100%25", true),
        ("/p/200*", "/p/100%25", false),
    ] {
        let rules = policy(&format!("{allow}[[deny]]\nhost = \"a.test\"\ndo = [\"GET {deny}\"]\n"));
        let said = decide(&rules, &format!("GET https://a.test{path}"));
        let said = said.err().map(|refusal| refusal.code);
        assert_eq!(said, denied.then_some(Code::DeniedByRule), "{deny} {path}");
    }
}

/// Whatever a rule says, these paths are refused.
#[test]
fn no_rule_spells_a_way_up() {
    for path in [
        "/a%2F..%2Fb",
        "/a%252Fb",
        "/a%2F%2Fb",
        "/%2Fa",
        "/a/%2Fb",
        "/a%5Cb",
        "/a%2F%5C",
        "/a%00",
        "/a//..//b",
        "/a//%2e%2e",
        "/a%2F.",
        "/a%25%32%35",
        "/a%2F%0a",
    ] {
        RequestPattern::parse(&format!("GET {path}")).unwrap_err();
        Facts::parse("GET", &format!("https://a.test{path}")).unwrap_err();
    }
    // Each rule has one spelling.
    let error = RequestPattern::parse("GET /@scope%2fname").unwrap_err();
    assert_eq!(error, "/@scope%2fname is not in canonical form and would never match; write /@scope%2Fname");
}

/// The refusal suggests the line that spells the path out, and no other page.
#[test]
fn what_is_offered_spells_the_path() {
    let rules = policy("[[allow]]\nhost = \"a.test\"\naccess = \"read\"\ncredential = \"t\"\n");
    let refusal = decide(&rules, "GET https://a.test/@scope%2fname").unwrap_err();
    assert_eq!(refusal.code, Code::PathAmbiguous);
    assert!(refusal.why.contains("(%2F)"), "{}", refusal.why);
    let lines = ["[[allow]]", "host = \"a.test\"", "do = [\"GET /@scope%2Fname\"]", "credential = \"t\""];
    assert_eq!(refusal.lift, lines);
    let facts = |url: &str| (Facts::parse("GET", url).unwrap(), Some(Code::PathAmbiguous));
    let suggestion = policy_file::suggest(
        rules.at(Moment::FAR),
        &[facts("https://a.test/@scope%2Fname"), facts("https://a.test/x//y")],
    );
    assert_eq!((suggestion.requests, suggestion.beyond_rules), (2, 0));
    assert!(suggestion.toml.contains("\"GET /@scope%2Fname\"") && suggestion.toml.contains("\"GET /x//y\""));
    // A star in a logged path stands for a key.
    let suggestion = policy_file::suggest(rules.at(Moment::FAR), &[facts("https://b.test/bot*/a%2Ab!")]);
    assert!(suggestion.toml.contains("do = [\"GET /bot*/a%2Ab%21\"]"), "{}", suggestion.toml);
}

/// An escaped path does not evade the credential of the page that it may be.
#[test]
fn a_path_with_two_readings_takes_one_key() {
    let text = r#"
[[allow]]
host = "a.test"
do = ["GET /@scope%2F*"]
credential = "one"

[[allow]]
host = "a.test"
do = ["GET /@scope/*", "GET /a/**"]
credential = "two"

[[allow]]
host = "a.test"
do = ["GET /b%2F*", "GET /b/**"]
credential = "one"

[[allow]]
host = "a.test"
do = ["GET /c%2Fx", "GET /_method%2Fx;*"]
"#;
    check(
        text,
        &[
            ("GET https://a.test/@scope%2Fname", "credential_ambiguous"),
            ("GET https://a.test/@scope/name", "allow 7"),
            ("GET https://a.test/b%2Fx", "allow 12"),
            ("GET https://a.test/c%2Fx", "allow 17"),
            ("GET https://a.test/_method%2Fx;_method=DELETE", "method_denied"),
        ],
    );
}

/// Observing is not a rule, so it spells nothing out.
#[test]
fn what_is_observed_is_plain() {
    let rules = policy("mode = \"observe\"\nobserve_until = \"2026-12-01\"\n");
    let on = |url: &str| {
        let noon = Moment::new(Date::parse("2026-11-23").unwrap(), TimeOfDay::NOON);
        matches!(rules.at(noon).decide(Facts::parse("GET", url).unwrap()), Verdict::Allow(_))
    };
    assert!(on("https://new.test/a/b"));
    assert!(!on("https://new.test/a%2Fb") && !on("https://new.test/a//b") && !on("https://new.test/a%25"));
}
