//! The verdict, and the permit that proves an allow.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;

use crate::ask::Ask;
use crate::asking::AskedBy;
use crate::terms::Terms;
use crate::{Adviser, Authority, Facts, Refusal, RuleRef, address};

/// Allow, ask or deny, always with the rule that decided (if none did: deny).
#[derive(Debug)]
pub enum Verdict {
    /// The request may go.
    Allow(Permit),
    /// The owner has to be asked first. If the body decides that, the verdict is an allow whose
    /// conditions on the body say so.
    Ask(Ask),
    /// It may not, and this is why. The facts come back for the log.
    Deny(Facts, Refusal),
}

/// The proof of an allow; whatever is sent upstream is made from it alone.
///
/// It owns the facts it was made for, cannot be cloned, and is constructed only by this crate's
/// decision:
///
/// ```compile_fail
/// fn forged(terms: policies::Terms) -> policies::Permit {
///     policies::Permit { terms, ..unimplemented!() }
/// }
/// ```
/// ```compile_fail
/// fn twice(permit: policies::Permit) -> (policies::Permit, policies::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
/// A question becomes nothing but a refusal or a [`crate::Grant`], which is an input of the same
/// decision:
///
/// ```compile_fail
/// fn go(ask: policies::Ask) -> policies::Permit {
///     ask.into_permit()
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(super) terms: Terms,
    /// What else it has its host read or remove, by a header.
    pub(super) reached: Vec<Facts>,
    pub(super) searched: OnceLock<Searched>,
}

/// What a request's body is searched for, as the policy that gave the permit demanded. A policy that demands more
/// does not uphold the permit while part of the body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// Fields that ask for another method.
    pub other_methods: bool,
    /// What only looks like a secret.
    pub lookalikes: bool,
}

/// An address that was checked against the permit for which it is dialled. Only
/// [`Permit::check_address`] makes one, and dialling needs it.
///
/// ```compile_fail
/// let address: std::net::SocketAddr = "127.0.0.1:443".parse().unwrap();
/// let checked = policies::CheckedAddress(address);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckedAddress(SocketAddr);

impl Permit {
    /// Gives up the permit for a question: its body is one that the owner is asked about.
    pub fn into_ask(self, by: Arc<AskedBy>) -> Ask {
        let Permit { terms, .. } = self;
        Ask::new(terms, by)
    }

    /// The same for a request that also has its host read or remove these.
    #[must_use]
    pub fn that_reaches(mut self, reached: Vec<Facts>) -> Permit {
        self.reached = reached;
        self
    }

    /// Notes what its body is searched for; only the first note counts.
    pub fn searches(&self, searched: Searched) {
        let _ = self.searched.set(searched);
    }

    pub(crate) fn reached(&self) -> &[Facts] {
        &self.reached
    }

    pub(crate) fn searched(&self) -> Option<&Searched> {
        self.searched.get()
    }

    /// The same if only a model may be asked: the body must meet the conditions of a rule that leads to one,
    /// whatever other rules open.
    #[must_use]
    pub fn of_models_alone(mut self) -> Permit {
        self.terms.given.body.bind_to_models();
        self
    }

    /// What was judged, and what the request gets.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Checks an address that the host resolved to, before it is dialled and before a pooled
    /// connection to it is used again.
    pub fn check_address(&self, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
        let reach = Reach {
            authority: &self.terms.facts.authority,
            facts: Some(&self.terms.facts),
            rule: &self.terms.given.rule,
            private: &self.terms.given.private,
            takes_private: self.terms.given.takes_private,
            adviser: self.terms.adviser,
        };
        check_address(&reach, address)
    }
}

impl std::ops::Deref for Permit {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}

/// What a permit says about where it leads: all that the check of an address needs.
pub(crate) struct Reach<'a> {
    pub(crate) authority: &'a Authority,
    /// `None` for a tunnel.
    pub(crate) facts: Option<&'a Facts>,
    pub(crate) rule: &'a RuleRef,
    pub(crate) private: &'a [IpNet],
    /// As in [`Resolved`].
    pub(crate) takes_private: bool,
    pub(crate) adviser: Adviser,
}

pub(super) fn check_address(reach: &Reach<'_>, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
    let ip = address.ip();
    let is_named = reach.private.iter().any(|net| net.contains(&ip.to_canonical()));
    match address::special(ip) {
        Some(kind) if !is_named => Err(reach.refuses(ip, kind)),
        _ => Ok(CheckedAddress(address)),
    }
}

impl CheckedAddress {
    /// The address to dial.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}
