//! The verdict in whole policies: what is allowed, what is refused and why.
#![allow(clippy::unwrap_used)]

use policies::{Code, Facts, GroupName, Moment, Permit, Policy, Refusal, Verdict};
use policy_file::Source;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn policy_with_base(text: &str, base: &str) -> Policy {
    let group = GroupName::parse("family").unwrap();
    let base = source("base.toml", base);
    let compiled = policy_file::compile(&group, &source("policies/family.toml", text), Some(&base));
    compiled.unwrap_or_else(|problems| panic!("{problems}")).policy
}

pub(super) fn policy(text: &str) -> Policy {
    policy_with_base(text, "")
}

pub(super) fn decide(policy: &Policy, request: &str) -> Result<Permit, Refusal> {
    let (method, url) = request.split_once(' ').unwrap();
    match policy.at(Moment::FAR).decide(Facts::parse(method, url).unwrap()) {
        Verdict::Allow(permit) => Ok(permit),
        Verdict::Ask(ask) => Err(ask.into_refusal().1),
        Verdict::Deny(_, refusal) => Err(refusal),
    }
}

/// `allow family.toml:1` or the code of the refusal.
fn outcome(policy: &Policy, request: &str) -> String {
    match decide(policy, request) {
        Ok(permit) => format!("allow {}", permit.rule().line),
        Err(refusal) => refusal.code.to_string(),
    }
}

pub(super) fn check(text: &str, cases: &[(&str, &str)]) {
    let policy = policy(text);
    for (request, want) in cases {
        assert_eq!(outcome(&policy, request), *want, "{request}");
    }
}

#[test]
fn nothing_is_allowed_by_nothing() {
    let group = GroupName::parse("family").unwrap();
    for policy in [policy(""), policy("# nothing yet\n"), policy_file::deny_all(&group)] {
        let refusal = decide(&policy, "GET https://news.example/today").unwrap_err();
        assert_eq!(refusal.code, Code::NotAllowed);
        assert_eq!(refusal.why, "no rule of group family names news.example");
        assert_eq!(refusal.lift, ["[[allow]]", "host = \"news.example\"", "do = [\"GET /today\"]"]);
        assert_eq!(policy.rules().count(), 0);
    }
}

/// Attacks A04, A05, A10.
#[test]
fn hosts_and_ports() {
    let text = r#"
[[allow]]
host = "api.x.test"
access = "read"

[[allow]]
host = "*.one.test"
access = "read"

[[allow]]
host = "**.deep.test"
access = "read"
ports = [443, 8443]

[[allow]]
host = "plain.test"
scheme = "http"
access = "read"

[[allow]]
host = "203.0.113.7"
access = "read"

[[allow]]
host = "[2001:db8::7]"
access = "read"
"#;
    check(
        text,
        &[
            ("GET https://api.x.test/", "allow 2"),
            ("GET https://API.X.test./", "allow 2"),
            ("GET https://apiyx.test/", "not_allowed"),
            ("GET https://x.test/", "not_allowed"),
            ("GET https://a.api.x.test/", "not_allowed"),
            ("GET https://api.x.test:8443/", "port_denied"),
            ("GET http://api.x.test/", "port_denied"),
            ("GET http://api.x.test:443/", "port_denied"),
            ("GET https://a.one.test/", "allow 6"),
            ("GET https://one.test/", "not_allowed"),
            ("GET https://a.b.one.test/", "not_allowed"),
            ("GET https://evilone.test/", "not_allowed"),
            ("GET https://one.test.evil.test/", "not_allowed"),
            ("GET https://a.deep.test/", "allow 10"),
            ("GET https://a.b.c.deep.test:8443/", "allow 10"),
            ("GET https://deep.test/", "not_allowed"),
            ("GET https://xdeep.test/", "not_allowed"),
            ("GET http://plain.test/", "allow 15"),
            ("GET https://plain.test/", "port_denied"),
            ("GET http://plain.test:8080/", "port_denied"),
            ("GET https://203.0.113.7/", "allow 20"),
            ("GET https://203.0.113.8/", "ip_literal"),
            ("GET https://[::ffff:203.0.113.7]/", "ip_literal"),
            ("GET https://[2001:db8::7]/", "allow 24"),
            ("GET https://[2001:db8:0:0::7]/", "allow 24"),
            ("GET https://[2001:db8::8]/", "ip_literal"),
            ("GET http://doorward.internal/policy", "self_target"),
            ("GET http://a.doorward.internal/", "self_target"),
        ],
    );
}

