//! What holds for every policy and every request.
#![allow(clippy::unwrap_used)]

use policies::{Date, Facts, GroupName, Moment, Path, Permit, Policy, PolicyAt, Scheme, TimeOfDay, Upgrade, Verdict};
use policy_file::{Manifest, Reach, Source};
use proptest::prelude::*;
use proptest::sample::select;

/// The content of a verdict, without the line that gave it.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Allow { credential: Option<String>, model: bool, home: bool, observed: bool, bodies: Vec<bool> },
    Ask { credential: Option<String> },
    Deny { code: String, lift: Vec<String> },
    NoPolicy,
}

/// Bodies that the conditions of the rules below distinguish.
pub(super) const BODIES: [&str; 6] =
    ["{}", r#"{"a":1}"#, r#"{"t":[{"k":"x"}]}"#, r#"{"t":[{"k":"yes"},{"k":"x"}]}"#, r#"{"t":7}"#, "no"];

fn said(text: &str, facts: &Facts) -> Said {
    said_on(text, facts, None)
}

pub(super) fn policy(text: &str) -> Option<Policy> {
    let group = GroupName::parse("family").unwrap();
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    policy_file::compile(&group, &source, None).ok().map(|compiled| compiled.policy)
}

fn said_on(text: &str, facts: &Facts, today: Option<Date>) -> Said {
    let Some(policy) = policy(text) else { return Said::NoPolicy };
    said_of(policy.at(today.map_or(Moment::FAR, |today| Moment::new(today, TimeOfDay::NOON))), facts)
}

pub(super) fn said_of(policy: PolicyAt<'_>, facts: &Facts) -> Said {
    match policy.decide(facts.clone()) {
        Verdict::Allow(permit) => {
            assert_eq!(permit.facts(), facts);
            Said::Allow {
                credential: permit.credential().map(|name| name.to_string()),
                model: permit.model(),
                home: permit.check_address("192.168.1.20:443".parse().unwrap()).is_ok(),
                observed: permit.observed(),
                bodies: BODIES.map(|body| takes(&permit, body)).to_vec(),
            }
        }
        Verdict::Ask(ask) => Said::Ask { credential: ask.terms().credential().map(|name| name.to_string()) },
        Verdict::Deny(back, refusal) => {
            assert_eq!(&back, facts);
            Said::Deny { code: refusal.code.to_string(), lift: refusal.lift }
        }
    }
}

fn takes(permit: &Permit, body: &str) -> bool {
    permit.body_conditions().is_none_or(|conditions| conditions.check(body.as_bytes()).is_ok())
}

/// Whether a request with this body, or through a tunnel, passes.
pub(super) fn passes(said: &Said, body: usize) -> bool {
    matches!(said, Said::Allow { bodies, .. } if bodies[body])
}

/// Few hosts and paths, so that rules and requests meet.
fn request() -> impl Strategy<Value = Facts> {
    let method = select(vec!["GET", "HEAD", "POST", "DELETE"]);
    let scheme = select(vec!["https", "https", "https", "http"]);
    let host = select(vec!["a.x.test", "b.a.x.test", "x.test", "nas.home.test", "203.0.113.7", "[fd00::1]"]);
    let port = select(vec!["", "", "", ":8443"]);
    let path = select(vec![
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/A/b;c",
        "/a*b",
        "/a%2Ab",
        "/a!b",
        "/%61/b",
        "/caf%c3%a9",
        "/$&'()+,;=:@",
    ]);
    let query = select(vec!["", "", "", "?", "?q=1", "?_method=PUT", "?service=read"]);
    (method, scheme, host, port, path, query).prop_map(|(method, scheme, host, port, path, query)| {
        Facts::parse(method, &format!("{scheme}://{host}{port}{path}{query}")).unwrap()
    })
}

/// The same, sometimes with an upgrade.
pub(super) fn any_request() -> impl Strategy<Value = Facts> {
    (request(), any::<bool>()).prop_map(|(facts, live)| Facts { upgrade: live.then_some(Upgrade::WebSocket), ..facts })
}

fn json() -> impl Strategy<Value = &'static str> {
    select(vec![
        "json = { a = \"absent\" }\n",
        "json = { a = \"present\" }\n",
        "json = { \"t[*].k\" = { not = [\"y*\"] } }\n",
        "json = { \"t[*].k\" = { only = [\"x\"] } }\n",
        "json = { \"t[*].k\" = { any = [\"x\"] }, a = \"absent\" }\n",
    ])
}

fn pattern() -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "POST", "DELETE", "*"]);
    let path = select(vec!["/", "/a", "/a/", "/a/*", "/a/**", "/**", "/**/b", "/a*", "/a%2Ab", "/*/b", "/**/*"]);
    (method, path).prop_map(|(method, path)| format!("{method} {path}"))
}

