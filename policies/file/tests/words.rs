//! Tunnels, WebSockets, body conditions, limits and observing, in whole policies.
#![allow(clippy::unwrap_used)]

use policies::{Authority, Code, Date, Facts, GroupName, Limits, Moment, Permit, Policy, Refusal, TimeOfDay, Verdict};
use policy_file::Source;

pub(super) fn compile(text: &str, base: &str) -> policy_file::Compiled {
    let group = GroupName::parse("family").unwrap();
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let compiled =
        policy_file::compile(&group, &source("policies/family.toml", text), Some(&source("base.toml", base)));
    compiled.unwrap_or_else(|problems| panic!("{problems}"))
}

pub(super) fn policy(text: &str) -> Policy {
    compile(text, "").policy
}

pub(super) fn facts(request: &str) -> Facts {
    let (method, url) = request.split_once(' ').unwrap();
    Facts::parse(method, url).unwrap()
}

pub(super) fn ask(verdict: Verdict) -> Result<Permit, Refusal> {
    match verdict {
        Verdict::Allow(permit) => Ok(permit),
        Verdict::Ask(ask) => Err(ask.into_refusal().1),
        Verdict::Deny(_, refusal) => Err(refusal),
    }
}

pub(super) fn decide(policy: &Policy, request: &str) -> Result<Permit, Refusal> {
    ask(policy.at(Moment::FAR).decide(facts(request)))
}

pub(super) fn code(policy: &Policy, request: &str) -> String {
    decide(policy, request)
        .map_or_else(|refusal| refusal.code.to_string(), |permit| format!("allow {}", permit.rule().line))
}

fn tunnel(policy: &Policy, authority: &str) -> Option<u32> {
    policy.at(Moment::FAR).decide_tunnel(&Authority::parse(authority, None).unwrap()).map(|permit| permit.rule().line)
}

const TUNNELS: &str = r#"
[[allow]]
host = "*.pinned.test"
tls = "tunnel"

[[allow]]
host = "a.pinned.test"
tls = "tunnel"
ports = [443, 5223]
private = ["192.168.1.20/32"]

[[allow]]
host = "key.pinned.test"
access = "read"
credential = "key"

[[allow]]
host = "plain.pinned.test"
access = "read"
"#;

#[test]
fn tunnels_are_by_host_and_port() {
    let policy = policy(TUNNELS);
    for (authority, want) in [
        ("a.pinned.test:443", Some(6)),
        ("a.pinned.test:5223", Some(6)),
        ("a.pinned.test:22", None),
        ("b.pinned.test:443", Some(2)),
        ("b.pinned.test:5223", None),
        ("pinned.test:443", None),
        ("x.b.pinned.test:443", None),
        ("plain.pinned.test:443", Some(2)),
        // A host with a credential takes that credential and nothing else.
        ("key.pinned.test:443", None),
        ("doorward.internal:443", None),
    ] {
        assert_eq!(tunnel(&policy, authority), want, "{authority}");
    }
    let permit = policy.at(Moment::FAR).decide_tunnel(&Authority::parse("a.pinned.test:443", None).unwrap()).unwrap();
    assert_eq!((permit.authority().to_string().as_str(), permit.policy()), ("a.pinned.test:443", policy.hash()));
    assert!(permit.check_address("192.168.1.20:443".parse().unwrap()).is_ok());
    assert!(permit.check_address("1.1.1.1:443".parse().unwrap()).is_ok());
    assert_eq!(permit.check_address("192.168.1.21:443".parse().unwrap()).unwrap_err().code, Code::ResolvedPrivate);
    // A connection that is opened anyway is not covered by a tunnel.
    assert_eq!(code(&policy, "GET https://a.pinned.test/"), "port_denied");
    assert_eq!(code(&policy, "GET http://a.pinned.test/"), "port_denied");
    assert_eq!(code(&policy, "GET https://plain.pinned.test/"), "allow 17");
}

