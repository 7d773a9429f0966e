//! What an agent is told about its policy: what it may reach, how, and what is closed. What it is
//! not: the policy. It contains no files, lines, credential names, addresses or presets, and
//! nothing that would reveal observing.

use policies::{GroupName, Hours, Limits, Policy};
use serde::Serialize;

use crate::summary::{Effect, RuleSummary, summaries};

/// As JSON at `http://doorward.internal/policy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Whose it is.
    pub group: GroupName,
    /// What may be reached; everything else is refused.
    pub allowed: Vec<Reach>,
    /// What the owner is asked about first, even if it is allowed above: such a request waits for the
    /// answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Reach>,
    /// Whether the owner is asked about hosts that are not named here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks_about_others: bool,
    /// What is refused although something above covers it.
    pub denied: Vec<Reach>,
    /// How much may be used.
    pub limits: Limits,
    /// What to do about a refusal.
    pub how_to_ask: &'static str,
}

/// One rule, as an agent needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// `api.x.com`, `*.x.com` (one label more) or `**.x.com` (any depth).
    pub host: String,
    /// `https` or `http`; `None`: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// The ports; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// `METHOD /path`; empty: the connection goes through unopened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// The exact query; empty: there must be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What must be true of a JSON body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Whether it goes unasked, whatever the asks below cover, unless another rule gives it a credential.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// Whether WebSockets go through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub websocket: bool,
    /// Whether the door puts a real key on: send the surrogate from the environment.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub with_credential: bool,
    /// When, by the owner's clock; `None`: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// The owner's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

const HOW_TO_ASK: &str = "Only the owner can allow more. Tell the person you talk to what was refused and why; \
                          the answer of a refused request holds the lines that would allow it. The operation \
                          request_access (MCP at http://doorward.internal/mcp) tells the owner what you need.";

/// The manifest for the group's agent.
pub fn manifest(policy: &Policy) -> Manifest {
    let (mut allowed, mut asked, mut denied) = (Vec::new(), Vec::new(), Vec::new());
    for rule in summaries(policy) {
        let list = match rule.effect {
            Effect::Allow => &mut allowed,
            Effect::Ask => &mut asked,
            Effect::Deny => &mut denied,
        };
        list.push(Reach::from(rule));
    }
    Manifest {
        group: policy.group().clone(),
        allowed,
        asked,
        asks_about_others: policy.rules().asking.unlisted.is_some(),
        denied,
        limits: *policy.limits(),
        how_to_ask: HOW_TO_ASK,
    }
}

/// Destructured in full: whatever an agent is not told is left out by name.
impl From<RuleSummary> for Reach {
    fn from(rule: RuleSummary) -> Self {
        let RuleSummary {
            at: _,
            origin: _,
            effect: _,
            host,
            scheme,
            ports,
            requests,
            query,
            credential,
            private: _,
            model: _,
            opaque: _,
            unasked,
            tls: _,
            websocket,
            json,
            hours,
            why,
        } = rule;
        let with_credential = credential.is_some();
        Reach { host, scheme, ports, requests, query, body: json, unasked, websocket, with_credential, hours, why }
    }
}
