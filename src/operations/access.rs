//! `request_access`: the agent asks the owner for permission to send a request. The wish is stored and shown; nothing
//! is resolved or widened, and nothing waits for an answer.

use desk::screen::quotation;
use policies::{Authority, Code, Facts, GroupName, Method, Path, PolicyAt, Refusal, Scheme, Verdict};
use proxy::ports::Caller;

use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::{Chats, Operations, Proof, unavailable};
use crate::store::ledger::Notice;
use crate::store::{Kept, NewAccessRequest, NotKept};

/// The most wishes of one group that wait for the owner.
pub(super) const WAITING_AT_MOST: u32 = 50;

/// The longest reason, in characters.
pub(super) const WHY_AT_MOST: usize = 500;

/// The longest path, in bytes.
pub(super) const PATH_AT_MOST: usize = 500;

/// How much of the reason and of the path the owner's chat shows.
const WHY_SHOWN: usize = 160;
const PATH_SHOWN: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestAccess {
    /// `api.example.com`, with a port where it is not 443.
    host: String,
    /// `GET` by default.
    method: Option<String>,
    /// `/` by default.
    path: Option<String>,
    /// For the owner to read.
    why: String,
}

impl Asked for RequestAccess {
    fn described() -> Described {
        Described {
            what: "Asks the owner to allow an HTTPS request that the policy refuses. The owner sees it; nothing is \
                   allowed by it, and no answer comes: go on without, and say so to the person you talk to."
                .to_owned(),
            properties: json!({
                "host": { "type": "string", "description": "The exact host, like api.example.com; with :port where it is not 443" },
                "method": { "type": "string", "description": "The method; GET where nothing is said" },
                "path": { "type": "string", "description": "The exact path without a query; / where nothing is said" },
                "why": { "type": "string", "maxLength": WHY_AT_MOST, "description": "What it is for, for the owner to read" },
            }),
            required: &["host", "why"],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.request_access(caller, proof, self)
    }
}

impl Operations {
    fn request_access(&self, caller: &Caller, _: Proof<'_>, wanted: &RequestAccess) -> Result<String, Refusal> {
        let chats = self.chats()?;
        let facts = read(wanted)?;
        let request = format!("{} {}", facts.method, facts.url_without_query());
        let settled = settled(caller.policy_now().enforced(), facts.clone()).transpose()?;
        let is_asked = settled == Some(ASKED);
        if let Some(stands) = settled.filter(|_| !is_asked) {
            return Ok(format!("{request} {stands}"));
        }
        let group = &caller.identity().group;
        let kept = self.keep(chats, group, &facts, wanted)?;
        if is_asked {
            return Ok(format!("{request} {ASKED}"));
        }
        let told = told(group.as_str(), &facts, &wanted.why);
        if !kept.is_new {
            return Ok(format!(
                "The owner has been told of {request} before; it is not allowed yet. Do not wait for it."
            ));
        }
        let notice = Notice::new("access_request", Some(group), told);
        self.ledger.notice(&notice).map_err(Refusal::from)?;
        Ok(format!(
            "The owner is told that you ask for {request}. It is not allowed yet: do not wait for it, go on without."
        ))
    }

