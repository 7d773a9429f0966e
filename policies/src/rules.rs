//! Rules as they judge one request whose host they name.

use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::asks::Asks;
use crate::body::Condition;
use crate::host_pattern::HostPattern;
use crate::hours::{Hours, hold_now};
use crate::request_pattern::Methods;
use crate::segments::{Outline, Segments};
use crate::{Facts, Method, Moment, Query, RequestPattern, RuleRef, Scheme};

/// Whose rule it is, and so who can take it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The group's own file.
    Group,
    /// A preset that the group's file uses.
    Preset(Arc<str>),
    /// A skill that its owner has accepted for the group.
    Skill(Arc<str>),
    /// `base.toml`, which binds every group.
    Base,
}

impl Origin {
    /// The further out, the higher.
    pub fn rank(&self) -> u8 {
        match self {
            Origin::Group => 0,
            Origin::Preset(_) => 1,
            Origin::Skill(_) => 2,
            Origin::Base => 3,
        }
    }
}

/// Whether a rule gives what it opens, or asks the owner first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leave {
    /// An `[[allow]]`.
    Given,
    /// An `[[allow]]` with `unasked = true`: no `[[ask]]` binds what it covers.
    Unasked,
    /// An `[[ask]]`: each request needs a yes.
    Asked,
}

/// An `[[allow]]` or `[[ask]]` whose requests are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowRule {
    /// Where it stands.
    pub at: RuleRef,
    /// Whose it is.
    pub origin: Origin,
    /// Whether it gives, or asks the owner first.
    pub leave: Leave,
    /// Where to.
    pub host: HostPattern,
    /// How it travels.
    pub scheme: Scheme,
    /// Never empty.
    pub ports: Vec<u16>,
    /// The requests it covers; one pattern must fit.
    pub requests: Vec<RequestPattern>,
    /// The pairs that the query must consist of, sorted; empty: there must be no query. `None`
    /// allows any.
    pub query: Option<Vec<(String, String)>>,
    /// The credential that it puts on.
    pub credential: Option<Arc<str>>,
    /// Networks that the host may resolve to though they are not public.
    pub private: Vec<IpNet>,
    /// It leads to a model.
    pub model: bool,
    /// Answers that cannot be looked into pass.
    pub opaque: bool,
    /// WebSockets go through.
    pub websocket: bool,
    /// The conditions under which the rule allows a body.
    pub json: Option<Arc<[Condition]>>,
    /// When it holds; `None`: always.
    pub hours: Option<Hours>,
    /// The owner's words.
    pub why: Option<String>,
}

/// An `[[allow]]` with `tls = "tunnel"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRule {
    /// Where it stands.
    pub at: RuleRef,
    /// Whose it is.
    pub origin: Origin,
    /// Where to.
    pub host: HostPattern,
    /// Never empty.
    pub ports: Vec<u16>,
    /// Networks that the host may resolve to though they are not public.
    pub private: Vec<IpNet>,
    /// When it holds; `None`: always.
    pub hours: Option<Hours>,
    /// The owner's words.
    pub why: Option<String>,
}

/// A `[[deny]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyRule {
    /// Where it stands.
    pub at: RuleRef,
    /// Whose it is.
    pub origin: Origin,
    /// Where to.
    pub host: HostPattern,
    /// Empty: every port.
    pub ports: Vec<u16>,
    /// The requests it denies.
    pub requests: Vec<RequestPattern>,
    /// The conditions under which the rule denies a body.
    pub json: Option<Arc<[Condition]>>,
    /// The owner's words.
    pub why: Option<String>,
}

/// How well an allow rule fits a request to its host; a later variant is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Another scheme or port.
    OtherPort,
    /// Another path or query.
    OtherPath,
    /// Another method.
    OtherMethod,
    /// The request asks for a WebSocket, and the rule does not say `websocket = true`.
    NoUpgrade,
    /// Another time: all else fits.
    OutsideHours,
    /// It fits, with the weight of the pattern that fits best.
    Fits(bool, usize),
}

/// A request with everything that rules compare, worked out once.
pub struct Reading<'a> {
    /// The request.
    pub facts: &'a Facts,
    exact: Segments,
    wide: Vec<Segments>,
    asks: Asks,
}

