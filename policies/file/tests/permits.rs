//! What a permit says about the rule that gave it, and when a changed policy takes it back.
#![allow(clippy::unwrap_used)]

use policies::{Authority, Code, GroupName, Moment, Permit, Policy};
use policy_file::Source;

use super::words::{decide, policy};

fn permit(policy: &Policy, request: &str) -> Permit {
    decide(policy, request).unwrap_or_else(|refusal| panic!("{request}: {refusal}"))
}

/// Of the rules for one host, the permit names the one with the closest path, wherever it is.
#[test]
fn the_rule_that_says_the_most_is_named() {
    let rule = |path: &str| format!("[[allow]]\nhost = \"a.test\"\ndo = [\"GET {path}\"]\n");
    for (closer, wider) in [("/a/b", "/a/**"), ("/a/b", "/a/b*"), ("/a/b*", "/a/*"), ("/a/*", "/**")] {
        let request = format!("GET https://a.test{}", closer.replace('*', "b"));
        for (text, line) in [(rule(closer) + &rule(wider), 1), (rule(wider) + &rule(closer), 4)] {
            assert_eq!(permit(&policy(&text), &request).rule().line, line, "{text}");
        }
    }
}

/// What an allow gives depends on whether its host is a pattern: a pattern may cover a name never
/// requested before, and that is counted.
#[test]
fn a_permit_knows_whether_its_host_was_named() {
    let policy = policy(
        "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n[[allow]]\nhost = \"*.b.test\"\naccess = \"read\"\n\
         [[allow]]\nhost = \"**.c.test\"\ntls = \"tunnel\"\n[[allow]]\nhost = \"d.test\"\ntls = \"tunnel\"\n",
    );
    let by_wildcard = |host: &str| permit(&policy, &format!("GET https://{host}/")).by_wildcard();
    assert!(!by_wildcard("a.test") && by_wildcard("x.b.test"));
    let tunnel = |host: &str| {
        policy.at(Moment::FAR).decide_tunnel(&Authority::parse(host, Some(443)).unwrap()).unwrap().by_wildcard()
    };
    assert!(tunnel("x.y.c.test") && !tunnel("d.test"));
}

/// A request in flight goes on only if everything done under its permit would be done again.
#[test]
fn a_changed_policy_ends_what_it_would_not_begin() {
    let rule = |extra: &str| format!("[[allow]]\nhost = \"a.test\"\ndo = [\"POST /x\"]\n{extra}\n");
    let only = |word: &str| format!("json = {{ a = {{ only = [\"{word}\"] }} }}");
    let begun = |text: &str| permit(&policy(text), "POST https://a.test/x");
    let kept =
        |then: &str, now: &str| policy(now).at(Moment::FAR).upholds(&begun(then), None).map_err(|refusal| refusal.code);
    let (key, other, model) = ("credential = \"key\"", "credential = \"other\"", "model = true");
    let opaque = "opaque = true";
    let deny = "[[deny]]\nhost = \"a.test\"\njson = { b = \"present\" }\n";
    for (then, now, goes_on) in [
        (rule(""), rule("") + "[[deny]]\nhost = \"b.test\"\n", true),
        (rule(""), String::new(), false),
        (rule(key), rule(key) + &rule(model), true),
        (rule(key), rule(other), false),
        (rule(key), rule(""), false),
        (rule(model), rule(""), false),
        (rule(model), rule(model) + &rule(""), true),
        (rule(opaque), rule(""), false),
        (rule(""), rule(opaque), true),
        (rule(&only("x")), rule(""), true),
        (rule(&only("x")), rule(&only("x")) + "# moved\n", true),
        (rule(&only("x")), rule(&only("y")), false),
        (rule(""), rule(&only("x")), false),
        (rule(""), rule("") + deny, false),
        (rule("") + deny, rule("") + deny, true),
        (rule(&only("x")) + deny, rule(&only("x")), false),
    ] {
        let want = if goes_on { Ok(()) } else { Err(Code::Revoked) };
        assert_eq!(kept(&then, &now), want, "{then}\n->\n{now}");
    }
    let home = Some("192.168.1.20:443".parse().unwrap());
    let at_home = rule("private = [\"192.168.1.20/32\"]");
    assert!(policy(&at_home).at(Moment::FAR).upholds(&begun(&at_home), home).is_ok());
    assert_eq!(policy(&rule("")).at(Moment::FAR).upholds(&begun(&at_home), home).unwrap_err().code, Code::Revoked);
}

/// The same for a tunnel.
#[test]
fn a_changed_policy_ends_a_tunnel_too() {
    let rule = |extra: &str| format!("[[allow]]\nhost = \"a.test\"\ntls = \"tunnel\"\n{extra}\n");
    let begun =
        policy(&rule("")).at(Moment::FAR).decide_tunnel(&Authority::parse("a.test:443", None).unwrap()).unwrap();
    let kept = |now: &str, address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        policy(now).at(Moment::FAR).upholds_tunnel(&begun, address).map_err(|refusal| refusal.code)
    };
    assert_eq!(kept(&rule("ports = [443, 5223]"), Some("1.1.1.1:443")), Ok(()));
    assert_eq!(kept("", None), Err(Code::Revoked));
    assert_eq!(kept(&rule("ports = [5223]"), None), Err(Code::Revoked));
    assert_eq!(kept(&(rule("") + "[[deny]]\nhost = \"a.test\"\n"), None), Err(Code::Revoked));
    assert_eq!(kept(&rule(""), Some("192.168.1.20:443")), Err(Code::Revoked));
}

/// Only if it is set, and the owner is told each time what it means.
#[test]
fn an_answer_passes_unread_for_one_path_and_with_a_warning() {
    let text = "[[allow]]\nhost = \"a.test\"\ndo = [\"GET /x.7z\"]\nopaque = true\n\n\
                [[allow]]\nhost = \"a.test\"\naccess = \"read\"\n";
    let all = policy(text);
    let opaque = |request: &str| permit(&all, request).opaque();
    assert!(opaque("GET https://a.test/x.7z") && opaque("GET https://a.test/x.7z?y=1"));
    assert!(!opaque("GET https://a.test/y.7z") && !opaque("HEAD https://a.test/x.7z"));
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    let compiled = policy_file::compile(&GroupName::parse("family").unwrap(), &source, None).unwrap();
    let warned = compiled.warnings.to_string();
    assert!(
        warned.starts_with("family.toml:1:1: `opaque`: answers of a.test to these requests pass unread"),
        "{warned}"
    );
    assert_eq!(warned.lines().count(), 1, "{warned}");
}
