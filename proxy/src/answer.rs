//! Refusals as answers: for the agent to read and to explain to its user.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use policies::{Code, Facts, GroupName, Refusal};
use serde::Serialize;

use crate::body::Body;

/// The body of a refusal, as JSON. The names are stable.
#[derive(Serialize)]
struct Refused<'a> {
    /// The only field that many clients show.
    error: String,
    code: Code,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    /// What to do about it, in lines for a person.
    how_to_ask: Vec<String>,
}

/// The answer to a refused request. It contains nothing of the request except what was judged: no
/// header, no query.
pub(crate) fn refused(refusal: Refusal, asked: Option<(&GroupName, &Facts)>) -> Response<Body> {
    let facts = asked.map(|(_, facts)| facts);
    let answer = Refused {
        error: format!("refused by doorward ({}): {}", refusal.code.as_str(), refusal.why),
        code: refusal.code,
        why: &refusal.why,
        rule: refusal.rule.as_ref().map(ToString::to_string),
        host: facts.map(|facts| facts.authority.host_header(facts.scheme)),
        method: facts.map(|facts| facts.method.as_str()),
        path: facts.map(|facts| facts.path.as_str()),
        how_to_ask: how_to_ask(&refusal, asked),
    };
    let mut text = serde_json::to_vec_pretty(&answer).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Body::text(Bytes::from(text)));
    *response.status_mut() = status(refusal.code);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-doorward", HeaderValue::from_static(refusal.code.as_str()));
    // The rest of the request is not read.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn how_to_ask(refusal: &Refusal, asked: Option<(&GroupName, &Facts)>) -> Vec<String> {
    if refusal.lift.is_empty() {
        return vec![general_advice(refusal.code).to_owned()];
    }
    let intro = "Only the owner of this assistant can allow this, by adding to the group's policy file:";
    let how =
        "To tell them so, use the operation request_access; http://doorward.internal/policy says what is allowed now.";
    // No command allows an address of a private network.
    let is_a_rule = refusal.code != Code::ResolvedPrivate && refusal.lift.iter().any(|line| line == "[[allow]]");
    let command = asked.filter(|_| is_a_rule).map(|(group, facts)| {
        format!("or by running on the machine that Doorward runs on: {}", facts.command_to_allow(group))
    });
    let lines = std::iter::once(intro.to_owned()).chain(refusal.lift.iter().cloned());
    lines.chain(command).chain([how.to_owned()]).collect()
}