/// Found by fuzzing: text in a segment's parameters is denied as well.
#[test]
fn a_deny_covers_at_least_what_an_allow_would() {
    let text = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n[[deny]]\nhost = \"a.test\"\ndo = [\"GET /*key*\"]\n";
    check(
        text,
        &[
            ("GET https://a.test/my-key", "denied_by_rule"),
            ("GET https://a.test/x;key", "denied_by_rule"),
            ("GET https://a.test/KEY;x", "denied_by_rule"),
            ("GET https://a.test/x;y", "allow 1"),
        ],
    );
}

#[test]
fn base_binds_every_group() {
    let own = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n";
    let base = "[[deny]]\nhost = \"**.test\"\n\n[[deny]]\nhost = \"a.test\"\n";
    let refusal = decide(&policy_with_base(own, base), "GET https://a.test/").unwrap_err();
    assert_eq!(refusal.code, Code::DeniedByRule);
    assert_eq!(refusal.rule.unwrap().to_string(), "base.toml:4");
    assert!(refusal.lift.is_empty());
}

#[test]
fn a_test_in_base_guards_every_group() {
    let group = GroupName::parse("family").unwrap();
    let own = source("family.toml", "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n");
    let base = source("base.toml", "[[test]]\nrequest = \"GET https://a.test/\"\nwant = \"deny\"\n");
    let problems = policy_file::compile(&group, &own, Some(&base)).unwrap_err();
    assert!(problems.to_string().starts_with("base.toml:1:1: this test wants GET https://a.test/ denied"));
}

#[test]
fn tests_that_want_allow_only_warn() {
    let group = GroupName::parse("family").unwrap();
    let text = "[[test]]\nrequest = \"GET https://a.test/x\"\nwant = \"allow\"\n";
    let compiled = policy_file::compile(&group, &source("family.toml", text), None).unwrap();
    let want = "family.toml:1:1: this test wants GET https://a.test/x allowed, but it is denied: no rule of group family \
                names a.test; add: [[allow]]  host = \"a.test\"  do = [\"GET /x\"]";
    assert_eq!(compiled.warnings.to_string(), want);
}

#[test]
fn a_rule_that_can_never_match_is_told() {
    let group = GroupName::parse("family").unwrap();
    let text = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n\n[[deny]]\nhost = \"a.test\"\n";
    let compiled = policy_file::compile(&group, &source("family.toml", text), None).unwrap();
    let want =
        "family.toml:1:1: this [[allow]] can never match: family.toml:5 denies all of a.test; remove one of the two";
    assert_eq!(compiled.warnings.to_string(), want);
}

/// Allows add up; the credential wins; two different ones refuse.
#[test]
fn allows_add_up() {
    let text = r#"
[[allow]]
host = "**.home.test"
access = "read"
credential = "first"

[[allow]]
host = "nas.home.test"
do = ["GET /a/b"]
private = ["192.168.1.20/32"]

[[allow]]
host = "nas.home.test"
do = ["* /a/*"]
model = true
why = "the model at home"

[[allow]]
host = "two.home.test"
do = ["GET /x"]
credential = "second"
"#;
    let policy = policy(text);
    let permit = decide(&policy, "GET https://nas.home.test/a/b").unwrap();
    assert_eq!(permit.rule().line, 2);
    assert_eq!(permit.credential().map(|name| &**name), Some("first"));
    assert!(permit.model());
    assert_eq!(permit.policy(), policy.hash());
    assert!(permit.check_address("192.168.1.20:443".parse().unwrap()).is_ok());
    let refusal = permit.check_address("192.168.1.21:443".parse().unwrap()).unwrap_err();
    assert_eq!(refusal.code, Code::ResolvedPrivate);

    let permit = decide(&policy, "POST https://nas.home.test/a/c").unwrap();
    assert_eq!((permit.rule().line, permit.credential()), (12, None));

    let refusal = decide(&policy, "GET https://two.home.test/x").unwrap_err();
    assert_eq!(refusal.code, Code::CredentialAmbiguous);
    let want = "two rules put different credentials on this request: first (policies/family.toml:2) and second \
                (policies/family.toml:18)";
    assert_eq!(refusal.why, want);
    assert_eq!(policy.credentials(), ["first".into(), "second".into()]);
    // The first rule is named first, whichever is more specific.
    let rule =
        |host: &str, name: &str| format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\ncredential = \"{name}\"\n");
    for text in [rule("*.b.test", "1") + &rule("a.b.test", "2"), rule("a.b.test", "1") + &rule("*.b.test", "2")] {
        let refusal = decide(&self::policy(&text), "GET https://a.b.test/").unwrap_err();
        assert!(refusal.why.ends_with("1 (policies/family.toml:1) and 2 (policies/family.toml:5)"), "{}", refusal.why);
        assert_eq!(refusal.rule.unwrap().line, 1);
    }
}