fn allow() -> impl Strategy<Value = String> {
    let host = select(vec!["a.x.test", "*.x.test", "**.x.test", "x.test", "nas.home.test", "203.0.113.7"]);
    let extra = select(vec![
        "",
        "",
        "model = true\n",
        "credential = \"one\"\n",
        "credential = \"two\"\n",
        "ports = [443, 8443]\n",
        "scheme = \"http\"\n",
        "query = { service = \"read\" }\n",
        "websocket = true\n",
        "json = { a = \"absent\" }\n",
        "json = { \"t[*].k\" = { not = [\"y*\"] } }\nmodel = true\n",
        "json = { \"t[*].k\" = { only = [\"x\"] } }\ncredential = \"one\"\n",
    ]);
    let what = prop_oneof![
        Just("access = \"read\"".to_owned()),
        prop::collection::vec(pattern(), 1..3).prop_map(|patterns| format!("do = {patterns:?}")),
    ];
    (host, what, extra, any::<bool>()).prop_map(|(host, what, extra, home)| {
        let private = if home && host == "nas.home.test" { "private = [\"192.168.1.20/32\"]\n" } else { "" };
        format!("[[allow]]\nhost = \"{host}\"\n{what}\n{extra}{private}\n")
    })
}

fn tunnel() -> impl Strategy<Value = String> {
    let host = select(vec!["a.x.test", "*.x.test", "nas.home.test"]);
    let extra = select(vec!["", "ports = [443, 8443]\n"]);
    (host, extra).prop_map(|(host, extra)| format!("[[allow]]\nhost = \"{host}\"\ntls = \"tunnel\"\n{extra}\n"))
}

fn deny() -> impl Strategy<Value = String> {
    let host = select(vec!["a.x.test", "*.x.test", "**.test", "nas.home.test"]);
    let what = prop_oneof![
        Just(String::new()),
        Just("ports = [8443]\n".to_owned()),
        pattern().prop_map(|pattern| format!("do = [\"{pattern}\"]\n")),
    ];
    let json = prop_oneof![Just(""), json()];
    (host, what, json).prop_map(|(host, what, json)| format!("[[deny]]\nhost = \"{host}\"\n{what}{json}\n"))
}

pub(super) fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![6 => allow(), 1 => tunnel(), 2 => deny()], 0..6)
}

/// The same rules in two orders.
fn shuffled() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle()))
}

/// The lift of a denial may name lines, which move; everything else must stay.
fn without_lines(said: Said) -> Said {
    match said {
        Said::Deny { code, lift } => {
            Said::Deny { code, lift: lift.into_iter().filter(|line| !line.starts_with('#')).collect() }
        }
        other => other,
    }
}

/// A policy file with the content of the manifest.
fn as_told(manifest: &Manifest) -> String {
    let rule = |table: &str, reach: &Reach| {
        let mut text = format!("[[{table}]]\nhost = \"{}\"\n", reach.host);
        if !reach.ports.is_empty() {
            text += &format!("ports = {:?}\n", reach.ports);
        }
        match &reach.requests[..] {
            [] => text += "tls = \"tunnel\"\n",
            [read] if read.starts_with("GET, HEAD, OPTIONS ") => text += "access = \"read\"\n",
            requests => text += &format!("do = {requests:?}\n"),
        }
        if reach.scheme == Some("http") {
            text += "scheme = \"http\"\n";
        }
        if let Some((key, value)) = reach.query.as_deref().and_then(|query| query.split_once('=')) {
            text += &format!("query = {{ {key} = \"{value}\" }}\n");
        }
        text += if reach.websocket { "websocket = true\n" } else { "" };
        text + if reach.with_credential { "credential = \"one\"\n" } else { "" }
    };
    let allowed = manifest.allowed.iter().map(|reach| rule("allow", reach));
    allowed.chain(manifest.denied.iter().map(|reach| rule("deny", reach))).collect()
}

fn is_allow(said: &Said) -> bool {
    matches!(said, Said::Allow { .. })
}

const OBSERVE: &str = "mode = \"observe\"\nobserve_until = \"2026-12-01\"\n";

fn today() -> Date {
    Date::parse("2026-11-23").unwrap()
}