impl<'a> Reading<'a> {
    /// Works out the rest from the facts.
    pub fn new(facts: &'a Facts) -> Self {
        Reading {
            facts,
            exact: Segments::exact(facts.path.as_str()),
            wide: Segments::wide_request(&facts.path),
            asks: Asks::of(facts),
        }
    }

    /// The same request, assuming that a field of its body asks for another method.
    pub(crate) fn asking_in_body(facts: &'a Facts) -> Self {
        Reading { asks: Asks::OtherMethodInBody, ..Reading::new(facts) }
    }

    /// The outline of the path as allows read it.
    pub(crate) fn outline(&self) -> Outline {
        self.exact.outline()
    }

    /// The same as denies read it.
    pub(crate) fn wide_outline(&self) -> Outline {
        Outline::of_all(self.wide.iter().map(Segments::outline))
    }

    /// Whether and how the request asks the server for more than its method says. Such a request
    /// may mean any method: only a rule that allows all of them allows it (attack G07).
    pub fn asks(&self) -> Asks {
        self.asks
    }

    /// Whether methods that an allow names cover what it asks for.
    pub fn allowed_by(&self, methods: Methods) -> bool {
        if self.asks == Asks::Nothing { methods.cover(self.facts.method) } else { methods == Methods::Any }
    }

    /// Whether a pattern covers it the way an allow's does.
    pub(crate) fn is_of(&self, pattern: &RequestPattern) -> bool {
        pattern.covers_path(&self.exact) && self.allowed_by(pattern.methods())
    }

    /// Whether a pattern covers it the way a deny's or an ask's does.
    fn bound_by(&self, pattern: &RequestPattern) -> bool {
        (self.asks != Asks::Nothing || pattern.methods.cover_widely(self.facts.method))
            && pattern.covers_path_either_way(&self.exact, &self.wide)
    }
}

impl AllowRule {
    /// How well it fits at a moment; the host is known to match.
    pub(crate) fn fit(&self, request: &Reading<'_>, now: Moment) -> Fit {
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
                true if !upgrades => Fit::NoUpgrade,
                true if !hold_now(self.hours.as_ref(), now) => Fit::OutsideHours,
                true => Fit::Fits(literal, length),
                false => Fit::OtherMethod,
            }
        };
        on_path.map(fit).max().unwrap_or(Fit::OtherPath)
    }

    /// Whether the owner is asked first.
    pub fn asks(&self) -> bool {
        self.leave == Leave::Asked
    }

    /// Whether an `[[ask]]` binds a request that others allow; the host is known to match. Matched
    /// as widely as a denial: another spelling or another query must not dodge an ask.
    pub(crate) fn binds(&self, request: &Reading<'_>, now: Moment) -> bool {
        self.asks()
            && self.scheme == request.facts.scheme
            && self.ports.contains(&request.facts.authority.port)
            && hold_now(self.hours.as_ref(), now)
            && self.requests.iter().any(|pattern| request.bound_by(pattern))
    }

    /// Whether it names the request once `%2F` is undone or an empty segment dropped.
    pub(crate) fn touches(&self, request: &Reading<'_>) -> bool {
        self.ports.contains(&request.facts.authority.port)
            && self
                .requests
                .iter()
                .any(|pattern| request.allowed_by(pattern.methods) && pattern.covers_widely(&request.wide))
    }

    /// Compares the whole query, pair by pair as it stands, with no pair more and no other
    /// spelling, so that no server can find another value in it.
    pub fn query_fits(&self, query: Option<&Query>) -> bool {
        let Some(wanted) = &self.query else { return true };
        let Some(query) = query else { return wanted.is_empty() };
        let mut pairs: Vec<_> =
            query.as_str().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        pairs.sort_unstable();
        pairs.into_iter().eq(wanted.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

impl DenyRule {
    /// Whether it covers the request, matched widely; the host is known to match.
    pub(crate) fn covers(&self, request: &Reading<'_>) -> bool {
        self.touches(request.facts.authority.port) && self.requests.iter().any(|pattern| request.bound_by(pattern))
    }

    /// Whether it forbids anything on this port. A tunnel could not be checked against it, so there
    /// must be none.
    pub fn touches(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }
}
