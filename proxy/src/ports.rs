//! What the proxy needs from outside: secrets, names, budgets, and the host's own answers to its
//! agents. (The port to the audit log is with its records in `audit.rs`.)

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use policies::{Authority, Code, GroupName, Limits, Refusal};
use secrecy::SecretString;

use scan::Watchlist;

use gate::audit::{Identity, Tokens};

pub use crate::operation::{Caller, Intent};
pub use gate::Beside;
pub use gate::audit::Pending;
pub use gate::ports::{Budget, Held, NewResolver, Owner, Question, Resolved, Resolver, Unresolved, Yes};

/// The port to the vault.
pub trait Secrets: Send + Sync {
    /// The real secret of a credential, at the moment it is put on.
    fn reveal(&self, credential: &str) -> Result<SecretString, SecretUnavailable>;
    /// Every known value of a credential, including one rotated out recently: what may occur in an
    /// answer. Asks no source.
    fn held(&self, credential: &str) -> Vec<SecretString>;
    /// The keys that were made with it, for any sandbox.
    fn made(&self, _credential: &str) -> Vec<SecretString> {
        Vec::new()
    }
    /// Everything that must not leave: real secrets and the surrogates of every live sandbox.
    /// Replaced as a whole when it changes.
    fn watchlist(&self) -> Arc<Watchlist>;
    /// The request for a credential's token endpoint, if it is needed before `reveal`. `None` if
    /// there is a value, or if the credential has no such endpoint.
    fn due(&self, _credential: &str) -> Result<Option<TokenRequest>, SecretUnavailable> {
        Ok(None)
    }
    /// Takes in the endpoint's answer. Its secrets are watched for, and a new refresh token is
    /// stored, before any of it is used. May block.
    fn granted(&self, _credential: &str, _status: u16, _answer: &[u8]) -> Result<(), SecretUnavailable> {
        Ok(())
    }
    /// There was no answer: the endpoint is not asked again at once.
    fn not_granted(&self, _credential: &str, _why: &SecretUnavailable) {}
    /// Takes in a key that a host made with a credential for this sandbox: it is watched for before
    /// it is used. Returns the surrogate for the sandbox.
    fn minted(
        &self,
        _sandbox: &Identity,
        credential: &str,
        _key: &SecretString,
    ) -> Result<SecretString, SecretUnavailable> {
        Err(SecretUnavailable::plain(format!("credential {credential}: a new key cannot be kept here")))
    }
    /// A key of this sandbox was dropped for a newer one: its surrogate is worthless.
    fn given_up(&self, _sandbox: &Identity, _surrogate: &str) {}
    /// A host rejected the value from `reveal`.
    fn rejected(&self, _credential: &str) {}
    /// A host sent a secret back to this sandbox in pieces, and some got through: it gets no
    /// credentials from this group any more, until the owner says so.
    fn set_aside(&self, sandbox: &Identity, host: &Authority);
    /// Whether that has happened to this group at this host.
    fn is_set_aside(&self, group: &GroupName, host: &Authority) -> bool;
    /// How long a value from `reveal` is valid.
    fn lifetime(&self, _credential: &str) -> Option<Duration> {
        None
    }
}

/// A request for a new access token (RFC 6749 §6), except its destination. No `Debug`: it holds
/// secrets.
pub struct TokenRequest {
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: SecretString,
}

/// The secret cannot be read now. Contains no value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct SecretUnavailable {
    why: String,
    may_be_told: bool,
}

impl SecretUnavailable {
    /// With a reason for the owner only: it may name where the secret is, or quote the system.
    pub fn new(why: impl Into<String>) -> Self {
        SecretUnavailable { why: why.into(), may_be_told: false }
    }

    /// With a reason that says nothing about the host: a sandbox that holds the credential may read it.
    pub fn plain(why: impl Into<String>) -> Self {
        SecretUnavailable { why: why.into(), may_be_told: true }
    }

    /// As a refusal of a request that needs the credential.
    pub fn refusal(&self, credential: &str) -> Refusal {
        if self.may_be_told {
            return Refusal::new(Code::SecretUnavailable, &self.why);
        }
        let why = format!("the secret of credential {credential} cannot be used now");
        Refusal::new(Code::SecretUnavailable, why).logged_as(&self.why)
    }
}

/// The port to the count of what a group's models use.
pub trait Meter: Send + Sync {
    /// Reserves what a request may use, before it is stored, from what the group has left, and returns the
    /// number of the reservation. Refused if it is more than that. May wait until the group's use is known.
    fn reserve<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &'a Limits,
        most: &'a Tokens,
    ) -> Pending<'a, Result<u64, Refusal>>;
    /// Whether a model has a price: of the two names in a request and its answer, perhaps only one has.
    fn has_price(&self, model: &str) -> bool;
    /// An answer has come this far. Refused: it ends here, because the group has nothing left.
    fn goes_on(&self, group: &GroupName, limits: &Limits, hold: u64, so_far: &Tokens) -> Result<(), Refusal>;
    /// The request has ended, with this use.
    fn settle(&self, group: &GroupName, hold: u64, used: Option<&Tokens>);
}

/// The port to the host itself: operations that an agent may ask for at `http://doorward.internal`.
pub trait Internal: Send + Sync {
    /// Answers a request that was read completely, is for the host only, and is logged. Its
    /// operations are performed with an [`Intent`] each.
    fn answer(&self, caller: Caller, request: http::Request<Bytes>) -> Pending<'_, http::Response<Bytes>>;
}

/// For doors without an owner to ask: each question is refused at once.
#[derive(Clone, Copy, Debug)]
pub struct NobodyToAsk;

impl Owner for NobodyToAsk {
    fn ask(&self, question: Question, _: Held) -> Pending<'_, Result<Yes, Refusal>> {
        let why = "the owner is asked about this first, and nobody can be asked here";
        let refusal = Refusal { why: why.to_owned(), ..question.by.unanswered() };
        Box::pin(std::future::ready(Err(refusal)))
    }
}
