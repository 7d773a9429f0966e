//! What is refused beside the surrogate, in which words, and when it is an alarm.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use http::header::HeaderValue;
use http::{HeaderMap, HeaderName};
use policies::Facts;

use super::*;
use crate::credentials::HandedOut;

fn headers(came: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    came.iter().map(pair).collect()
}

/// The verdict on a request with this query and these headers at a host with a credential.
fn judged(target: &str, came: &[(&'static str, &str)], own: &[&str]) -> Result<(), Refusal> {
    let facts = Facts::parse("GET", &format!("https://a.test{target}")).unwrap();
    let own: Vec<_> = own
        .iter()
        .map(|own| match own.split_once(':').unwrap() {
            ("header", name) => Place::Header(name.parse().unwrap()),
            (_, name) => Place::Query(name.into()),
        })
        .collect();
    let headers = headers(came);
    let head = Head::new(&facts, &headers);
    refuse_others(head, None, &own, HandedOut::default().by(&[]))?;
    refuse_unknown(head, None, &own)
}

fn code(target: &str, came: &[(&'static str, &str)]) -> Option<Code> {
    judged(target, came, &[]).err().map(|refusal| refusal.code)
}

/// Attack K08 again: where browsers put keys that they cannot put into a header.
#[test]
fn a_subprotocol_is_a_name_and_no_key() {
    let code = |value| code("/ws", &[("sec-websocket-protocol", value)]);
    for value in ["mqtt", "chat, superchat", "v5.channel.k8s.io, v4.channel.k8s.io", "ocpp2.0.1", "v1.abc"] {
        assert_eq!(code(value), None, "{value}");
    }
    let token = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJjZGVmZ2hpamtsbW5vcA";
    for value in [token, "chat, 0a1b2c3d4e5f6a7b8c9d", "realtime, openai-insecure-api-key.sk-0a1b2c3d4e5f6a7b8c9d"] {
        assert_eq!(code(value), Some(Code::CredentialNotSurrogate), "{value}");
    }
    // A value that cannot be a key is no alarm.
    for value in ["chat, base64url.bearer.c2s", "k=v", "token-abc", "X-API-KEY", "v1.token.websocket.jupyter.org, v12"]
    {
        assert_eq!(code(value), Some(Code::NotHarmless), "{value}");
    }
}

/// Attack K08: whatever the header's name. And the request is not sent without it.
#[test]
fn a_header_that_nobody_knows_holds_no_key() {
    for (name, value) in [
        ("accept", "application/json;version=a1b2c3d4e5f6a7b8c9d0"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
        ("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("notion-version", "2022-06-28"),
        ("x-mode", "fast, and with 2 passes"),
        ("grpc-timeout", "5S"),
        ("stripe-account", "acct_1032D82eZvKYlo2C"),
        ("x-amz-meta-camera", "a1b2c3d4e5f6a7b8"),
        ("time-zone", "Europe/Berlin"),
        ("x-upload-offset", "123456789012"),
        ("x-next-page-token", "CAUQAA3f8b29d1e7c94a50b6"),
        ("x-ms-continuationtoken", "CAUQAA3f8b29d1e7c94a50b6"),
        ("last-event-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-ms-proposed-lease-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("upload-concat", "final;/files/a1b2c3d4e5f6 /files/b1b2c3d4e5f6"),
        ("x-trino-session", "query_max_run_time=2h,join_distribution_type=AUTOMATIC"),
    ] {
        assert_eq!(code("/x", &[(name, value)]), None, "{name}: {value}");
    }
    for (name, value) in [
        ("x-unknown", "0123456789abcdefABCDEF"),
        ("grpc-metadata-x", "0123456789abcdefABCDEF"),
        ("x-short", "a1b2c3d4e5f6"),
        ("x-dry-run", "validateOnly2026"),
        ("x-workspace", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("stripe-accounts", "acct_1032D82eZvKYlo2C"),
    ] {
        let refusal = judged("/x", &[(name, value)], &[]).unwrap_err();
        assert_eq!(refusal.code, Code::NotHarmless, "{name}: {value}");
        assert!(refusal.why.contains(&format!("harmless = [\"header:{name}\"]")), "{}", refusal.why);
        assert!(!refusal.why.contains(value), "{}", refusal.why);
        assert!(judged("/x", &[(name, value)], &[&format!("header:{name}")]).is_ok(), "{name}: {value}");
    }
    assert_eq!(code("/x", &[("x-unknown", "ghp_0123456789abcdef0123")]), Some(Code::CredentialNotSurrogate));
}

/// A value that cannot be a key raises no alarm; one that could be does, under the same name.
#[test]
fn an_alarm_is_about_a_value_that_could_be_a_key() {
    let key = "a1b2c3d4e5f6a7b8c9d0";
    for (name, value) in [
        ("x-session-affinity", "on"),
        ("x-token-count", "5"),
        ("x-api-key", "abc"),
        ("cookie", "a=b"),
        ("authorization", "Bearer undefined"),
        ("x-auth-request-redirect", "/home"),
        ("x-csrf-token", "none"),
        ("x-atlassian-token", "check"),
    ] {
        assert_eq!(code("/x", &[(name, value)]), Some(Code::NotHarmless), "{name}: {value}");
        assert_eq!(code("/x", &[(name, key)]), Some(Code::CredentialNotSurrogate), "{name}");
    }
    for name in ["access_token", "auth_token", "id_token", "refresh_token", "sessiontoken", "filter%5Btoken%5D"] {
        assert_eq!(code(&format!("/x?{name}=abc"), &[]), Some(Code::NotHarmless), "{name}");
        assert_eq!(code(&format!("/x?{name}={key}"), &[]), Some(Code::CredentialNotSurrogate), "{name}");
    }
    // The worst of several is reported.
    assert_eq!(code(&format!("/x?session=on&token={key}"), &[("cookie", "a=b")]), Some(Code::CredentialNotSurrogate));
}

/// A value that a host gave out may be sent back to it if the owner adds a line: for a list or a
/// form a line of its own, for a key the credential's mints.
#[test]
fn what_an_answer_brought_has_the_line_that_helps() {
    let token = "CAUQAA3f8b29d1e7c94a50b6";
    let (handed_out, credentials) = (Arc::new(HandedOut::default()), [Arc::from("a")]);
    let mut handing = crate::credentials::Handing::new(handed_out.clone(), Arc::from(credentials.clone()));
    handing.push(token.as_bytes());
    handing.end();
    let why = |target: &str, came: &[(&'static str, &str)]| {
        let (facts, headers) = (Facts::parse("GET", &format!("https://a.test{target}")).unwrap(), headers(came));
        let refusal = refuse_others(Head::new(&facts, &headers), None, &[], handed_out.by(&credentials)).unwrap_err();
        assert_eq!(refusal.code, Code::NotMinted, "{target}");
        refusal.why
    };
    for (name, hint) in [("older_token", "a list"), ("scroll_token", "a list"), ("token", ""), ("session", "")] {
        let why = why(&format!("/x?{name}={token}"), &[]);
        assert!(why.contains(&format!("harmless = [\"query:{name}\"]")) && !why.contains("mints"), "{why}");
        assert_eq!(why.contains("authenticates nobody;"), !hint.is_empty(), "{why}");
        assert!(why.contains(hint) && !why.contains(token), "{why}");
    }
    let form = why("/x", &[("x-csrf-token", token)]);
    assert!(form.contains("harmless = [\"header:x-csrf-token\"]") && form.contains("guards a form"), "{form}");
    for name in ["authorization", "x-api-key", "cookie"] {
        let why = why("/x", &[(name, token)]);
        assert!(why.contains("`mints`") && !why.contains("harmless"), "{why}");
    }
    // An access token does not belong to a list, whatever precedes it.
    assert!(!why(&format!("/x?nextAccessToken={token}"), &[]).contains("a list"));
}

/// Both name and value must match.
#[test]
fn a_header_passes_for_its_harmless_value_alone() {
    for (name, value) in [
        ("x-atlassian-token", "no-check"),
        ("x-atlassian-token", "NoCheck"),
        ("x-csrf-token", "Fetch"),
        ("npm-auth-type", "web"),
    ] {
        assert_eq!(code("/x", &[(name, value)]), None, "{name}: {value}");
    }
    for (name, value) in [
        ("x-atlassian-token", "fetch"),
        ("x-atlassian-token", "no-check, a1b2c3d4e5f6a7b8c9d0"),
        ("x-csrf-token", "no-check"),
        ("x-csrf-token", "fetch2"),
        ("x-vault-token", "fetch"),
        ("authorization", "fetch"),
        ("cookie", "fetch"),
        ("x-api-key", "no-check"),
        ("x-auth-token", "no-check"),
    ] {
        assert!(code("/x", &[(name, value)]).is_some(), "{name}: {value}");
    }
}

/// A refusal names its subject and the line that would allow it, and never a value.
#[test]
fn a_refusal_names_the_line_that_would_allow_it() {
    for (target, came, want) in [
        ("/x?api%5Bsession%5D=abc", &[][..], "harmless = [\"query:api[session]\"]"),
        ("/x?%24session=abc", &[], "harmless = [\"query:$session\"]"),
        ("/x?session%22=abc", &[], "harmless = [\"query:session\\\"\"]"),
        ("/x?caf%C3%A9token=abc", &[], "harmless = [\"query:caf\u{e9}token\"]"),
        ("/x", &[("x-session-affinity", "on")], "harmless = [\"header:x-session-affinity\"]"),
    ] {
        let refusal = judged(target, came, &[]).unwrap_err();
        assert!(refusal.why.contains(want), "{}", refusal.why);
        assert!(!refusal.why.contains("abc"), "{}", refusal.why);
    }
    // If there is no such line, none is named.
    for (target, came) in [
        ("/x", &[("authorization", "Bearer null")][..]),
        ("/x", &[("cookie", "a=b")]),
        ("/x", &[("x-api-key", "abc")]),
        ("/x;api_key=abc", &[]),
        ("/x?%74oken=abc", &[]),
    ] {
        let refusal = judged(target, came, &[]).unwrap_err();
        assert!(!refusal.why.contains("harmless"), "{}", refusal.why);
    }
}

/// The owner's line is about one name, in one spelling.
#[test]
fn harmless_is_a_name_with_its_escapes_undone() {
    let own = ["query:$token", "query:page[session]", "query:caf\u{e9}token", "query:session"];
    for target in [
        "/x?$token=a1b2c3d4e5f6a7b8",
        "/x?%24token=abc",
        "/x?page[session]=1",
        "/x?page%5Bsession%5D=1",
        "/x?session=abc",
    ] {
        assert!(judged(target, &[], &own).is_ok(), "{target}");
    }
    for target in [
        "/x?token=abc",
        "/x?$tokens[token]=abc",
        "/x?page[session][token]=1",
        "/x?Session=abc",
        "/x?%73ession=abc",
        "/x?%24%74oken=abc",
        "/x?%2524token=abc",
        "/x?session%00=abc",
    ] {
        assert!(judged(target, &[], &own).is_err(), "{target}");
    }
}