/// If a tunnel leads to a home network, its own rule takes `private` if it names one host.
#[test]
fn a_tunnel_that_leads_home_says_what_lifts_it() {
    let lift = |host: &str| {
        let policy = policy(&format!("[[allow]]\nhost = \"{host}\"\ntls = \"tunnel\"\n"));
        let authority = Authority::parse("app.home.test:443", None).unwrap();
        let tunnel = policy.at(Moment::FAR).decide_tunnel(&authority).unwrap();
        tunnel.check_address("192.168.1.20:443".parse().unwrap()).unwrap_err().lift
    };
    let own = "# in the [[allow]] at policies/family.toml:1, add this, or add to its list:";
    let private = "private = [\"192.168.1.20/32\"]";
    assert_eq!(lift("app.home.test"), [own, private]);
    let beside = ["[[allow]]", "host = \"app.home.test\"", "ports = [443]", "tls = \"tunnel\"", private];
    assert_eq!(lift("*.home.test"), beside);
}

#[test]
fn a_deny_wants_a_tunnel_opened() {
    for (deny, want) in [
        ("host = \"**.test\"", None),
        ("host = \"a.pinned.test\"\nports = [443]", None),
        ("host = \"a.pinned.test\"\nports = [8443]", Some(6)),
        // These could not be checked in an unopened connection.
        ("host = \"a.pinned.test\"\ndo = [\"* /gists/**\"]", None),
        ("host = \"a.pinned.test\"\njson = { a = \"present\" }", None),
        ("host = \"b.pinned.test\"", Some(6)),
    ] {
        let policy = compile(TUNNELS, &format!("[[deny]]\n{deny}\n")).policy;
        assert_eq!(tunnel(&policy, "a.pinned.test:443"), want, "{deny}");
    }
    let text = "[[allow]]\nhost = \"a.test\"\ntls = \"tunnel\"\n\n[[deny]]\nhost = \"a.test\"\ndo = [\"* /x\"]\n";
    let want = "policies/family.toml:1:1: this tunnel is never used: a [[deny]], an [[ask]] or a credential for a.test wants it \
                opened; remove the tunnel, or that other rule";
    assert_eq!(compile(text, "").warnings.to_string(), want);
}

#[test]
fn tunnels_are_tested_and_lifted() {
    let tests = "[[allow]]\nhost = \"*.a.test\"\ntls = \"tunnel\"\n[[test]]\nrequest = \"GET https://x.a.test/any\"\nwant = \"allow\"\n\
                 [[test]]\nrequest = \"GET http://x.a.test/any\"\nwant = \"deny\"\n";
    let compiled = compile(tests, "");
    assert!(compiled.warnings.is_empty(), "{}", compiled.warnings);
    let authority = Authority::parse("x.a.test:443", None).unwrap();
    let home = "192.168.1.20:443".parse().unwrap();
    let lift = compiled
        .policy
        .at(Moment::FAR)
        .decide_tunnel(&authority)
        .unwrap()
        .check_address(home)
        .unwrap_err()
        .lift
        .join("\n");
    let lifted = policy(&format!("{tests}\n{lift}\n"));
    assert!(lifted.at(Moment::FAR).decide_tunnel(&authority).unwrap().check_address(home).is_ok(), "{lift}");
}

