//! Keys that hosts made for a sandbox: in memory alone, and used for as long as it lives.

use std::sync::Arc;
use std::time::Instant;

use proxy::audit::Identity;
use proxy::ports::SecretUnavailable;
use secrecy::{ExposeSecret, SecretString};

use super::{ROTATED_OUT, State, Vault, surrogate};

/// A key, and whose it is.
pub(super) struct Minted {
    pub(super) credential: Arc<str>,
    identity: Identity,
    pub(super) secret: SecretString,
    /// Since when its sandbox is gone.
    gone: Option<Instant>,
}

/// So many keys of sandboxes that are gone are still watched for.
const GONE: usize = 256;

impl Vault {
    /// Takes a key in for a sandbox that lives, and makes its surrogate. Both are watched
    /// for once this returns.
    pub(super) fn take_in_minted(
        &self,
        identity: &Identity,
        credential: &str,
        key: &SecretString,
    ) -> Result<SecretString, SecretUnavailable> {
        let name = self.definition(credential)?.name.clone();
        let mut state = self.lock();
        if !state.surrogates.iter().any(|one| one.identity == *identity && !one.retired) {
            return Err(SecretUnavailable::plain(format!("credential {name}: the sandbox of a new key is gone")));
        }
        let text = surrogate::like(Some(key.expose_secret()));
        state.minted.push(Minted {
            credential: name.clone(),
            identity: identity.clone(),
            secret: key.clone(),
            gone: None,
        });
        state.hand_out(&name, identity, &text);
        self.watch(&state);
        Ok(text.into())
    }
}

impl State {
    /// The keys of a sandbox that is gone are given to nobody; their hosts may still take
    /// them, so they are watched for like secrets that were rotated out.
    pub(super) fn retire_minted(&mut self, identity: &Identity) {
        let now = Instant::now();
        for minted in self.minted.iter_mut().filter(|minted| minted.identity == *identity) {
            minted.gone.get_or_insert(now);
        }
        let more = self.minted.iter().filter(|minted| minted.gone.is_some()).count().saturating_sub(GONE);
        let mut oldest = 0;
        self.minted.retain(|minted| {
            let leaves = minted.gone.is_some() && oldest < more;
            oldest += usize::from(leaves);
            !leaves
        });
    }

    pub(super) fn forget_minted(&mut self, now: Instant) {
        self.minted.retain(|minted| minted.gone.is_none_or(|gone| now.saturating_duration_since(gone) < ROTATED_OUT));
    }
}