    /// Stores a wish as it is: the owner reads it, also beside the question if such a request is asked about.
    fn keep(&self, chats: &Chats, group: &GroupName, facts: &Facts, wanted: &RequestAccess) -> Result<Kept, Refusal> {
        let said = format!("{} {} {}", facts.authority, facts.path, wanted.why);
        self.say.check(group, &said)?;
        let new = NewAccessRequest {
            authority: &facts.authority.to_string(),
            method: facts.method.as_str(),
            path: facts.path.as_str(),
            why: &wanted.why,
        };
        chats.store.keep_access_request(group, &new, WAITING_AT_MOST).map_err(|error| match error {
            NotKept::TooMany => {
                let why = format!(
                    "{WAITING_AT_MOST} requests of this group wait for the owner; ask again when they have looked"
                );
                Refusal::new(Code::LimitExceeded, why)
            }
            NotKept::Store(error) => unavailable(&error),
        })
    }
}

/// The answer for a request that its owner is asked about.
const ASKED: &str = "is asked about when it is sent: send it, and wait for its answer.";

/// The wish as a request that can be judged. Nothing is resolved.
fn read(wanted: &RequestAccess) -> Result<Facts, Refusal> {
    let refuse = |why: String| Refusal::new(Code::OperationRefused, why);
    let path = wanted.path.as_deref().unwrap_or("/");
    if wanted.why.trim().is_empty() || wanted.why.chars().count() > WHY_AT_MOST {
        return Err(refuse(format!("`why` says in 1 to {WHY_AT_MOST} characters what it is for")));
    }
    if path.len() > PATH_AT_MOST {
        return Err(refuse(format!("`path` is at most {PATH_AT_MOST} bytes long")));
    }
    asked_facts(&wanted.host, wanted.method.as_deref().unwrap_or("GET"), path).map_err(refuse)
}

/// The request for a host, a method and a path: HTTPS, without a query.
pub fn asked_facts(authority: &str, method: &str, path: &str) -> Result<Facts, String> {
    let authority = Authority::parse(authority, Some(Scheme::Https.default_port()))
        .map_err(|error| format!("`host` is no host name: {error}"))?;
    let method = Method::parse(method).ok_or("`method` is none that Doorward carries; write it like GET or POST")?;
    let path = Path::parse(path).map_err(|error| format!("`path` cannot be read in exactly one way: {error}"))?;
    Ok(Facts { scheme: Scheme::Https, authority, method, path, query: None, upgrade: None })
}

/// Whether asking the owner in advance makes no sense: the request is allowed already, asked about when it is sent, or
/// denied for good.
fn settled(policy: PolicyAt<'_>, facts: Facts) -> Option<Result<&'static str, Refusal>> {
    let refusal = match policy.decide(facts) {
        Verdict::Allow(_) => return Some(Ok("is allowed already: send it.")),
        Verdict::Ask(_) => return Some(Ok(ASKED)),
        Verdict::Deny(_, refusal) => refusal,
    };
    if !refusal.lift.is_empty() {
        return None;
    }
    let why = match refusal.code {
        Code::DeniedByRule => {
            format!("a denial of the owner's stands, and no group's policy lifts it: {}", refusal.why)
        }
        _ => format!("no policy can allow this: {}", refusal.why),
    };
    Some(Err(Refusal::new(Code::OperationRefused, why)))
}

/// The text for the owner's chat: Doorward's words, with the agent's in quotation marks.
fn told(group: &str, facts: &Facts, why: &str) -> String {
    let host = quotation(&facts.authority.host_header(facts.scheme), usize::MAX);
    let path = quotation(facts.path.as_str(), PATH_SHOWN);
    format!(
        "The agent of group {group} asks to be allowed {host}: {} {path}. It says: \u{201c}{}\u{201d}",
        facts.method,
        quotation(why, WHY_SHOWN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly_and_nothing_is_guessed() {
        let read = |host: &str, path: &str| asked_facts(host, "GET", path).map(|facts| facts.url_without_query());
        assert_eq!(read("API.example.com", "/x"), Ok("https://api.example.com/x".to_owned()));
        assert_eq!(read("api.example.com:8443", "/"), Ok("https://api.example.com:8443/".to_owned()));
        for host in [
            "https://api.example.com",
            "*.example.com",
            "a b",
            "",
            "x@y.test",
            "ex\u{e4}mple.com",
            "a.test/x",
            "a.test\n",
        ] {
            assert!(read(host, "/").is_err(), "{host:?}");
        }
        for path in ["", "x", "/a?b", "/a/../b", "/a#b", "/a\nb"] {
            assert!(read("a.test", path).is_err(), "{path:?}");
        }
        assert!(asked_facts("a.test", "get", "/").is_err());
    }
}
