//! What the gate needs from outside to judge and to dial: names, and the count of what was
//! used. (The port to the audit log stands with its records in `audit.rs`.)

use std::net::IpAddr;
use std::sync::Arc;

use policies::{GroupName, Host, HostName, Limits, Refusal};

use crate::audit::Pending;

/// The port to the resolver.
pub trait Resolver: Send + Sync {
    /// Every address of a name. Called after the verdict and never before it.
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>>;
}

/// Makes a resolver: each door has one of its own. An answer that one group had asked for
/// would come sooner to another and tell it so, and sixteen names carry four bits.
pub type NewResolver = Arc<dyn Fn() -> Arc<dyn Resolver> + Send + Sync>;

/// One address of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The address; still to be checked.
    pub ip: IpAddr,
    /// Dial this port instead: only from the owner's `[upstream.hosts]`.
    pub port: Option<u16>,
}

/// The name has no address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unresolved(pub String);

/// The port to whoever counts what a group may use up over time (`[limits]`).
pub trait Budget: Send + Sync {
    /// Counts a request with its head's bytes, or a tunnel, before it is stored. Refused: not
    /// counted. `by_wildcard`: its host, where only a pattern of the policy names it. May wait until what the
    /// group has used is known.
    fn admit<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &Limits,
        by_wildcard: Option<&'a Host>,
        head: u64,
    ) -> Pending<'a, Result<(), Refusal>>;
    /// Counts bytes of a body before they are sent. Refused: they may not be.
    fn spend(&self, group: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal>;
}
