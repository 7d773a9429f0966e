//! What a refusal says besides its reason: the rule that came near, and the lines that would lift
//! it. A policy gets this from its adviser, a function supplied by whoever read the rules from a
//! file. Advice is text: it judges nothing.

use ipnet::IpNet;

use crate::rules::{AllowRule, DenyRule, Fit, Reading, TunnelRule};
use crate::{Authority, Facts, Host, Hours, RuleRef};

/// What was refused.
pub enum Refused<'a> {
    /// No allow covers the request. The list holds the rules that name its host, with how well each
    /// fits; the function finds the allows that name another host.
    NotCovered(&'a dyn Fn(&Host) -> Vec<&'a AllowRule>, &'a Reading<'a>, &'a [(Fit, &'a AllowRule)]),
    /// A rule covers it, at another time.
    OutsideHours(Closed<'a>),
    /// A deny covers it.
    Denied(&'a DenyRule),
    /// The owner is asked first.
    Asked(&'a AllowRule),
    /// The body does not meet the allow's conditions.
    Body(&'a Facts, &'a AllowRule),
    /// The host resolves to an address that is not on the public internet.
    Address(Resolved<'a>),
}

/// A host and an address that it resolved to.
pub struct Resolved<'a> {
    /// The rule that allowed the host.
    pub rule: &'a RuleRef,
    /// Whether `private` can be added to the rule itself: it is the group's own and names one host.
    pub takes_private: bool,
    /// The request that was allowed; `None` for a tunnel.
    pub facts: Option<&'a Facts>,
    /// Where it leads.
    pub authority: &'a Authority,
    /// The address alone.
    pub net: IpNet,
}

/// Text beside the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The rule that came near, and what differs.
    pub near: Option<String>,
    /// As in [`crate::Refusal`].
    pub lift: Vec<String>,
}

/// Who is asked for advice.
pub type Adviser = fn(&Refused<'_>) -> Advice;

/// A rule that would allow something at another time.
#[derive(Clone, Copy, Debug)]
pub enum Closed<'a> {
    /// A rule whose requests are judged.
    Allow(&'a AllowRule, &'a Hours),
    /// A tunnel.
    Tunnel(&'a TunnelRule, &'a Hours),
}

impl<'a> Closed<'a> {
    /// Where it stands.
    pub fn at(self) -> &'a RuleRef {
        match self {
            Closed::Allow(rule, _) => &rule.at,
            Closed::Tunnel(rule, _) => &rule.at,
        }
    }

    /// When it holds.
    pub fn hours(self) -> &'a Hours {
        match self {
            Closed::Allow(_, hours) | Closed::Tunnel(_, hours) => hours,
        }
    }
}
