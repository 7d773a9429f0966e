//! What the gate needs from outside to judge and to dial: a resolver, a budget, and the owner. (The
//! port to the audit log is with its records in `audit.rs`.)

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use policies::{
    AskedBy, BodyHash, Facts, Fingerprint, GrantId, GroupName, Host, HostName, Limits, Moment, Path, Policy,
    PolicyHash, Refusal,
};
use tokio::time::Instant;

use crate::head::Beside;

use crate::audit::{Identity, Pending};

/// The port to the resolver.
pub trait Resolver: Send + Sync {
    /// Every address of a name. Called only after the verdict.
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>>;
}

/// Makes a resolver: each door has its own. If doors shared a cache, a quick answer would tell one
/// group what another had asked for, and sixteen names carry four bits.
pub type NewResolver = Arc<dyn Fn() -> Arc<dyn Resolver> + Send + Sync>;

/// One address of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The address, not yet checked.
    pub ip: IpAddr,
    /// Dial this port instead: only from the owner's `[upstream.hosts]`.
    pub port: Option<u16>,
}

/// The name has no address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unresolved(pub String);

/// The port to the count of what a group may use over time (`[limits]`).
pub trait Budget: Send + Sync {
    /// Counts a request with its head's bytes, or a tunnel, before it is stored. A refused one is not counted.
    /// `by_wildcard`: its host, if only a pattern of the policy names it. May wait until the group's use is known.
    fn admit<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &Limits,
        by_wildcard: Option<&'a Host>,
        head: u64,
    ) -> Pending<'a, Result<(), Refusal>>;
    /// Counts bytes of a body before they are sent. Refused bytes may not be sent.
    fn spend(&self, group: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal>;
}

/// The port to the owner, who says yes or no to what a policy asks about.
pub trait Owner: Send + Sync {
    /// Asks a question and waits for the answer, no longer than the question says. Dropping the
    /// future means that whoever asked has gone. A yes is used up when it is given.
    fn ask(&self, question: Question, held: Held) -> Pending<'_, Result<Yes, Refusal>>;
}

/// A request as the owner is asked about it.
#[derive(Clone, Debug)]
pub struct Question {
    /// The sandbox that sent it.
    pub who: Identity,
    /// The agent's current run.
    pub run: Option<u64>,
    /// The facts that were judged.
    pub facts: Facts,
    /// Its path, as it may be shown.
    pub shown: Path,
    /// The credential that would be put on.
    pub credential: Option<Arc<str>>,
    /// The rule that has the owner asked.
    pub by: Arc<AskedBy>,
    /// The policy with that rule: a yes is given under it, and ends with it.
    pub policy: PolicyHash,
    /// Identifies the request except for its body.
    pub fingerprint: Fingerprint,
    /// Its body.
    pub body: BodyHash,
    /// Length of the body.
    pub bytes: u64,
    /// The names of its body's fields.
    pub fields: Vec<String>,
    /// What its head says beyond what every client sends.
    pub beside: Beside,
    /// What it does, in the words of its policy.
    pub says: String,
    /// When it stops waiting.
    pub until: Instant,
}

/// What a rule for such a request is made from. It is kept for less time than the question can be answered.
pub struct Held {
    /// The policy that has the owner asked.
    pub policy: Arc<Policy>,
    /// The moment at which it was judged.
    pub now: Moment,
    /// The body.
    pub body: Bytes,
    /// Whether the head says that it is JSON.
    pub is_json: bool,
}

/// The owner's answer to a waiting request, other than no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yes {
    /// This request may go.
    Once(GrantId),
    /// It may go, and others like it.
    Answer(GrantId),
    /// The policy has changed: the request is judged by the new one.
    Anew,
}