/// For refusals that no policy line lifts.
fn general_advice(code: Code) -> &'static str {
    match code {
        Code::AuditUnavailable => {
            "Tell the owner: the audit log cannot be written, so nothing may leave. Try again later."
        }
        Code::UpstreamFailed | Code::Unresolved | Code::Timeout => {
            "The host did not answer as it should. Try again later, or check that the name is right."
        }
        Code::UpstreamUnreadable | Code::SecretInAnswer => {
            "The host answered, and its answer cannot be passed on; `why` says what can be done about it."
        }
        Code::TlsVerify => {
            "The host could not show who it is; `why` says what came instead. If it is the owner's own server: the CA of its certificate belongs into \
             extra_ca in doorward.toml, and a server without TLS is asked with http:// and a rule that says scheme = \"http\"."
        }
        Code::SecretUnavailable => "Tell the owner: the secret cannot be read. `doorward secret test` says why.",
        Code::SecretInRequest => {
            "Send it without what was found in it. A key goes as its surrogate, in its own place on its own host. This stands in the log as an alarm."
        }
        code if code.is_alarm() => {
            "Use the surrogate as it stands in the environment, in its own place on its own host only. This stands in the log as an alarm."
        }
        Code::SurrogateRetired => {
            "Send the surrogate that stands in the environment now; a key that a host made is asked of it anew."
        }
        Code::SurrogateMissing => {
            "Send the surrogate as it stands in the environment; a variable that is not set, or a text to be replaced, is none."
        }
        Code::NotHarmless => {
            "Send it without that header or parameter if it is not needed; if it is, ask the owner of this assistant for the line."
        }
        Code::NotMinted => {
            "What an answer brought goes back to its host only where the owner of this assistant has said so in doorward.toml; `why` names the line."
        }
        Code::LimitExceeded | Code::GroupLimit | Code::UsedUp => {
            "Wait, or ask the owner of this assistant to raise the limit in the group's policy file."
        }
        Code::SelfTarget | Code::OperationRefused => {
            "Doorward itself answers at http://doorward.internal/, spelled so, in plain HTTP through the door; GET it to see what can be asked."
        }
        Code::MethodDenied => "No rule can name this method. Ask for the same with one that a rule can name.",
        Code::PathAmbiguous => {
            "No rule can allow this: servers read it in different ways. Ask for the same page without dot segments, \
             backslashes, control characters, doubly escaped characters and #."
        }
        Code::Locked => "Nothing can be sent now. Only the owner can unlock it, on the machine that Doorward runs on.",
        Code::OwnerAway => {
            "Nothing but the model can be reached until the owner of this assistant writes again. Do what can be done without it."
        }
        Code::Revoked => "The owner has tightened the policy. Ask them if this is still needed.",
        _ => "Nothing in a policy allows this. Send the request in its plain, standard form.",
    }
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::AuthorityMalformed | Code::PathAmbiguous | Code::Framing | Code::SelfTarget | Code::Unsupported => {
            StatusCode::BAD_REQUEST
        }
        Code::AuthorityMismatch => StatusCode::MISDIRECTED_REQUEST,
        // For bodies: hyper answers a head that is too large.
        Code::TooLarge | Code::AskTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::GroupLimit | Code::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        Code::AuditUnavailable | Code::SecretUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Unresolved | Code::TlsVerify | Code::UpstreamFailed | Code::UpstreamUnreadable | Code::SecretInAnswer => {
            StatusCode::BAD_GATEWAY
        }
        _ => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(refusal: Refusal, facts: Option<&Facts>) -> (u16, serde_json::Value) {
        let family = GroupName::parse("family").unwrap();
        let response = refused(refusal, facts.map(|facts| (&family, facts)));
        let status = response.status().as_u16();
        assert_eq!(response.headers()["connection"], "close");
        let Body::Text(text) = response.into_body() else { panic!("our own words") };
        (status, serde_json::from_slice(&text).unwrap())
    }

    #[test]
    fn a_refusal_says_what_would_lift_it() {
        let facts = Facts::parse("POST", "https://news.example:8443/a?token=hidden").unwrap();
        let lift = vec!["[[allow]]".to_owned()];
        let refusal = Refusal { lift, ..Refusal::new(Code::NotAllowed, "no rule names it") };
        let (status, json) = json(refusal, Some(&facts));
        assert_eq!(status, 403);
        assert_eq!(json["code"], "not_allowed");
        assert_eq!(
            (&json["host"], &json["method"], &json["path"]),
            (&"news.example:8443".into(), &"POST".into(), &"/a".into())
        );
        assert_eq!(json["how_to_ask"][1], "[[allow]]");
        let command = json["how_to_ask"][2].as_str().unwrap();
        assert!(command.ends_with("doorward policy allow family POST https://news.example:8443/a"), "{command}");
        assert!(!json.to_string().contains("hidden"), "the query is nobody's business");
    }

    /// A change or a removal is not something a command can do.
    #[test]
    fn a_change_has_no_command() {
        let facts = Facts::parse("GET", "https://news.example/a").unwrap();
        let lift = vec!["# remove the [[deny]] at policies/family.toml:3".to_owned()];
        let (_, json) = json(Refusal { lift, ..Refusal::new(Code::DeniedByRule, "no") }, Some(&facts));
        assert!(!json.to_string().contains("policy allow"), "{json}");
    }

    #[test]
    fn a_refusal_that_nothing_lifts_gives_advice() {
        for code in [Code::Framing, Code::TlsVerify, Code::SecretInRequest, Code::AuditUnavailable, Code::Timeout] {
            let (_, json) = json(Refusal::new(code, "so it is"), None);
            assert_eq!(json["how_to_ask"].as_array().unwrap().len(), 1, "{code}");
            assert!(json.get("host").is_none());
        }
    }

    #[test]
    fn statuses_are_those_that_clients_understand() {
        for (code, wanted) in [
            (Code::NotAllowed, 403),
            (Code::Framing, 400),
            (Code::AuthorityMismatch, 421),
            (Code::TooLarge, 413),
            (Code::AuditUnavailable, 503),
            (Code::TlsVerify, 502),
            (Code::Timeout, 504),
        ] {
            assert_eq!(json(Refusal::new(code, "x"), None).0, wanted, "{code}");
        }
    }
}
