//! `tls = "tunnel"`: a host whose client accepts no certificate but its own (a pinning app). The
//! door sees only the name and counts the bytes, so there are no paths, no credential and no
//! conditions.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::verdict::{self, Reach};
use crate::{Adviser, Authority, CheckedAddress, Moment, PolicyHash, Refusal, RuleRef};

/// The proof that a connection may go through unopened. Like [`crate::Permit`], only the decision
/// makes it, and it cannot be cloned:
///
/// ```compile_fail
/// fn twice(permit: policies::TunnelPermit) -> (policies::TunnelPermit, policies::TunnelPermit) {
///     (permit.clone(), permit)
/// }
/// ```
#[derive(Debug)]
pub struct TunnelPermit {
    pub(super) authority: Authority,
    pub(super) rule: RuleRef,
    pub(super) policy: PolicyHash,
    pub(super) now: Moment,
    pub(super) private: Arc<[IpNet]>,
    pub(super) by_wildcard: bool,
    /// Whether `private` can be added to the rule itself.
    pub(super) takes_private: bool,
    pub(super) adviser: Adviser,
}

impl TunnelPermit {
    /// Where it leads; the server name in the handshake must be the same.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The rule that allowed it.
    pub fn rule(&self) -> &RuleRef {
        &self.rule
    }

    /// The policy that allowed it.
    pub fn policy(&self) -> PolicyHash {
        self.policy
    }

    /// The moment at which it was allowed.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Whether the rule names the host by a pattern.
    pub fn by_wildcard(&self) -> bool {
        self.by_wildcard
    }

    /// Checks an address that the host resolved to, before it is dialled.
    pub fn check_address(&self, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
        let reach = Reach {
            authority: &self.authority,
            facts: None,
            rule: &self.rule,
            private: &self.private,
            takes_private: self.takes_private,
            adviser: self.adviser,
        };
        verdict::check_address(&reach, address)
    }
}