/// Two rules that miss a request in the same way: found by `order_never_matters`.
#[test]
fn what_is_advised_does_not_hang_on_the_order_of_rules() {
    let rules = ["credential = \"two\"", "query = { service = \"read\" }"]
        .map(|line| format!("[[allow]]\nhost = \"a.x.test\"\ndo = [\"* /a*\"]\n{line}\n\n"));
    let facts = Facts::parse("GET", "https://a.x.test/a/").unwrap();
    let one = without_lines(said(&rules.concat(), &facts));
    let [first, second] = rules;
    assert_eq!(one, without_lines(said(&format!("{second}{first}"), &facts)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_never_matters((rules, other_order) in shuffled(), facts in any_request()) {
        let one = without_lines(said(&rules.concat(), &facts));
        let other = without_lines(said(&other_order.concat(), &facts));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_deny_never_allows_more(rules in rules(), deny in deny(), facts in any_request(), observing in any::<bool>()) {
        let mode = if observing { OBSERVE } else { "" };
        let day = observing.then_some(today());
        let without = said_on(&format!("{mode}{}", rules.concat()), &facts, day);
        let with = said_on(&format!("{mode}{}{deny}", rules.concat()), &facts, day);
        prop_assert!(!is_allow(&with) || is_allow(&without), "{:?} became {:?}", without, with);
        for body in 0..BODIES.len() {
            prop_assert!(!passes(&with, body) || passes(&without, body), "{}: {:?} became {:?}", body, without, with);
        }
        if let (Said::Allow { credential, model, home, observed, .. }, Said::Allow { credential: c, model: m, home: h, observed: o, .. }) = (&without, &with) {
            prop_assert_eq!((credential, model, home, observed), (c, m, h, o));
        }
    }

    /// A deny for a port keeps its host from passing unopened.
    #[test]
    fn a_deny_never_opens_a_tunnel(rules in rules(), deny in deny(), facts in request()) {
        let tunnelled = |text: String| policy(&text).is_some_and(|policy| policy.at(Moment::FAR).decide_tunnel(&facts.authority).is_some());
        let with = tunnelled(format!("{}{deny}", rules.concat()));
        prop_assert!(!with || tunnelled(rules.concat()));
        let judged = said(&format!("{}{deny}", rules.concat()), &facts);
        let refused = matches!(&judged, Said::Deny { code, .. } if code == "denied_by_rule");
        prop_assert!(!(with && refused && facts.scheme == Scheme::Https), "a tunnel leads past a deny");
        let with_credential = matches!(&judged, Said::Allow { credential: Some(_), .. });
        prop_assert!(!(with && with_credential && facts.scheme == Scheme::Https), "a tunnel leads past a credential");
    }

    /// Observing changes only the case "no rule names it", and gives nothing but permission.
    #[test]
    fn observing_relaxes_one_thing(rules in rules(), facts in any_request()) {
        let text = format!("{OBSERVE}{}", rules.concat());
        let enforced = said(&text, &facts);
        let watched = said_on(&text, &facts, Some(today()));
        let after = said_on(&text, &facts, Date::parse("2026-12-02"));
        prop_assert_eq!(&after, &enforced);
        match (&enforced, &watched) {
            (Said::Deny { code, .. }, Said::Allow { credential, model, home, observed, .. }) => {
                prop_assert_eq!(code, "not_allowed");
                prop_assert_eq!((credential, *model, *home, *observed), (&None, false, false, true));
                prop_assert!(facts.upgrade.is_none());
            }
            _ => prop_assert_eq!(&watched, &enforced),
        }
    }

    #[test]
    fn an_allow_never_denies_more(rules in rules(), allow in allow(), facts in any_request()) {
        let without = said(&rules.concat(), &facts);
        let with = said(&format!("{}{allow}", rules.concat()), &facts);
        let ambiguous = with == Said::NoPolicy
            || matches!(&with, Said::Deny { code, .. } if code == "credential_ambiguous");
        prop_assert!(!is_allow(&without) || is_allow(&with) || ambiguous, "{:?} became {:?}", without, with);
    }

    #[test]
    fn a_lift_really_lifts(rules in rules(), facts in any_request()) {
        let Said::Deny { code, lift } = said(&rules.concat(), &facts) else { return Ok(()) };
        let no_get = facts.upgrade.is_some() && facts.method.as_str() != "GET";
        if matches!(code.as_str(), "denied_by_rule" | "credential_ambiguous") || no_get {
            return Ok(());
        }
        if lift.iter().all(|line| line.starts_with('#')) {
            // A query that must not be written into a line: the rule that wants another one is
            // named.
            prop_assert!(lift.iter().any(|line| line.contains("query")) && facts.query.is_some(), "{lift:?}");
            return Ok(());
        }
        let lifted = said(&format!("{}{}\n", rules.concat(), lift.join("\n")), &facts);
        prop_assert!(is_allow(&lifted), "{code}: {lift:?} gave {lifted:?}");
    }

    /// Lifts are exact: they open this request and no other under the same policy.
    #[test]
    fn a_lift_lifts_nothing_else(facts in request(), other in request()) {
        let Said::Deny { lift, .. } = said("", &facts) else { return Err(TestCaseError::fail("allowed by nothing")) };
        let same_page = |path: &str| path.replace("%2A", "*");
        let same = facts.authority == other.authority
            && facts.scheme == other.scheme
            && same_page(facts.path.as_str()) == same_page(other.path.as_str());
        prop_assert!(same || !is_allow(&said(&lift.join("\n"), &other)), "{lift:?}");
    }

    /// A policy made from the manifest allows what the policy itself allows.
    #[test]
    fn the_manifest_agrees_with_the_verdict(rules in rules(), facts in any_request()) {
        let rules: String = rules.into_iter().filter(|rule| !rule.contains("json")).collect();
        let told = policy(&rules).map(|policy| as_told(&policy_file::manifest(&policy))).unwrap_or_default();
        let (own, other) = (said(&rules, &facts), said(&told, &facts));
        if matches!(&own, Said::NoPolicy) || matches!(&own, Said::Deny { code, .. } if code == "credential_ambiguous") {
            return Ok(());
        }
        prop_assert_eq!(is_allow(&own), is_allow(&other), "{}", told);
        if let (Said::Allow { credential: own, .. }, Said::Allow { credential: other, .. }) = (own, other) {
            prop_assert_eq!(own.is_some(), other.is_some());
        }
        let tunnelled = |text: &str| policy(text).is_some_and(|policy| policy.at(Moment::FAR).decide_tunnel(&facts.authority).is_some());
        prop_assert_eq!(tunnelled(&rules), tunnelled(&told));
    }

    /// A suggestion allows every request that it is for, and no other.
    #[test]
    fn suggestions_allow_exactly_what_was_asked(
        rules in rules(),
        asked in prop::collection::vec(any_request(), 1..5),
        other in any_request(),
    ) {
        let rules = rules.concat();
        let Some(own) = policy(&rules) else { return Ok(()) };
        // As the log has it: there a star stands for a key that was withheld, and one of the request's own is `%2A`.
        let logged = |facts: &Facts| Facts { path: facts.path.spelt(), ..facts.clone() };
        let refused = |facts: &Facts| match own.at(Moment::FAR).decide(logged(facts)) {
            Verdict::Allow(_) | Verdict::Ask(_) => None,
            Verdict::Deny(facts, refusal) => Some((facts, Some(refusal.code))),
        };
        let log: Vec<_> = asked.iter().filter_map(refused).collect();
        let suggestion = policy_file::suggest(own.at(Moment::FAR), &log);
        let widened = format!("{rules}\n{}", suggestion.toml);
        let lifted = log.iter().filter(|(facts, _)| is_allow(&said(&widened, facts))).count();
        prop_assert!(lifted + suggestion.denied.len() + suggestion.beyond_rules >= 1 || log.is_empty());
        prop_assert!(lifted >= suggestion.requests.min(1) && suggestion.toml.is_empty() == (suggestion.requests == 0));
        let left = policy(&widened).map(|policy| policy_file::suggest(policy.at(Moment::FAR), &log));
        prop_assert_eq!(left.map(|left| left.toml), Some(String::new()), "{}", widened);
        let page = |facts: &Facts| (facts.authority.clone(), facts.scheme, facts.path.as_str().replace("%2A", "*").replace("%21", "!"));
        if log.iter().all(|(facts, _)| page(facts) != page(&other)) {
            prop_assert_eq!(is_allow(&said(&widened, &other)), is_allow(&said(&rules, &other)), "{}", suggestion.toml);
        }
    }

    #[test]
    fn a_path_is_read_once(text in "/([a-cA-C./;*!~%]|%[0-9a-fA-F]{2}){0,12}") {
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(Path::parse(path.as_str()), Ok(path.clone()));
        }
    }

    /// No body breaks the check, and two checks agree.
    #[test]
    fn no_body_breaks_the_check(json in json(), body in r#"[\[\]{}:,"atkxy01\\ ]{0,24}"#) {
        let text = format!("[[allow]]\nhost = \"a.x.test\"\ndo = [\"POST /\"]\n{json}");
        let Some(policy) = policy(&text) else { return Err(TestCaseError::fail("no policy")) };
        let facts = Facts::parse("POST", "https://a.x.test/").unwrap();
        let Verdict::Allow(permit) = policy.at(Moment::FAR).decide(facts) else { return Err(TestCaseError::fail("denied")) };
        let once = takes(&permit, &body);
        prop_assert_eq!(once, takes(&permit, &body));
        prop_assert!(!once || !body.is_empty());
    }

    #[test]
    fn no_text_breaks_the_compiler(text in "(\\[\\[(allow|deny|test|use)\\]\\]\n|(host|do|ports|private|query|request|want|access|tls|json|mode|websocket|observe_until) = (\"[*.a/ :]{0,6}\"|\\[\"[*.a/ :]{0,6}\"\\]|[0-9]{1,6}|\\{ a = \"b\" \\})\n){0,8}") {
        let facts = Facts::parse("GET", "https://a.test/").unwrap();
        let with_credential = matches!(said(&text, &facts), Said::Allow { credential: Some(_), .. });
        prop_assert!(!with_credential);
    }
}
