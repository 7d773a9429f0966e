//! A helper's policy: whatever it may do, its group may, in the same way.
#![allow(clippy::unwrap_used)]

use policies::{
    Authority, BodyConditions, Bounds, Date, Facts, Fingerprint, Grant, GrantId, Granted, HeadHash, HostPattern,
    Moment, Narrow, Part, Permit, Policy, Reading, RequestPattern, TimeOfDay, Verdict,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::properties::{any_request, policy as compiled, rules};
use super::words::{facts, policy};

fn part(host: &str, requests: &[&str]) -> Part {
    let requests = requests.iter().map(|request| RequestPattern::parse(request).unwrap()).collect();
    Part { host: HostPattern::for_allow(host).unwrap(), requests }
}

fn any_part() -> impl Strategy<Value = Part> {
    let host = select(vec!["a.x.test", "*.x.test", "**.x.test", "x.test", "nas.home.test", "203.0.113.7", "y.test"]);
    let request = select(vec!["GET /", "GET /a", "POST /a/*", "* /a/**", "* /**", "DELETE /**", "POST /**/b"]);
    (host, prop::collection::vec(request, 0..3)).prop_map(|(host, requests)| part(host, &requests))
}

/// Rules of every kind, including asks, sometimes observed.
fn any_policy() -> impl Strategy<Value = String> {
    let ask = select(vec![
        "",
        "",
        "[[ask]]\nhost = \"*.x.test\"\ndo = [\"POST /a/*\"]\n\n",
        "[[ask]]\nhost = \"a.x.test\"\ndo = [\"* /a/**\"]\njson = { a = \"present\" }\n\n",
        "[ask]\nunlisted = true\n\n",
    ]);
    let observe = select(vec!["", "", "mode = \"observe\"\nobserve_until = \"2026-12-01\"\n\n"]);
    (observe, rules(), ask).prop_map(|(observe, rules, ask)| format!("{observe}{}{ask}", rules.concat()))
}

/// During the observation, if there is one.
fn then() -> Moment {
    Moment::new(Date::parse("2026-11-23").unwrap(), TimeOfDay::NOON)
}

/// A permit that takes this body, if the policy gives one.
fn goes(policy: &Policy, facts: &Facts, body: &[u8], grants: &[Grant]) -> Option<Permit> {
    let fits = |conditions: Option<&BodyConditions>| conditions.is_none_or(|conditions| conditions.check(body).is_ok());
    match policy.at(then()).with_grants(grants).decide(facts.clone()) {
        Verdict::Allow(permit) if fits(permit.body_conditions()) => Some(permit),
        _ => None,
    }
}

const BODIES: [&[u8]; 4] = [b"", b"{}", br#"{"a":1}"#, br#"{"t":[{"k":"x"}]}"#];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// For policies and parts of every shape: what a helper may do, its group may do without asking anybody, by the
    /// same rule with the same credential; and it lies within the part or leads to the model.
    #[test]
    fn a_helper_can_do_nothing_that_its_group_could_not(
        text in any_policy(),
        parts in prop::collection::vec(any_part(), 0..4),
        facts in any_request(),
        body in select(BODIES.to_vec()),
    ) {
        // A text that does not compile is not a policy.
        let Some(group) = compiled(&text) else { return Ok(()) };
        let narrow = Narrow::new(parts);
        let helper = group.narrowed(narrow.clone());
        let what = Fingerprint::of(group.group(), &facts, None, HeadHash::default());
        let yes = [Grant::kept(GrantId(1), what, Granted::Answer(Bounds::OF_AN_ANSWER))];
        let (by_group, by_helper) = (goes(&group, &facts, body, &[]), goes(&helper, &facts, body, &[]));
        prop_assert!(!matches!(helper.at(then()).decide(facts.clone()), Verdict::Ask(_)), "nobody is asked");
        prop_assert_eq!(goes(&helper, &facts, body, &yes).is_some(), by_helper.is_some(), "a yes is not a helper's");
        if let Some(helpers) = &by_helper {
            let groups = by_group.as_ref().expect("the group could not");
            prop_assert!(narrow.covers(&Reading::new(&facts)) || helpers.model(), "{facts:?}");
            prop_assert_eq!(helpers.rule(), groups.rule());
            prop_assert_eq!(helpers.credential(), groups.credential());
            prop_assert_eq!(helpers.private(), groups.private());
            prop_assert_eq!(helpers.model(), groups.model());
            if let Some(credential) = helpers.credential() {
                prop_assert!(helper.credentials().contains(credential));
            }
        }
        let tunnel = helper.at(then()).decide_tunnel(&facts.authority);
        prop_assert!(tunnel.is_none(), "nothing of a helper's goes unopened");
        prop_assert!(helper.credentials().iter().all(|name| group.credentials().contains(name)));
        prop_assert_ne!(helper.hash(), group.hash());
    }
}

const GROUP: &str = "[[allow]]\nhost = \"news.test\"\naccess = \"read\"\n\n\
                     [[allow]]\nhost = \"api.test\"\ndo = [\"* /notes/**\"]\ncredential = \"notes\"\n\n\
                     [[allow]]\nhost = \"bank.test\"\ndo = [\"* /**\"]\ncredential = \"bank\"\n\n\
                     [[allow]]\nhost = \"model.test\"\ndo = [\"POST /v1/messages\"]\ncredential = \"model\"\nmodel = true\n\n\
                     [[ask]]\nhost = \"shop.test\"\ndo = [\"POST /order\"]\n\n\
                     [[allow]]\nhost = \"pinned.test\"\ntls = \"tunnel\"\n";

/// A request is within a part by everything it asks for, not by its method alone.
#[test]
fn a_helpers_part_is_held_against_all_that_is_asked() {
    let group = "[[allow]]\nhost = \"api.test\"\ndo = [\"* /free/**\"]\nwebsocket = true\n";
    let group = policy(group);
    let reads = group.narrowed(Narrow::new(vec![part("api.test", &["GET /free/**"])]));
    let all = group.narrowed(Narrow::new(vec![part("api.test", &["* /free/**"])]));
    for (request, by_reads, by_all) in [
        ("GET https://api.test/free/x", true, true),
        ("GET https://api.test/free/x?_method=DELETE", false, true),
        ("GET https://api.test/free/x;_method=DELETE", false, true),
        ("GET https://api.test/free/g?query=mutation%7Ba%7D", false, true),
        ("GET wss://api.test/free/ws", false, false),
    ] {
        assert!(goes(&group, &facts(request), b"", &[]).is_some(), "{request}");
        assert_eq!(goes(&reads, &facts(request), b"", &[]).is_some(), by_reads, "{request}");
        assert_eq!(goes(&all, &facts(request), b"", &[]).is_some(), by_all, "{request}");
    }
    // Nor may a field of a body ask for anything outside of the part.
    let other = |helper: &Policy, request: &str| {
        let permit = goes(helper, &facts(request), b"{}", &[]).unwrap();
        helper.at(then()).refusal_of_other_methods(&permit).is_some()
    };
    let posts = group.narrowed(Narrow::new(vec![part("api.test", &["POST /free/**"])]));
    assert!(other(&posts, "POST https://api.test/free/x") && !other(&all, "POST https://api.test/free/x"));
    // Nor where, outside of it, only a model may be asked.
    let beside = |json: &str, more: &str| {
        format!("[[allow]]\nhost = \"api.test\"\ndo = [\"* /x\"]\njson = {{ a = \"{json}\" }}\n{more}\n")
    };
    let group = policy(&format!("{}{}", beside("absent", ""), beside("present", "model = true\n")));
    let posts = group.narrowed(Narrow::new(vec![part("api.test", &["POST /x"])]));
    let all = group.narrowed(Narrow::new(vec![part("api.test", &["* /x"])]));
    assert!(other(&posts, "POST https://api.test/x") && !other(&all, "POST https://api.test/x"));
}

/// If only a model may be asked, what another rule opens besides is closed.
#[test]
fn a_model_is_asked_as_its_own_rule_says() {
    let rule = |tools: &str, more: &str| {
        format!(
            "[[allow]]\nhost = \"model.test\"\ndo = [\"POST /v1/messages\"]\njson = {{ tools = \"{tools}\" }}\n{more}\n"
        )
    };
    let group = policy(&format!("{}{}", rule("absent", "model = true\n"), rule("present", "")));
    let asks = facts("POST https://model.test/v1/messages");
    let helper = group.narrowed(Narrow::new(Vec::new()));
    let away = |body: &[u8]| {
        let permit = match group.at(then()).decide(asks.clone()) {
            Verdict::Allow(permit) => permit.of_models_alone(),
            Verdict::Ask(_) | Verdict::Deny(..) => panic!("it is allowed"),
        };
        permit.body_conditions().is_none_or(|conditions| conditions.check(body).is_ok())
    };
    for (body, as_a_model) in [(&br#"{"model":"m"}"#[..], true), (br#"{"model":"m","tools":[{}]}"#, false)] {
        assert!(goes(&group, &asks, body, &[]).is_some());
        assert_eq!(goes(&helper, &asks, body, &[]).is_some(), as_a_model);
        assert_eq!(away(body), as_a_model);
    }
    // A rule without conditions that leads to a model opens all of it.
    let free = "[[allow]]\nhost = \"model.test\"\ndo = [\"POST /v1/messages\"]\nmodel = true\n";
    let helper = policy(&format!("{free}\n{}", rule("present", ""))).narrowed(Narrow::new(Vec::new()));
    assert!(goes(&helper, &asks, br#"{"tools":[{}]}"#, &[]).is_some());
}

/// Not everything is refused: the part is open, as far as the group's rules go.
#[test]
fn a_helper_has_its_part_and_the_model() {
    let parts = vec![
        part("news.test", &["* /**"]),
        part("api.test", &["GET /notes/**"]),
        part("shop.test", &["* /**"]),
        part("pinned.test", &["* /**"]),
    ];
    let helper = policy(GROUP).narrowed(Narrow::new(parts));
    for (request, goes_there) in [
        ("GET https://news.test/today", true),
        ("POST https://news.test/today", false),
        ("GET https://api.test/notes/1", true),
        ("POST https://api.test/notes/1", false),
        ("GET https://bank.test/", false),
        ("POST https://model.test/v1/messages", true),
        ("POST https://shop.test/order", false),
        ("GET https://pinned.test/", false),
        ("GET https://elsewhere.test/", false),
        ("GET http://doorward.internal/", false),
    ] {
        assert_eq!(goes(&helper, &facts(request), b"", &[]).is_some(), goes_there, "{request}");
    }
    assert_eq!(helper.credentials(), ["model".into(), "notes".into()], "the bank's key is none of its");
    let authority = Authority::parse("pinned.test:443", None).unwrap();
    assert!(policy(GROUP).at(Moment::FAR).decide_tunnel(&authority).is_some());
    assert!(helper.at(Moment::FAR).decide_tunnel(&authority).is_none());
    let Verdict::Deny(_, refusal) = helper.at(Moment::FAR).decide(facts("GET https://bank.test/")) else {
        panic!("it goes")
    };
    assert!(refusal.why.contains("not by this helper") && refusal.lift.is_empty(), "{refusal:?}");
}