#[test]
fn refusals_say_how_close_it_was() {
    let text = r#"
[[allow]]
host = "a.test"
do = ["GET /x"]
credential = "key"
"#;
    let policy = policy(text);
    for (request, why) in [
        ("GET https://10.0.0.1/", "10.0.0.1 is an address, and no rule of group family names it"),
        (
            "GET http://a.test/x",
            "group family may reach a.test, but not by http on port 80: policies/family.toml:2 allows https on port 443",
        ),
        ("POST https://a.test/x", "group family may reach this page of a.test, but not with POST"),
        ("GET https://a.test/y", "group family may reach a.test, but not this page of it"),
        (
            "GET https://a.test/x?_method=PUT",
            "the query asks a.test for another method, and group family may not use all of them here",
        ),
        ("GET https://doorward.internal/", "doorward.internal is the door itself, not a way out"),
    ] {
        assert_eq!(decide(&policy, request).unwrap_err().why, why);
    }
    let lift = |request: &str| decide(&policy, request).unwrap_err().lift.join("\n");
    assert_eq!(
        lift("POST https://a.test/x*y"),
        "[[allow]]\nhost = \"a.test\"\ndo = [\"POST /x%2Ay\"]\ncredential = \"key\""
    );
    assert_eq!(
        lift("GET http://a.test:8080/y"),
        "[[allow]]\nhost = \"a.test\"\nscheme = \"http\"\nports = [8080]\ndo = [\"GET /y\"]"
    );
    assert_eq!(
        lift("GET https://10.0.0.1/"),
        "[[allow]]\nhost = \"10.0.0.1\"\ndo = [\"GET /\"]\nprivate = [\"10.0.0.1/32\"]"
    );
    assert_eq!(lift("GET https://1.1.1.1/"), "[[allow]]\nhost = \"1.1.1.1\"\ndo = [\"GET /\"]");
    assert_eq!(lift("GET https://[::ffff:10.0.0.1]/"), "");
    assert_eq!(lift("GET http://doorward.internal/"), "");
}

/// Attack B05, and how a server at home is allowed.
#[test]
fn private_addresses_need_private() {
    let home = "192.168.1.20:443".parse().unwrap();
    let lift_of = |text: &str| {
        let permit = decide(&policy(text), "GET https://nas.home.test/x").unwrap();
        let refusal = permit.check_address(home).unwrap_err();
        let want = "nas.home.test resolves to 192.168.1.20, an address of a private network; such addresses are \
                    refused unless the rule names them";
        assert_eq!(refusal.why, want);
        assert!(permit.check_address("1.1.1.1:443".parse().unwrap()).is_ok());
        refusal.lift.join("\n")
    };
    let exact = "[[allow]]\nhost = \"nas.home.test\"\naccess = \"read\"\n";
    let want =
        "# in the [[allow]] at policies/family.toml:1, add this, or add to its list:\nprivate = [\"192.168.1.20/32\"]";
    assert_eq!(lift_of(exact), want);
    let wild = "[[allow]]\nhost = \"*.home.test\"\naccess = \"read\"\n";
    for (text, lift) in [(exact, lift_of(exact)), (wild, lift_of(wild))] {
        let lifted = policy(&format!("{text}{lift}\n"));
        let permit = decide(&lifted, "GET https://nas.home.test/x").unwrap();
        assert!(permit.check_address(home).is_ok(), "{lift}");
        assert!(permit.check_address("[::ffff:192.168.1.20]:443".parse().unwrap()).is_ok());
        assert!(permit.check_address("192.168.1.21:443".parse().unwrap()).is_err());
    }
}

/// A thousand rules are found by hash; the verdict does not look at each.
#[test]
fn many_rules_judge_alike() {
    let rule = |n: usize| format!("[[allow]]\nhost = \"h{n}.test\"\naccess = \"read\"\n");
    let policy = policy(&(0..1000).map(rule).collect::<String>());
    assert_eq!(outcome(&policy, "GET https://h999.test/"), "allow 2998");
    assert_eq!(outcome(&policy, "GET https://h1000.test/"), "not_allowed");
}
