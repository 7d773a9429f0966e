//! Rules as they judge one request whose host they name.

use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::body::Condition;
use crate::host_pattern::HostPattern;
use crate::request_pattern::{Methods, Outline, Segments};
use crate::{Facts, Method, Query, RequestPattern, RuleRef, Scheme};

/// Whose rule it is: says who can take it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The group's own file.
    Group,
    /// A preset that the group's file uses.
    Preset(Arc<str>),
    /// `base.toml`, which binds every group.
    Base,
}

impl Origin {
    /// The further out, the higher.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Origin::Group => 0,
            Origin::Preset(_) => 1,
            Origin::Base => 2,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AllowRule {
    pub(crate) at: RuleRef,
    pub(crate) origin: Origin,
    pub(crate) host: HostPattern,
    pub(crate) scheme: Scheme,
    pub(crate) ports: Vec<u16>,
    pub(crate) requests: Vec<RequestPattern>,
    /// The pairs that the query must consist of, sorted; none: there must be no query.
    /// `None` allows any.
    pub(crate) query: Option<Vec<(String, String)>>,
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) private: Vec<IpNet>,
    pub(crate) model: bool,
    /// Answers that cannot be looked into pass.
    pub(crate) opaque: bool,
    pub(crate) websocket: bool,
    /// What the body must be for the rule to allow.
    pub(crate) json: Option<Arc<[Condition]>>,
    pub(crate) why: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct DenyRule {
    pub(crate) at: RuleRef,
    pub(crate) origin: Origin,
    pub(crate) host: HostPattern,
    /// Empty: every port.
    pub(crate) ports: Vec<u16>,
    pub(crate) requests: Vec<RequestPattern>,
    /// What the body must be for the rule to deny.
    pub(crate) json: Option<Arc<[Condition]>>,
    pub(crate) why: Option<String>,
}

/// How well an allow rule fits a request of its host: the further, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    OtherPort,
    OtherPath,
    OtherMethod,
    /// The request asks for a WebSocket, and the rule does not say `websocket = true`.
    NoUpgrade,
    /// With the weight of the pattern that fits best.
    Fits(bool, usize),
}

/// A request with what the rules need of it, worked out once.
pub(crate) struct Reading<'a> {
    pub(crate) facts: &'a Facts,
    exact: Segments,
    wide: Segments,
    overrides: bool,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(facts: &'a Facts) -> Self {
        Reading {
            facts,
            exact: Segments::exact(facts.path.as_str()),
            wide: Segments::wide_request(&facts.path),
            overrides: facts.query.as_ref().is_some_and(overrides_method),
        }
    }

    /// The outline of the path as allows read it.
    pub(crate) fn outline(&self) -> Outline {
        self.exact.outline()
    }

    /// The same as denies read it.
    pub(crate) fn wide_outline(&self) -> Outline {
        self.wide.outline()
    }

    /// Whether the query asks the server to take the request for another method.
    /// Such a request has any method: a rule must allow all to allow it (attack G07).
    pub(crate) fn overrides_method(&self) -> bool {
        self.overrides
    }

    fn allowed_by(&self, methods: Methods) -> bool {
        if self.overrides { methods == Methods::Any } else { methods.cover(self.facts.method) }
    }

    fn denied_by(&self, methods: Methods) -> bool {
        self.overrides || methods.cover_widely(self.facts.method)
    }
}

impl AllowRule {
    /// How well it fits; the host is known to match.
    pub(crate) fn fit(&self, request: &Reading<'_>) -> Fit {
        let facts = request.facts;
        if self.scheme != facts.scheme || !self.ports.contains(&facts.authority.port) {
            return Fit::OtherPort;
        }
        if !self.query_fits(facts.query.as_ref()) {
            return Fit::OtherPath;
        }
        let upgrades = facts.upgrade.is_none() || (self.websocket && facts.method == Method::Get);
        let on_path = self.requests.iter().filter(|pattern| pattern.covers_path(&request.exact));
        let fit = |pattern: &RequestPattern| {
            let (literal, length) = pattern.weight();
            match request.allowed_by(pattern.methods) {
                true if upgrades => Fit::Fits(literal, length),
                true => Fit::NoUpgrade,
                false => Fit::OtherMethod,
            }
        };
        on_path.map(fit).max().unwrap_or(Fit::OtherPath)
    }

    /// The whole query, pair by pair as it stands: no pair more, no other spelling,
    /// so that no server can find another value in it.
    fn query_fits(&self, query: Option<&Query>) -> bool {
        let Some(wanted) = &self.query else { return true };
        let Some(query) = query else { return wanted.is_empty() };
        let mut pairs: Vec<_> =
            query.as_str().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        pairs.sort_unstable();
        pairs.into_iter().eq(wanted.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Whether both, of one host and with a credential each, name one and the same request.
    pub(crate) fn repeats(&self, other: &AllowRule) -> bool {
        self.query == other.query
            && self.ports.iter().any(|port| other.ports.contains(port))
            && self.requests.iter().any(|request| other.requests.contains(request))
    }
}

impl DenyRule {
    /// Whether it covers the request, read widely; the host is known to match.
    pub(crate) fn covers(&self, request: &Reading<'_>) -> bool {
        self.touches(request.facts.authority.port)
            && self.requests.iter().any(|pattern| {
                request.denied_by(pattern.methods) && pattern.covers_path_either_way(&request.exact, &request.wide)
            })
    }

    /// Whether it covers all there is on its host.
    pub(crate) fn covers_everything(&self) -> bool {
        self.ports.is_empty() && self.json.is_none() && self.requests.contains(&RequestPattern::anything())
    }

    /// Whether it forbids anything at all on this port: what goes by unopened cannot
    /// be held against it, so it must not go by unopened.
    pub(crate) fn touches(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }
}

/// The parameters by which frameworks let a query replace the method (Rails,
/// Symfony, Laravel, restify, OData and old Google APIs).
fn overrides_method(query: &Query) -> bool {
    const KEYS: [&str; 7] = [
        "_method",
        "_httpmethod",
        "_http_method",
        "httpmethod",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    query.as_str().split(['&', ';']).any(|pair| {
        let key = pair.split_once('=').map_or(pair, |(key, _)| key);
        let key = percent_decode(key);
        KEYS.iter().any(|known| key.trim_ascii().eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// For comparing only. What follows `[` (PHP's array syntax) is not looked at.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (byte, behind) = match (byte, code) {
            (b'%', Some(code)) => (code, &behind[2..]),
            (b'+', _) => (b' ', behind),
            _ => (byte, behind),
        };
        if byte == b'[' {
            break;
        }
        out.push(byte);
        rest = behind;
    }
    out
}
