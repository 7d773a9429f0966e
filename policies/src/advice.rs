//! What a refusal says beside its reason: the rule that came near, and the lines that would
//! lift it. A policy asks its adviser for it, which is whoever read the rules from a file.
//! Advice is text: it judges nothing.

use ipnet::IpNet;

use crate::rules::{AllowRule, Closed, DenyRule, Fit, Reading};
use crate::{Authority, Facts, Host, RuleRef};

/// What was refused.
pub enum Refused<'a> {
    /// No allow covers the request; these name its host, with how well each fits. The first says
    /// which allows name another host.
    NotCovered(&'a dyn Fn(&Host) -> Vec<&'a AllowRule>, &'a Reading<'a>, &'a [(Fit, &'a AllowRule)]),
    /// A rule covers it, at another time.
    OutsideHours(Closed<'a>),
    /// A deny covers it.
    Denied(&'a DenyRule),
    /// Its owner is asked first.
    Asked(&'a AllowRule),
    /// Its body is not as the allow wants it.
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
    /// What was allowed; none where a connection goes through unopened.
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
