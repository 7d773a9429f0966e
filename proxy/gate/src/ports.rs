//! What the gate needs from outside to judge and to dial: names, the count of what was used, and its
//! owner's word. (The port to the audit log stands with its records in `audit.rs`.)

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

/// The port to the owner, who says yes or no to what a policy asks about.
pub trait Owner: Send + Sync {
    /// Puts a question and waits for the answer, no longer than it says. Let go of: whoever asked has gone.
    /// A yes is used up by being given.
    fn ask(&self, question: Question, held: Held) -> Pending<'_, Result<Yes, Refusal>>;
}

/// A request as its owner is asked about it.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose it is.
    pub who: Identity,
    /// The agent's run under way.
    pub run: Option<u64>,
    /// What was judged.
    pub facts: Facts,
    /// Its path, as it may be shown.
    pub shown: Path,
    /// The credential that would be put on.
    pub credential: Option<Arc<str>>,
    /// What has its owner asked.
    pub by: Arc<AskedBy>,
    /// The policy that does: a yes is given under it, and ends with it.
    pub policy: PolicyHash,
    /// What identifies it, but for its body.
    pub fingerprint: Fingerprint,
    /// Its body.
    pub body: BodyHash,
    /// How long that is.
    pub bytes: u64,
    /// The names of its body's fields.
    pub fields: Vec<String>,
    /// What its head says.
    pub beside: Beside,
    /// What it does, in the words of its policy.
    pub says: String,
    /// How long it waits.
    pub until: Instant,
}

/// What a rule for such a request is made of. It is not kept for as long as a question can be answered.
pub struct Held {
    /// What has its owner asked.
    pub policy: Arc<Policy>,
    /// The moment that it judged by.
    pub now: Moment,
    /// The body.
    pub body: Bytes,
    /// Whether the head says that it is JSON.
    pub is_json: bool,
}

/// What an owner says to a request that waits, but for no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yes {
    /// This one may go.
    Once(GrantId),
    /// It may go, and others like it.
    Answer(GrantId),
    /// The policy is another now: it says itself whether the request may go.
    Anew,
}

/// Where nobody can be asked: each question is refused at once.
#[derive(Clone, Copy, Debug)]
pub struct NobodyToAsk;

impl Owner for NobodyToAsk {
    fn ask(&self, question: Question, _: Held) -> Pending<'_, Result<Yes, Refusal>> {
        let why = "the owner is asked about this first, and nobody can be asked here";
        let refusal = Refusal { why: why.to_owned(), ..question.by.unanswered() };
        Box::pin(std::future::ready(Err(refusal)))
    }
}