#[test]
fn websockets_want_their_word() {
    let text = r#"
[[allow]]
host = "a.test"
access = "read"

[[allow]]
host = "a.test"
do = ["GET /ws", "POST /ws"]
websocket = true
credential = "key"

[[allow]]
host = "b.test"
access = "read"
websocket = true

[[deny]]
host = "b.test"
do = ["GET /closed"]

[[deny]]
host = "b.test"
do = ["GET /body"]
json = { a = "present" }
"#;
    let policy = policy(text);
    for (request, want) in [
        ("GET wss://a.test/ws", "allow 6"),
        ("GET wss://a.test/other", "upgrade_denied"),
        ("POST wss://a.test/ws", "upgrade_denied"),
        ("PUT wss://a.test/ws", "method_denied"),
        ("GET ws://a.test/ws", "port_denied"),
        ("GET wss://c.test/", "not_allowed"),
        ("GET wss://b.test/any", "allow 12"),
        ("HEAD wss://b.test/any", "upgrade_denied"),
        ("GET https://b.test/any", "allow 12"),
        ("GET wss://b.test/closed", "denied_by_rule"),
        ("GET wss://b.test/body", "denied_by_rule"),
        ("GET https://b.test/body", "allow 12"),
    ] {
        assert_eq!(code(&policy, request), want, "{request}");
    }
    let refusal = decide(&policy, "GET wss://a.test/other").unwrap_err();
    assert_eq!(refusal.why, "group family may reach this page of a.test, but not open a WebSocket there");
    assert_eq!(
        refusal.lift,
        ["[[allow]]", "host = \"a.test\"", "do = [\"GET /other\"]", "websocket = true", "credential = \"key\""]
    );
    let refusal = decide(&policy, "POST wss://a.test/ws").unwrap_err();
    assert_eq!((refusal.why.as_str(), refusal.lift.len()), ("a WebSocket starts with GET, not with POST", 0));
    assert_eq!(refusal.to_string(), "upgrade_denied: a WebSocket starts with GET, not with POST");
    // A rule's credential is put on by that rule alone.
    assert_eq!(decide(&policy, "GET wss://a.test/ws").unwrap().credential().map(|name| &**name), Some("key"));
}

#[test]
fn limits_are_read_and_the_smaller_binds() {
    let own = "[limits]\nupload_per_day = \"20 MB\"\nupload_per_request = \"1 MiB\"\nrequests_per_minute = 120\nrequests_per_day = 5_000\nnew_names_per_day = 20\nruns_per_day = 50\ntokens_per_day = 2_000_000\ntokens_per_month = 30_000_000\nmoney_per_day = \"2 USD\"\nmoney_per_month = \"20.50 USD\"\n";
    let want = Limits {
        upload_per_day: Some(20_000_000),
        upload_per_request: Some(1_048_576),
        requests_per_minute: Some(120),
        requests_per_day: Some(5000),
        new_names_per_day: Some(20),
        runs_per_day: Some(50),
        tokens_per_day: Some(2_000_000),
        tokens_per_month: Some(30_000_000),
        money_per_day: Some(2_000_000),
        money_per_month: Some(20_500_000),
    };
    assert_eq!(policy(own).limits(), &want);
    assert_eq!(policy("").limits(), &Limits::default());
    let both = compile(own, "[limits]\nupload_per_day = \"1 MB\"\nrequests_per_day = 9000\n").policy;
    assert_eq!(both.limits(), &Limits { upload_per_day: Some(1_000_000), ..want });
}

const OBSERVED: &str = r#"mode = "observe"
observe_until = "2026-12-01"

[[allow]]
host = "known.test"
do = ["GET /a"]

[[allow]]
host = "pinned.test"
tls = "tunnel"

[[deny]]
host = "**.evil.test"

[[deny]]
host = "half.test"
json = { secret = "present" }
"#;

