//! What holds for every policy and every request.
#![allow(clippy::unwrap_used)]

use policies::{Facts, GroupName, Path, Policy, Source, Verdict};
use proptest::prelude::*;
use proptest::sample::select;

/// What a verdict says, without the line that said it.
#[derive(Debug, PartialEq)]
enum Said {
    Allow { credential: Option<String>, model: bool, home: bool },
    Deny { code: String, lift: Vec<String> },
    NoPolicy,
}

fn said(text: &str, facts: &Facts) -> Said {
    let group = GroupName::parse("family").unwrap();
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    let Ok(compiled) = Policy::compile(&group, &source, None) else { return Said::NoPolicy };
    match compiled.policy.decide(facts.clone()) {
        Verdict::Allow(permit) => {
            assert_eq!(permit.facts(), facts);
            Said::Allow {
                credential: permit.credential().map(|name| name.to_string()),
                model: permit.model(),
                home: permit.check_address("192.168.1.20:443".parse().unwrap()).is_ok(),
            }
        }
        Verdict::Deny(back, refusal) => {
            assert_eq!(&back, facts);
            Said::Deny { code: refusal.code.to_string(), lift: refusal.lift }
        }
    }
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

fn deny() -> impl Strategy<Value = String> {
    let host = select(vec!["a.x.test", "*.x.test", "**.test", "nas.home.test"]);
    let what = prop_oneof![
        Just(String::new()),
        Just("ports = [8443]\n".to_owned()),
        pattern().prop_map(|pattern| format!("do = [\"{pattern}\"]\n")),
    ];
    (host, what).prop_map(|(host, what)| format!("[[deny]]\nhost = \"{host}\"\n{what}\n"))
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![4 => allow(), 1 => deny()], 0..6)
}

/// The same rules, and the same rules in another order.
fn shuffled() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle()))
}

/// A denial's lift may name lines, which move; all else must not.
fn without_lines(said: Said) -> Said {
    match said {
        Said::Deny { code, lift } => {
            Said::Deny { code, lift: lift.into_iter().filter(|line| !line.starts_with('#')).collect() }
        }
        other => other,
    }
}

fn is_allow(said: &Said) -> bool {
    matches!(said, Said::Allow { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_never_matters((rules, other_order) in shuffled(), facts in request()) {
        let one = without_lines(said(&rules.concat(), &facts));
        let other = without_lines(said(&other_order.concat(), &facts));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_deny_never_allows_more(rules in rules(), deny in deny(), facts in request()) {
        let without = said(&rules.concat(), &facts);
        let with = said(&format!("{}{deny}", rules.concat()), &facts);
        prop_assert!(!is_allow(&with) || with == without, "{:?} became {:?}", without, with);
    }

    #[test]
    fn an_allow_never_denies_more(rules in rules(), allow in allow(), facts in request()) {
        let without = said(&rules.concat(), &facts);
        let with = said(&format!("{}{allow}", rules.concat()), &facts);
        let ambiguous = with == Said::NoPolicy
            || matches!(&with, Said::Deny { code, .. } if code == "credential_ambiguous");
        prop_assert!(!is_allow(&without) || is_allow(&with) || ambiguous, "{:?} became {:?}", without, with);
    }

    #[test]
    fn a_lift_really_lifts(rules in rules(), facts in request()) {
        let Said::Deny { code, lift } = said(&rules.concat(), &facts) else { return Ok(()) };
        if matches!(code.as_str(), "denied_by_rule" | "credential_ambiguous") {
            return Ok(());
        }
        let lifted = said(&format!("{}{}\n", rules.concat(), lift.join("\n")), &facts);
        prop_assert!(is_allow(&lifted), "{code}: {lift:?} gave {lifted:?}");
    }

    /// Lifts are exact: they open this request and no other of the same policy.
    #[test]
    fn a_lift_lifts_nothing_else(facts in request(), other in request()) {
        let Said::Deny { lift, .. } = said("", &facts) else { return Err(TestCaseError::fail("allowed by nothing")) };
        let same_page = |path: &str| path.replace("%2A", "*");
        let same = facts.authority == other.authority
            && facts.scheme == other.scheme
            && same_page(facts.path.as_str()) == same_page(other.path.as_str());
        prop_assert!(same || !is_allow(&said(&lift.join("\n"), &other)), "{lift:?}");
    }

    #[test]
    fn a_path_is_read_once(text in "/([a-cA-C./;*!~%]|%[0-9a-fA-F]{2}){0,12}") {
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(Path::parse(path.as_str()), Ok(path.clone()));
        }
    }

    #[test]
    fn no_text_breaks_the_compiler(text in "(\\[\\[(allow|deny|test|use)\\]\\]\n|(host|do|ports|private|query|request|want|access) = (\"[*.a/ :]{0,6}\"|\\[\"[*.a/ :]{0,6}\"\\]|[0-9]{1,6}|\\{ a = \"b\" \\})\n){0,8}") {
        let facts = Facts::parse("GET", "https://a.test/").unwrap();
        let with_credential = matches!(said(&text, &facts), Said::Allow { credential: Some(_), .. });
        prop_assert!(!with_credential);
    }
}
