//! What the proxy needs from outside: secrets, names, the count of what was used, and the host's own answers to
//! its agents. (The port to the audit log stands with its records in `audit.rs`.)

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
pub use gate::ports::{Budget, Held, NewResolver, NobodyToAsk, Owner, Question, Resolved, Resolver, Unresolved, Yes};

/// The port to the vault.
pub trait Secrets: Send + Sync {
    /// The real secret of a credential, at the moment it is put on.
    fn reveal(&self, credential: &str) -> Result<SecretString, SecretUnavailable>;
    /// Every value of a credential that is known by now, one that was lately rotated out
    /// too: what may stand in an answer. Asks no source.
    fn held(&self, credential: &str) -> Vec<SecretString>;
    /// The keys that were made with it, whichever sandbox they are of.
    fn made(&self, _credential: &str) -> Vec<SecretString> {
        Vec::new()
    }
    /// Everything that must not leave: real secrets and surrogates of every live
    /// sandbox. Replaced whole when it changes.
    fn watchlist(&self) -> Arc<Watchlist>;
    /// What to ask a credential's token endpoint before `reveal` has something to give.
    /// Nothing where it has, or where the credential has no such endpoint.
    fn due(&self, _credential: &str) -> Result<Option<TokenRequest>, SecretUnavailable> {
        Ok(None)
    }
    /// Takes the endpoint's answer in. What it holds is watched for, and a new refresh
    /// token stored, before any of it is used. May block.
    fn granted(&self, _credential: &str, _status: u16, _answer: &[u8]) -> Result<(), SecretUnavailable> {
        Ok(())
    }
    /// There was no answer: not asked again at once.
    fn not_granted(&self, _credential: &str, _why: &SecretUnavailable) {}
    /// Takes in a key that a host made with a credential's help for this sandbox: watched
    /// for before it is used. Gives what the sandbox is to hold instead.
    fn minted(
        &self,
        _sandbox: &Identity,
        credential: &str,
        _key: &SecretString,
    ) -> Result<SecretString, SecretUnavailable> {
        Err(SecretUnavailable::plain(format!("credential {credential}: a new key cannot be kept here")))
    }
    /// A key that was made for this sandbox made room for newer ones: what the sandbox holds
    /// instead is worth nothing any more.
    fn given_up(&self, _sandbox: &Identity, _surrogate: &str) {}
    /// A host did not take what `reveal` gave.
    fn rejected(&self, _credential: &str) {}
    /// A host sent a secret back to this sandbox in pieces, of which some got through: it gets
    /// none of them from this group any more, until the owner says so.
    fn set_aside(&self, sandbox: &Identity, host: &Authority);
    /// Whether that has happened to this group at this host.
    fn is_set_aside(&self, group: &GroupName, host: &Authority) -> bool;
    /// How long what `reveal` gives is good.
    fn lifetime(&self, _credential: &str) -> Option<Duration> {
        None
    }
}

/// A request for a new access token (RFC 6749 §6), but for where it goes. No `Debug`:
/// it holds secrets.
pub struct TokenRequest {
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: SecretString,
}

/// The secret cannot be read now. Holds no value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct SecretUnavailable {
    why: String,
    may_be_told: bool,
}

impl SecretUnavailable {
    /// With a reason that may name where the secret is, or what the system said: the owner's to know.
    pub fn new(why: impl Into<String>) -> Self {
        SecretUnavailable { why: why.into(), may_be_told: false }
    }

    /// With one that holds nothing of the host: a sandbox that holds the credential may read it.
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

/// The port to whoever counts what a group's models use up.
pub trait Meter: Send + Sync {
    /// Holds what a request may use up, before it is stored, out of what the group has left; the number of that
    /// hold. Refused: it is more than that. May wait until what the group has used is known.
    fn reserve<'a>(
        &'a self,
        group: &'a GroupName,
        limits: &'a Limits,
        most: &'a Tokens,
    ) -> Pending<'a, Result<u64, Refusal>>;
    /// Whether a model has a price: of two names that a request and its answer give it, one may have none.
    fn has_price(&self, model: &str) -> bool;
    /// An answer has come this far. Refused: it ends here, for the group has nothing left.
    fn goes_on(&self, group: &GroupName, limits: &Limits, hold: u64, so_far: &Tokens) -> Result<(), Refusal>;
    /// The request has ended, and came to this.
    fn settle(&self, group: &GroupName, hold: u64, used: Option<&Tokens>);
}

/// The port to the host itself: what an agent may ask of it at `http://doorward.internal`.
pub trait Internal: Send + Sync {
    /// Answers a request that was read whole, is for the host alone, and stands in the
    /// log. What it asks for is performed with an [`Intent`] of its own.
    fn answer(&self, caller: Caller, request: http::Request<Bytes>) -> Pending<'_, http::Response<Bytes>>;
}
