//! `tls = "tunnel"`: a host whose client accepts no certificate but its own (a
//! pinning app). The door sees the name and counts the bytes, nothing else, so
//! there are no paths, no credential and no conditions.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::host_pattern::HostPattern;
use crate::rules::Origin;
use crate::verdict::{self, Reach};
use crate::{Authority, CheckedAddress, PolicyHash, Refusal, RuleRef};

#[derive(Clone, Debug)]
pub(crate) struct TunnelRule {
    pub(crate) at: RuleRef,
    pub(crate) origin: Origin,
    pub(crate) host: HostPattern,
    pub(crate) ports: Vec<u16>,
    pub(crate) private: Vec<IpNet>,
    pub(crate) why: Option<String>,
}

/// The proof that a connection may go through unopened. Like [`crate::Permit`] it is
/// made by the decision alone and cannot be cloned:
///
/// ```compile_fail
/// fn twice(permit: policies::TunnelPermit) -> (policies::TunnelPermit, policies::TunnelPermit) {
///     (permit.clone(), permit)
/// }
/// ```
#[derive(Debug)]
pub struct TunnelPermit {
    pub(crate) authority: Authority,
    pub(crate) rule: RuleRef,
    pub(crate) policy: PolicyHash,
    pub(crate) private: Arc<[IpNet]>,
    pub(crate) by_wildcard: bool,
    /// Whether `private` can be added to the rule itself.
    pub(crate) takes_private: bool,
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

    /// Whether the rule names the host by a pattern.
    pub fn by_wildcard(&self) -> bool {
        self.by_wildcard
    }

    /// Checks an address that the host resolved to, before it is dialled.
    pub fn check_address(&self, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
        let reach = Reach {
            host: &self.authority.host,
            rule: &self.rule,
            private: &self.private,
            takes_private: self.takes_private,
        };
        verdict::check_address(&reach, address, || self.lines())
    }

    /// A rule beside it, where its own is not the group's to change.
    fn lines(&self) -> Vec<String> {
        vec![
            "[[allow]]".to_owned(),
            format!("host = \"{}\"", self.authority.host),
            format!("ports = [{}]", self.authority.port),
            "tls = \"tunnel\"".to_owned(),
        ]
    }
}
