//! A rule as it is shown to people and agents.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use policies::{AllowRule, Condition, DenyRule, HostPattern, Hours, Leave, Origin, Policy, RuleRef, TunnelRule};
use serde::Serialize;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// An `[[allow]]`.
    Allow,
    /// An `[[ask]]`.
    Ask,
    /// A `[[deny]]`.
    Deny,
}

/// A rule as `policy show` and the agent's manifest print it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleSummary {
    /// Where it stands.
    pub at: RuleRef,
    /// Whose it is.
    pub origin: Origin,
    /// `allow`, `ask` or `deny`.
    pub effect: Effect,
    /// As in `host`.
    pub host: String,
    /// `https` or `http`; `None` for a deny, which covers both.
    pub scheme: Option<&'static str>,
    /// Empty for a deny that covers every port.
    pub ports: Vec<u16>,
    /// As in `do`, even if the rule has `access`. Empty for a tunnel.
    pub requests: Vec<String>,
    /// `service=git-upload-pack`, if the rule wants exactly this query; an empty text: no query.
    pub query: Option<String>,
    /// The credential that it puts on.
    pub credential: Option<Arc<str>>,
    /// Networks it may reach besides the public internet.
    pub private: Vec<IpNet>,
    /// Whether it leads to a model.
    pub model: bool,
    /// Whether answers that cannot be looked into pass.
    pub opaque: bool,
    /// Whether no `[[ask]]` binds it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// `tunnel`, if the door does not look inside.
    pub tls: Option<&'static str>,
    /// Whether it lets WebSockets through.
    pub websocket: bool,
    /// The conditions on a JSON body, in words.
    pub json: Vec<String>,
    /// When it holds; `None`: always.
    pub hours: Option<Hours>,
    /// The owner's words.
    pub why: Option<String>,
}

/// Every rule with its place: the group's own first, then presets, then base.
pub fn summaries(policy: &Policy) -> Vec<RuleSummary> {
    let rules = policy.rules();
    let mut all: Vec<RuleSummary> = rules.allows.iter().map(RuleSummary::from).collect();
    all.extend(rules.tunnels.iter().map(RuleSummary::from));
    all.extend(rules.denies.iter().map(RuleSummary::from));
    all.sort_by(|a, b| (a.origin.rank(), &a.at).cmp(&(b.origin.rank(), &b.at)));
    all
}

impl Effect {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }

    fn of(leave: Leave) -> Self {
        match leave {
            Leave::Given | Leave::Unasked => Effect::Allow,
            Leave::Asked => Effect::Ask,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[[allow]]` or `[[ask]]`.
pub(crate) fn header(leave: Leave) -> String {
    format!("[[{}]]", Effect::of(leave))
}

impl RuleSummary {
    /// The requests of a rule, and what else it says about them: what `show`, `explain` and `diff`
    /// print besides its host, credential and place.
    pub fn in_words(&self) -> String {
        let RuleSummary {
            at: _,
            origin: _,
            effect: _,
            host: _,
            scheme: _,
            ports: _,
            requests,
            query,
            credential: _,
            private,
            model,
            opaque,
            unasked,
            tls,
            websocket,
            json,
            hours,
            why: _,
        } = self;
        let mut words = if tls.is_some() { "any, unopened".to_owned() } else { requests.join(", ") };
        words += &match query.as_deref() {
            None => String::new(),
            Some("") => ", without a query".to_owned(),
            Some(query) => format!(", with ?{query}"),
        };
        words += if *websocket { ", WebSocket" } else { "" };
        words.extend(json.iter().map(|condition| format!(", if {condition}")));
        words.extend(private.iter().map(|net| format!(", private {net}")));
        words += if *model { ", a model" } else { "" };
        words += if *opaque { ", answers unread where nobody can look into them" } else { "" };
        words.extend(hours.iter().map(|hours| format!(", only {hours}")));
        words += if *unasked { ", unasked" } else { "" };
        words
    }

    /// What it means, as one text; ignores `why`, the place, and the order of lists.
    pub fn meaning(&self) -> String {
        let at = RuleRef { file: "".into(), line: 0 };
        let mut rule = RuleSummary { at, why: None, ..self.clone() };
        rule.requests.sort_unstable();
        rule.ports.sort_unstable();
        rule.private.sort_unstable();
        format!("{rule:?}")
    }
}

// Each rule is destructured in full: a new field does not compile until it is shown.

impl From<&AllowRule> for RuleSummary {
    fn from(rule: &AllowRule) -> Self {
        let AllowRule {
            at,
            origin,
            leave,
            host,
            scheme,
            ports,
            requests,
            query,
            credential,
            private,
            model,
            opaque,
            websocket,
            json,
            hours,
            why,
        } = rule;
        let join = |pairs: &Vec<(String, String)>| {
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
        };
        RuleSummary {
            at: at.clone(),
            origin: origin.clone(),
            effect: Effect::of(*leave),
            host: host.to_string(),
            scheme: Some(scheme.as_str()),
            ports: ports.clone(),
            requests: requests.iter().map(ToString::to_string).collect(),
            query: query.as_ref().map(join),
            credential: credential.clone(),
            private: private.clone(),
            model: *model,
            opaque: *opaque,
            unasked: *leave == Leave::Unasked,
            tls: None,
            websocket: *websocket,
            json: conditions(json.as_ref()),
            hours: hours.clone(),
            why: why.clone(),
        }
    }
}

impl From<&DenyRule> for RuleSummary {
    fn from(rule: &DenyRule) -> Self {
        let DenyRule { at, origin, host, ports, requests, json, why } = rule;
        RuleSummary {
            requests: requests.iter().map(ToString::to_string).collect(),
            json: conditions(json.as_ref()),
            ..bare(Effect::Deny, at, origin, host, ports, why.as_ref())
        }
    }
}

impl From<&TunnelRule> for RuleSummary {
    fn from(rule: &TunnelRule) -> Self {
        let TunnelRule { at, origin, host, ports, private, hours, why } = rule;
        RuleSummary {
            scheme: Some("https"),
            private: private.clone(),
            tls: Some("tunnel"),
            hours: hours.clone(),
            ..bare(Effect::Allow, at, origin, host, ports, why.as_ref())
        }
    }
}

/// What denials and tunnels have in common.
fn bare(
    effect: Effect,
    at: &RuleRef,
    origin: &Origin,
    host: &HostPattern,
    ports: &[u16],
    why: Option<&String>,
) -> RuleSummary {
    RuleSummary {
        at: at.clone(),
        origin: origin.clone(),
        effect,
        host: host.to_string(),
        scheme: None,
        ports: ports.to_vec(),
        requests: Vec::new(),
        query: None,
        credential: None,
        private: Vec::new(),
        model: false,
        opaque: false,
        unasked: false,
        tls: None,
        websocket: false,
        json: Vec::new(),
        hours: None,
        why: why.cloned(),
    }
}

fn conditions(conditions: Option<&Arc<[Condition]>>) -> Vec<String> {
    conditions.into_iter().flat_map(|conditions| conditions.iter()).map(ToString::to_string).collect()
}
