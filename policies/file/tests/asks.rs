//! The third verdict: deny beats ask beats allow, a yes covers exactly its request, and what can
//! never be asked is refused whatever was answered.
#![allow(clippy::unwrap_used)]

use policies::{
    ASKED_AT_MOST, Ask, AskedBy, Authority, BodyConditions, BodyHash, Code, Facts, Grant, GrantId, HeadHash, Moment,
    Permit, Policy, Unfit, Verdict,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::properties::{any_request, policy as compiled};
use super::words::{facts, policy};

/// The outcome of a request with this body, given these yeses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Goes(Option<GrantId>),
    Asks,
    Refused(Code),
}

fn fate(policy: &Policy, facts: &Facts, body: &[u8], grants: &[Grant]) -> Fate {
    let by_body =
        |conditions: Option<&BodyConditions>| conditions.map_or(Ok(None), |conditions| conditions.check(body));
    match policy.at(Moment::FAR).with_grants(grants).decide(facts.clone()) {
        Verdict::Allow(permit) => match by_body(permit.body_conditions()) {
            Ok(grant) => Fate::Goes(grant),
            Err(Unfit::Asks(_)) => Fate::Asks,
            Err(Unfit::Refused(refusal)) => Fate::Refused(refusal.code),
        },
        Verdict::Ask(ask) => match by_body(ask.terms().body_conditions()) {
            Ok(grant) => panic!("{facts:?} is asked about, and goes by {grant:?}"),
            Err(Unfit::Asks(_)) => Fate::Asks,
            Err(Unfit::Refused(refusal)) => Fate::Refused(refusal.code),
        },
        Verdict::Deny(_, refusal) => Fate::Refused(refusal.code),
    }
}

fn asked(policy: &Policy, request: &str) -> Ask {
    match policy.at(Moment::FAR).decide(facts(request)) {
        Verdict::Ask(ask) => ask,
        other => panic!("{request}: {other:?}"),
    }
}

fn permit(policy: &Policy, request: &str, grants: &[Grant]) -> Permit {
    match policy.at(Moment::FAR).with_grants(grants).decide(facts(request)) {
        Verdict::Allow(permit) => permit,
        other => panic!("{request}: {other:?}"),
    }
}

const ISSUES: &str = "[[allow]]\nhost = \"api.test\"\ndo = [\"* /**\"]\ncredential = \"key\"\n\n\
                      [[ask]]\nhost = \"api.test\"\ndo = [\"POST /notes\", \"GET /gists\"]\nwhy = \"strangers read it\"\n\n\
                      [[deny]]\nhost = \"api.test\"\ndo = [\"* /gists/secret\"]\n";

#[test]
fn deny_beats_ask_beats_allow() {
    let policy = policy(ISSUES);
    let of = |request: &str| fate(&policy, &facts(request), b"{}", &[]);
    assert_eq!(of("PUT https://api.test/notes"), Fate::Goes(None));
    assert_eq!(of("POST https://api.test/gists/secret"), Fate::Refused(Code::DeniedByRule));
    for request in ["POST https://api.test/notes", "POST https://api.test/notes?a=1", "GET https://api.test/gists"] {
        assert_eq!(of(request), Fate::Asks, "{request}");
    }
    // Matched as widely as a denial.
    for request in [
        "POST https://api.test/Notes",
        "POST https://api.test/notes/",
        "POST https://api.test/notes;v=1",
        "HEAD https://api.test/gists",
    ] {
        assert_eq!(of(request), Fate::Asks, "{request}");
    }
    let ask = asked(&policy, "POST https://api.test/notes");
    assert_eq!((ask.terms().credential().map(|name| &**name), ask.by().at.line), (Some("key"), 6));
    let (_, refusal) = ask.into_refusal();
    assert_eq!(
        (refusal.code, refusal.lift),
        (Code::AskUnanswered, vec!["# remove the [[ask]] at policies/family.toml:6".to_owned()])
    );
    assert_eq!(refusal.why, "the owner is asked about this first (strangers read it), and has not said yes");
}

