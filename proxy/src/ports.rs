//! What the proxy needs from outside: secrets, names and the count of what was used. (The third port, the
//! audit log, stands with its records in `audit.rs`.)

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use policies::{GroupName, Host, HostName, Limits, Refusal};
use secrecy::SecretString;

use crate::scan::Watchlist;

/// A future behind a port.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The port to the resolver.
pub trait Resolver: Send + Sync {
    /// Every address of a name. Called after the verdict and never before it.
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>>;
}

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

/// The port to the vault.
pub trait Secrets: Send + Sync {
    /// The real secret of a credential, at the moment it is put on.
    fn reveal(&self, credential: &str) -> Result<SecretString, SecretUnavailable>;
    /// Everything that must not leave: real secrets and surrogates of every live
    /// sandbox. Replaced whole when it changes.
    fn watchlist(&self) -> Arc<Watchlist>;
}

/// The secret cannot be read now. Names the source, never a value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretUnavailable(pub String);

/// The port to whoever counts what a group may use up over time (`[limits]`).
pub trait Budget: Send + Sync {
    /// Counts a request of so many bytes of head, or a tunnel, before it is stored. Refused: not
    /// counted. `by_wildcard`: its host, where only a pattern of the policy names it.
    fn admit(&self, group: &GroupName, limits: &Limits, by_wildcard: Option<&Host>, head: u64) -> Result<(), Refusal>;
    /// Counts bytes of a body before they are sent. Refused: they may not be.
    fn spend(&self, group: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal>;
}