#[test]
fn observing_relaxes_one_thing_until_a_day() {
    let policy = policy(OBSERVED);
    let (last, after) = (Date::parse("2026-12-01").unwrap(), Date::parse("2026-12-02").unwrap());
    assert_eq!(policy.observe_until(), Some(last));
    let code = |request: &str, day| {
        let permit = ask(policy.at(Moment::new(day, TimeOfDay::NOON)).decide(facts(request)));
        permit.map_or_else(
            |refusal| refusal.code.to_string(),
            |permit| format!("{} {}", permit.observed(), permit.rule().line),
        )
    };
    for (request, observed, enforced) in [
        ("GET https://new.test/x", "true 1", "not_allowed"),
        ("POST http://new.test/x?_method=PUT", "true 1", "not_allowed"),
        ("GET https://known.test/a", "false 4", "false 4"),
        ("GET https://known.test/b", "path_denied", "path_denied"),
        ("POST https://known.test/a", "method_denied", "method_denied"),
        ("GET https://known.test:8443/a", "port_denied", "port_denied"),
        ("GET https://x.evil.test/", "denied_by_rule", "denied_by_rule"),
        ("GET https://203.0.113.7/", "ip_literal", "ip_literal"),
        ("GET https://new.test:22/", "not_allowed", "not_allowed"),
        ("GET http://new.test:443/", "not_allowed", "not_allowed"),
        ("GET wss://new.test/", "not_allowed", "not_allowed"),
        ("GET http://pinned.test/", "port_denied", "port_denied"),
        ("GET http://doorward.internal/", "self_target", "self_target"),
    ] {
        assert_eq!(code(request, last), observed, "{request}");
        assert_eq!(code(request, after), enforced, "{request}");
        // `enforced` ignores observing.
        let enforced_now = policy.at(Moment::new(last, TimeOfDay::NOON)).enforced();
        assert_eq!(ask(enforced_now.decide(facts(request))).is_ok(), enforced.starts_with("false"), "{request}");
    }
    let permit = ask(policy.at(Moment::new(last, TimeOfDay::NOON)).decide(facts("POST https://half.test/"))).unwrap();
    assert_eq!(
        permit.body_conditions().unwrap().check(br#"{"secret":1}"#).unwrap_err().into_refusal().code,
        Code::DeniedByRule
    );
    assert!(permit.body_conditions().unwrap().check(b"{}").is_ok());
    assert!(permit.check_address("10.0.0.1:443".parse().unwrap()).is_err());
    assert_eq!((permit.credential(), permit.model()), (None, false));
}

#[test]
fn lookalikes_are_blocked_where_one_file_says_so() {
    let blocks = |own: &str, base: &str| compile(own, base).policy.blocks_lookalikes();
    let block = "leaks = \"block\"\n";
    assert!(!blocks("", "") && blocks(block, "") && blocks("", block));
}

#[test]
fn a_rule_has_a_bounded_number_of_conditions() {
    let with = |count: usize| {
        let fields: Vec<_> = (0..count).map(|n| format!("f{n} = \"absent\"")).collect();
        format!("[[allow]]\nhost = \"a.test\"\naccess = \"read\"\njson = {{ {} }}\n", fields.join(", "))
    };
    let compiles = |text: String| {
        let source = Source { name: "policies/family.toml".to_owned(), text };
        policy_file::compile(&GroupName::parse("family").unwrap(), &source, None).is_ok()
    };
    assert!(compiles(with(1)) && compiles(with(64)));
    assert!(!compiles(with(0)) && !compiles(with(65)) && !compiles(with(66)));
}

/// No policy can allow the door's own name; other names with a similar ending are ordinary.
#[test]
fn the_doors_own_name_is_reserved() {
    let reserved = |host: &str| {
        let refused = policies::HostPattern::for_deny(host).err();
        refused.is_some_and(|error| error.message.contains("the door itself"))
    };
    assert!(reserved("doorward.internal") && reserved("a.doorward.internal"));
    assert!(!reserved("xdoorward.internal") && !reserved("doorward.internal.test") && !reserved("10.0.0.1"));
}

/// The owner is told at once about a credential where it does not belong, but not about every
/// refusal, or nobody would read the alarms.
#[test]
fn alarms_are_about_credentials() {
    for code in [
        Code::SurrogateUnbound,
        Code::SurrogateLocation,
        Code::SurrogateForeign,
        Code::SecretInRequest,
        Code::CredentialNotSurrogate,
    ] {
        assert!(code.is_alarm(), "{code}");
    }
    // A sandbox that was just replaced may still hold its predecessor's. What cannot be a key is
    // none, and an unknown header may have any reason.
    let no_keys = [Code::SurrogateMissing, Code::NotHarmless, Code::NotMinted];
    let plain = [Code::SurrogateRetired, Code::NotAllowed, Code::DeniedByRule, Code::SecretUnavailable, Code::Revoked];
    for code in no_keys.into_iter().chain(plain) {
        assert!(!code.is_alarm(), "{code}");
    }
}

#[test]
fn a_date_of_toml_will_do() {
    let policy = policy("mode = \"observe\"\nobserve_until = 2026-12-01\n");
    assert_eq!(policy.observe_until().unwrap().to_string(), "2026-12-01");
    assert_eq!(policy_file::deny_all(&GroupName::parse("family").unwrap()).observe_until(), None);
}