/// A `once` covers one body, an `answer` any short body, and neither covers anything else.
#[test]
fn a_yes_is_for_its_very_request() {
    let policy = policy(ISSUES);
    let ask = asked(&policy, "POST https://api.test/notes?a=1");
    let grants = [ask.once(GrantId(1), b"one"), ask.answer(GrantId(2))];
    let of = |grants: &[Grant], request: &str, body: &[u8]| fate(&policy, &facts(request), body, grants);
    let same = "POST https://api.test/notes?a=1";
    assert_eq!(of(&grants[..1], same, b"one"), Fate::Goes(Some(GrantId(1))));
    assert_eq!(of(&grants[..1], same, b"other"), Fate::Asks);
    assert_eq!(of(&grants, same, b"one"), Fate::Goes(Some(GrantId(1))), "the one for this body is used first");
    assert_eq!(of(&grants, same, b"other"), Fate::Goes(Some(GrantId(2))));
    let long = vec![b'x'; usize::try_from(ASKED_AT_MOST).unwrap() + 1];
    assert_eq!(of(&grants, same, &long), Fate::Refused(Code::AskTooLarge));
    for other in [
        "POST https://api.test/notes",
        "POST https://api.test/notes?a=2",
        "POST https://api.test/notes?",
        "POST https://api.test/notes/?a=1",
        "POST https://api.test/Notes?a=1",
    ] {
        assert_eq!(of(&grants, other, b"one"), Fate::Asks, "{other}");
    }
    assert!(permit(&policy, same, &grants).body_conditions().is_some_and(|conditions| !conditions.look_inside()));
    let work = policies::GroupName::parse("work").unwrap();
    let foreign = policies::Fingerprint::of(&work, &facts(same), Some("key"), HeadHash::default());
    let foreign = Grant::kept(GrantId(3), foreign, policies::Granted::Once(BodyHash::of(b"one")));
    assert_eq!(of(&[foreign], same, b"one"), Fate::Asks);
    let no_key = compiled(&ISSUES.replace("credential = \"key\"\n", "")).unwrap();
    assert_eq!(fate(&no_key, &facts(same), b"one", &grants), Fate::Asks, "it was asked about with another credential");
}

/// A request in flight under a yes goes on only as long as the rules would still ask about it, or
/// allow it.
#[test]
fn a_tightened_policy_ends_what_a_yes_began() {
    let asks = "[[ask]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\n";
    let request = "POST https://api.test/notes";
    let begun = |text: &str| {
        let policy = policy(text);
        let grant = asked(&policy, request).once(GrantId(1), b"one");
        permit(&policy, request, &[grant])
    };
    let kept = |text: &str| policy(text).at(Moment::FAR).upholds(&begun(asks), None).map_err(|refusal| refusal.code);
    assert_eq!(kept(asks), Ok(()));
    assert_eq!(kept("[[allow]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\n"), Ok(()));
    assert_eq!(kept(""), Err(Code::Revoked));
    assert_eq!(kept(&(asks.to_owned() + "[[deny]]\nhost = \"api.test\"\n")), Err(Code::Revoked));
    assert_eq!(kept(&(asks.to_owned() + "json = { a = \"present\" }\n")), Err(Code::Revoked));
    let allows = "[[allow]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\n";
    let allowed = permit(&policy(allows), request, &[]);
    let now = policy(&format!("{allows}{asks}"));
    assert_eq!(
        now.at(Moment::FAR).upholds(&allowed, None).unwrap_err().code,
        Code::Revoked,
        "it would be asked about now"
    );
}

