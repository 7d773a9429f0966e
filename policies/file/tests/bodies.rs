//! Rules that look into bodies, in whole policies.
#![allow(clippy::unwrap_used)]

use policies::{BodyConditions, Refusal, Unfit};

use super::words::*;

const BODIES: &str = r#"
[[allow]]
host = "model.test"
do = ["POST /v1/messages"]
json = { "tools[*].type" = { not = ["web_fetch*"] }, "model" = { only = ["claude-*"] }, "file_url" = "absent" }
credential = "key"
model = true

[[deny]]
host = "model.test"
json = { "mcp_servers" = "present" }
why = "servers of others act for the agent"
"#;

fn refused(conditions: &BodyConditions, body: &str) -> Option<Refusal> {
    conditions.check(body.as_bytes()).err().map(Unfit::into_refusal)
}

#[test]
fn bodies_are_judged() {
    let policy = policy(BODIES);
    let permit = decide(&policy, "POST https://model.test/v1/messages").unwrap();
    assert!(permit.model() && permit.credential().is_some() && !permit.observed());
    let conditions = permit.body_conditions().unwrap();
    let code = |body: &str| refused(conditions, body).map_or("ok", |refusal| refusal.code.as_str());
    assert_eq!(code(r#"{"model":"claude-x","tools":[{"type":"custom"}]}"#), "ok");
    assert_eq!(code(r#"{"model":"claude-x","tools":[{"type":"web_fetch_1"}]}"#), "body_condition");
    assert_eq!(code(r#"{"model":"other"}"#), "body_condition");
    assert_eq!(code(r#"{"file_url":"https://x"}"#), "body_condition");
    assert_eq!(code(r#"{"mcp_servers":[]}"#), "denied_by_rule");
    assert_eq!(code(""), "body_unreadable");
    assert_eq!(code("{"), "body_unreadable");
    let refusal = refused(conditions, r#"{"mcp_servers":[]}"#).unwrap();
    assert_eq!((refusal.why.as_str(), refusal.rule.unwrap().line), ("servers of others act for the agent", 9));
    let refusal = refused(conditions, r#"{"model":"secret-text"}"#).unwrap();
    assert_eq!(refusal.why, "the rule wants that in the body every `model` is \"claude-*\"");
    assert_eq!(refusal.lift, ["# change or remove `json` in the [[allow]] at policies/family.toml:2"]);
}

/// A rule without conditions beside one with them, in every combination of credentials.
#[test]
fn allows_with_and_without_conditions() {
    let with = |extra: &str| {
        format!("[[allow]]\nhost = \"a.test\"\ndo = [\"POST /x\"]\njson = {{ a = \"absent\" }}\n{extra}\n")
    };
    let without = |extra: &str| format!("[[allow]]\nhost = \"a.test\"\ndo = [\"POST /x\"]\n{extra}\n");
    let permit = |text: String| decide(&policy(&text), "POST https://a.test/x").unwrap();
    assert!(permit(with("")).body_conditions().is_some());
    assert!(permit(with("") + &without("")).body_conditions().is_none());
    assert!(permit(with("credential = \"key\"") + &without("credential = \"key\"")).body_conditions().is_none());
    // The rule without conditions was not written for requests that carry the credential.
    assert!(permit(with("credential = \"key\"") + &without("")).body_conditions().is_some());
    assert!(permit(with("") + &without("credential = \"key\"")).body_conditions().is_none());
    // What a rule gives along with conditions, it gives only with them.
    assert!(!permit(with("model = true") + &without("")).model());
    assert!(permit(with("model = true") + &with("")).model());
    let home = "private = [\"192.168.1.20/32\"]";
    assert!(permit(with(home) + &without("")).check_address("192.168.1.20:443".parse().unwrap()).is_err());
}

#[test]
fn a_request_without_a_body_has_no_fields() {
    let policy = policy("[[allow]]\nhost = \"a.test\"\ndo = [\"* /**\"]\njson = { a = \"absent\" }\n");
    for (method, want) in [("GET", true), ("HEAD", true), ("DELETE", true), ("POST", false), ("PUT", false)] {
        let permit = decide(&policy, &format!("{method} https://a.test/")).unwrap();
        assert_eq!(permit.body_conditions().unwrap().check(b"").is_ok(), want, "{method}");
    }
}

/// A `[[test]]` may give a body; without one, only the rest is judged.
#[test]
fn tests_with_bodies() {
    let test = |body: &str, want: &str| {
        format!("{BODIES}[[test]]\nrequest = \"POST https://model.test/v1/messages\"\n{body}\nwant = \"{want}\"\n")
    };
    for text in [
        test("body = '{\"model\":\"claude-x\"}'", "allow"),
        test("body = '{\"model\":\"other\"}'", "deny"),
        test("body = 'x'", "deny"),
        test("", "allow"),
    ] {
        assert!(compile(&text, "").warnings.is_empty(), "{text}");
    }
}