/// If an ask looks into the body, only matching requests are asked about, and those it cannot
/// evaluate.
#[test]
fn the_body_may_decide_whether_there_is_a_question() {
    let text = "[[allow]]\nhost = \"mail.test\"\ndo = [\"POST /send\"]\n\n\
                [[ask]]\nhost = \"mail.test\"\ndo = [\"POST /send\"]\njson = { to = { not = [\"*@home.test\"] } }\n";
    let both = policy(text);
    let request = facts("POST https://mail.test/send");
    let of = |body: &str| fate(&both, &request, body.as_bytes(), &[]);
    assert_eq!(of(r#"{"to":"me@home.test"}"#), Fate::Goes(None));
    assert_eq!(of(r#"{"to":"you@away.test"}"#), Fate::Asks);
    assert_eq!(of(r#"{"to":["me@home.test"]}"#), Fate::Asks, "it cannot be told");
    assert_eq!(of(r#"{"to":"me@home.test","to":"you@away.test"}"#), Fate::Refused(Code::BodyUnreadable));
    let long = format!(r#"{{"to":"me@home.test","x":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(of(&long), Fate::Goes(None));
    assert_eq!(of(&long.replace("home.test", "away.test")), Fate::Refused(Code::AskTooLarge));
    let alone = policy(text.split_once("\n\n").unwrap().1);
    let of = |body: &str| fate(&alone, &request, body.as_bytes(), &[]);
    assert_eq!(of(r#"{"to":"me@home.test"}"#), Fate::Refused(Code::BodyCondition));
    assert_eq!(of(r#"{"to":"you@away.test"}"#), Fate::Asks);
    assert_eq!(of(r#"{"to":["x"]}"#), Fate::Refused(Code::BodyCondition), "an ask opens only what it can tell");
}

/// A permanent yes.
#[test]
fn what_is_asked_about_is_not_observed() {
    let observe = "mode = \"observe\"\nobserve_until = \"9999-12-31\"\n\n";
    let ask = "[[ask]]\nhost = \"**.amazonaws.com\"\ndo = [\"* /**\"]\nwhy = \"it costs money\"\n";
    let stranger = facts("GET https://bucket.s3.amazonaws.com/x");
    assert_eq!(fate(&policy(observe), &stranger, b"", &[]), Fate::Goes(None));
    assert_eq!(fate(&policy(&format!("{observe}{ask}")), &stranger, b"", &[]), Fate::Refused(Code::NotAllowed));
}

/// Whatever opens a request, an ask holds back all that a denial in the same words forbids.
#[test]
fn an_ask_binds_what_a_denial_forbids() {
    let allow = |host: &str, more: &str| format!("[[allow]]\nhost = \"{host}\"\n{more}\n\n");
    let everything = "do = [\"* /**\"]";
    let bases = [
        "mode = \"observe\"\nobserve_until = \"9999-12-31\"\n\n".to_owned(),
        allow("bucket.s3.amazonaws.com", everything) + &allow("x.a.test", everything),
        allow("*.s3.amazonaws.com", everything) + &allow("**.a.test", everything),
        allow("bucket.s3.amazonaws.com", "tls = \"tunnel\"") + &allow("x.a.test", "tls = \"tunnel\""),
    ];
    let (mut held, mut opened) = (0, 0);
    for base in bases.iter().filter_map(|base| compiled(base).map(|_| base)) {
        for host in ["**.amazonaws.com", "*.s3.amazonaws.com", "bucket.s3.amazonaws.com", "**.a.test", "*.a.test"] {
            for does in ["* /**", "POST /x", "GET /x/*"] {
                let rule = |kind: &str| format!("{base}[[{kind}]]\nhost = \"{host}\"\ndo = [\"{does}\"]\n");
                let Some((ask, deny)) = compiled(&rule("ask")).zip(compiled(&rule("deny"))) else { continue };
                for on in ["bucket.s3.amazonaws.com", "s3.amazonaws.com", "x.a.test", "y.x.a.test"] {
                    for (method, path) in [("GET", "/x/y"), ("POST", "/x"), ("HEAD", "/X/y/"), ("PUT", "/z?a=b")] {
                        let request = facts(&format!("{method} https://{on}{path}"));
                        if fate(&deny, &request, b"", &[]) == Fate::Refused(Code::DeniedByRule) {
                            let asked = fate(&ask, &request, b"", &[]);
                            assert!(!matches!(asked, Fate::Goes(_)), "{request:?} goes by {}", rule("ask"));
                            held += 1;
                        }
                    }
                    let authority = Authority::parse(on, Some(443)).unwrap();
                    let tunnel = |policy: &Policy| policy.at(Moment::FAR).decide_tunnel(&authority).is_some();
                    if tunnel(&compiled(base).unwrap()) && !tunnel(&deny) {
                        assert!(!tunnel(&ask), "a tunnel to {on} goes by {}", rule("ask"));
                        opened += 1;
                    }
                }
            }
        }
    }
    assert!(held > 50 && opened > 5, "{held} requests and {opened} tunnels are too few to show anything");
}

#[test]
fn who_is_unasked_without_a_key_lets_nothing_go_with_it() {
    let keyed = "[[ask]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\nquery = {}\ncredential = \"key\"\n\
                 json = { a = { any = [\"x\"] } }\n";
    let keyless = "\n[[allow]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\nunasked = true\n";
    let policy = policy(&format!("{keyed}{keyless}"));
    let request = facts("POST https://api.test/notes");
    assert_eq!(fate(&policy, &request, b"{\"a\":\"x\"}", &[]), Fate::Asks);
    assert_eq!(fate(&policy, &request, b"{\"a\":\"y\"}", &[]), Fate::Refused(Code::BodyCondition));
    assert_eq!(fate(&policy, &request, b"", &[]), Fate::Refused(Code::BodyUnreadable));
    // Nor does it take a question off a request that another rule gives the key.
    let asks = keyed.replace("json = { a = { any = [\"x\"] } }\n", "");
    let allows = asks.replace("ask", "allow");
    let keyless_ask = asks.replace("credential = \"key\"\n", "");
    for (text, fated) in [
        (format!("{asks}{keyless}"), Fate::Asks),
        (format!("{asks}{keyless}credential = \"key\"\n"), Fate::Goes(None)),
        (format!("{keyless_ask}{keyless}"), Fate::Goes(None)),
        (format!("{keyless_ask}\n{allows}{keyless}"), Fate::Asks),
        (format!("{keyless_ask}\n{allows}{keyless}credential = \"key\"\n"), Fate::Goes(None)),
    ] {
        assert_eq!(fate(&self::policy(&text), &request, b"{}", &[]), fated, "{text}");
    }
}

#[test]
fn what_is_unasked_goes_without_a_question_and_not_past_a_denial() {
    let unasked =
        "\n[[allow]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\nquery = {}\ncredential = \"key\"\nunasked = true\n";
    let of = |policy: &Policy, request: &str| fate(policy, &facts(request), b"{}", &[]);
    let with = policy(&format!("{ISSUES}{unasked}"));
    assert_eq!(of(&with, "POST https://api.test/notes"), Fate::Goes(None));
    for request in ["POST https://api.test/notes?a=1", "POST https://api.test/Notes", "GET https://api.test/gists"] {
        assert_eq!(of(&with, request), Fate::Asks, "{request}");
    }
    let closed = policy(&format!("{ISSUES}{unasked}\n[[deny]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\n"));
    assert_eq!(of(&closed, "POST https://api.test/notes"), Fate::Refused(Code::DeniedByRule));
    let by_body = unasked.replace("unasked", "json = { a = { any = [\"x\"] } }\nunasked");
    let by_body = policy(&format!("{ISSUES}{by_body}"));
    let request = facts("POST https://api.test/notes");
    assert_eq!(fate(&by_body, &request, br#"{"a":"x"}"#, &[]), Fate::Goes(None));
    assert_eq!(fate(&by_body, &request, br#"{"a":"y"}"#, &[]), Fate::Asks);
}

/// What no question may be about, each with an invented yes.
#[test]
fn what_can_never_be_asked_is_refused() {
    let text = "[[allow]]\nhost = \"api.test\"\ndo = [\"* /**\", \"PUT /@a%2Fb\"]\nwebsocket = true\n\n\
                [[ask]]\nhost = \"api.test\"\ndo = [\"* /**\"]\n\n\
                [[ask]]\nunlisted = true\n\n[[deny]]\nhost = \"evil.test\"\n";
    let policy = policy(text);
    for (request, code) in [
        ("GET wss://api.test/live", Code::UpgradeDenied),
        ("PUT https://api.test/@a%2Fb", Code::PathAmbiguous),
        ("POST https://api.test/x?_method=DELETE", Code::MethodDenied),
        ("GET https://api.test/graphql?query=mutation%7Bx%7D", Code::MethodDenied),
        ("GET https://evil.test/", Code::DeniedByRule),
        ("GET https://203.0.113.7/", Code::IpLiteral),
        ("GET https://[fd00::1]/", Code::IpLiteral),
        ("GET http://127.0.0.1/", Code::IpLiteral),
        ("GET https://other.test:8443/", Code::NotAllowed),
        ("GET wss://other.test/", Code::NotAllowed),
        ("GET https://other.test/a%2Fb", Code::PathAmbiguous),
        ("GET https://other.test/?_method=PUT", Code::NotAllowed),
        ("GET https://dns.test/dns-query?dns=AAAA", Code::Unsupported),
        ("GET http://doorward.internal/", Code::SelfTarget),
    ] {
        let facts = facts(request);
        let what = policies::Fingerprint::of(policy.group(), &facts, None, HeadHash::default());
        let yes = [
            Grant::kept(GrantId(1), what, policies::Granted::Once(BodyHash::of(b""))),
            Grant::kept(GrantId(2), what, policies::Granted::Answer(policies::Bounds::OF_AN_ANSWER)),
        ];
        assert_eq!(fate(&policy, &facts, b"", &yes), Fate::Refused(code), "{request}");
    }
    for request in ["GET https://other.test/", "POST http://other.test/x?y=1"] {
        assert_eq!(fate(&policy, &facts(request), b"", &[]), Fate::Asks, "{request}");
    }
    // A yes does not reach a private address: nobody was asked about one.
    let ask = asked(&policy, "GET https://other.test/");
    let permit = permit(&policy, "GET https://other.test/", &[ask.once(GrantId(1), b"")]);
    assert_eq!(permit.check_address("192.168.1.20:443".parse().unwrap()).unwrap_err().code, Code::ResolvedPrivate);
    assert_eq!(
        (permit.credential(), permit.private().len(), permit.model(), permit.by_wildcard()),
        (None, 0, false, true)
    );
}

/// An ask needs to look inside, as a deny does.
#[test]
fn an_ask_wants_a_tunnel_opened() {
    let tunnel = "[[allow]]\nhost = \"a.test\"\ntls = \"tunnel\"\n";
    let ask = "[[ask]]\nhost = \"*.test\"\ndo = [\"POST /x\"]\nhours = \"01:00-02:00\"\n";
    let authority = Authority::parse("a.test:443", None).unwrap();
    assert!(policy(tunnel).at(Moment::FAR).decide_tunnel(&authority).is_some());
    assert!(
        compiled(&format!("{tunnel}{}", ask.replace("*.test", "a.test")))
            .unwrap()
            .at(Moment::FAR)
            .decide_tunnel(&authority)
            .is_none()
    );
}

#[test]
fn quiet_and_hold_go_with_the_question() {
    let policy = policy("[ask]\nunlisted = true\nhold = \"20s\"\nquiet = [\"11:00-13:00\"]\n");
    let ask = asked(&policy, "GET https://a.test/");
    let AskedBy { hold, quiet, lift, .. } = &**ask.by();
    assert_eq!((*hold, *quiet), (20, true));
    assert_eq!(lift.join(" "), "[[allow]] host = \"a.test\" do = [\"GET /\"]");
}

fn request_line() -> impl Strategy<Value = &'static str> {
    select(vec!["* /**", "GET /a", "POST /a/*", "* /a/**", "DELETE /", "POST /a"])
}

fn block() -> impl Strategy<Value = String> {
    let header = select(vec!["allow", "allow", "ask", "ask", "deny"]);
    let host = select(vec!["a.x.test", "*.x.test", "x.test", "**.x.test"]);
    let json = select(vec!["", "", "json = { a = \"present\" }\n", "json = { \"t[*].k\" = { any = [\"x\"] } }\n"]);
    (header, host, request_line(), json).prop_map(|(header, host, request, json)| {
        format!("[[{header}]]\nhost = \"{host}\"\ndo = [\"{request}\"]\n{json}\n")
    })
}

const BODIES: [&[u8]; 4] = [b"", b"{}", br#"{"a":1}"#, br#"{"t":[{"k":"x"}]}"#];

fn rules(blocks: &[String], headers: &[&str]) -> String {
    blocks.iter().filter(|block| headers.iter().any(|header| block.starts_with(header))).map(String::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Order changes nothing; what denials refuse without asks they also refuse with them; and an ask
    /// takes from allows only what it asks about.
    #[test]
    fn deny_ask_allow_in_any_order(
        blocks in prop::collection::vec(block(), 1..6),
        shuffled in any::<prop::sample::Index>(),
        facts in any_request(),
        body in select(BODIES.to_vec()),
    ) {
        let policy = compiled(&blocks.concat()).unwrap();
        let whole = fate(&policy, &facts, body, &[]);
        let mut other = blocks.clone();
        other.rotate_left(shuffled.index(blocks.len()));
        other.reverse();
        prop_assert_eq!(&fate(&compiled(&other.concat()).unwrap(), &facts, body, &[]), &whole);
        let open = rules(&blocks, &["[[allow]]", "[[deny]]"]);
        let without_asks = fate(&compiled(&open).unwrap(), &facts, body, &[]);
        // A denial that an ask could lift would be useless.
        if let Fate::Goes(_) = whole {
            prop_assert_eq!(&without_asks, &Fate::Goes(None), "an ask let something go without a yes");
        }
        let as_allows = blocks.concat().replace("[[ask]]", "[[allow]]");
        let as_allows = fate(&compiled(&as_allows).unwrap(), &facts, body, &[]);
        if whole == Fate::Asks {
            prop_assert_eq!(as_allows, Fate::Goes(None), "a yes would open what no rule does");
        }
    }

    /// Whatever was answered before, a request passes only with its own yes, or if it needs none.
    #[test]
    fn a_yes_lets_through_what_it_was_given_for(
        blocks in prop::collection::vec(block(), 1..6),
        asked in prop::collection::vec((any_request(), select(BODIES.to_vec()), any::<bool>()), 1..8),
        kept in subsequence((0..8_usize).collect::<Vec<_>>(), 0..8),
        facts in any_request(),
        body in select(BODIES.to_vec()),
    ) {
        let policy = compiled(&blocks.concat()).unwrap();
        let mut said = Vec::new();
        for (n, (facts, body, once)) in asked.iter().enumerate() {
            let id = GrantId(n as u64);
            let ask = match policy.at(Moment::FAR).decide(facts.clone()) {
                Verdict::Ask(ask) => ask,
                Verdict::Allow(permit) => match permit.body_conditions().map(|conditions| conditions.check(body)) {
                    Some(Err(Unfit::Asks(by))) => permit.into_ask(by),
                    _ => continue,
                },
                Verdict::Deny(..) => continue,
            };
            said.push((facts, *body, *once, if *once { ask.once(id, body) } else { ask.answer(id) }));
        }
        let there: Vec<_> = said.iter().enumerate().filter(|(n, _)| kept.contains(n)).map(|(_, said)| said.3.clone()).collect();
        let with = fate(&policy, &facts, body, &there);
        let without = fate(&policy, &facts, body, &[]);
        match with {
            Fate::Goes(Some(id)) => {
                let (for_facts, for_body, once, _) = said.iter().find(|said| said.3.id() == id).unwrap();
                prop_assert_eq!(*for_facts, &facts);
                prop_assert!(!once || *for_body == body);
                prop_assert_eq!(without, Fate::Asks, "a yes opened what is not asked about");
            }
            other => prop_assert_eq!(other, without, "a yes to another request changed something"),
        }
    }
}
