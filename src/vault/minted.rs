//! Keys that hosts made for a sandbox: held in memory only, and used while it lives.

use std::sync::Arc;
use std::time::Instant;

use proxy::audit::Identity;
use proxy::ports::SecretUnavailable;
use secrecy::{ExposeSecret, SecretString};

use super::{ROTATED_OUT, State, Vault, surrogate};

/// A key and its sandbox.
pub(super) struct Minted {
    pub(super) credential: Arc<str>,
    identity: Identity,
    surrogate: SecretString,
    pub(super) secret: SecretString,
    /// Since when its sandbox is gone, or holds newer ones instead.
    gone: Option<Instant>,
}

/// The most keys that are still watched for after a group has lost them.
const GONE: usize = 256;

impl Vault {
    /// Takes in a key for a live sandbox and makes its surrogate. Both are watched for when this returns.
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
            surrogate: text.clone().into(),
            secret: key.clone(),
            gone: None,
        });
        state.hand_out(&name, identity, &text);
        self.watch(&state);
        Ok(text.into())
    }

    /// Takes a key away from a live sandbox.
    pub(super) fn give_up_minted(&self, identity: &Identity, surrogate: &str) {
        let mut state = self.lock();
        let is_it = |owner: &Identity, text: &SecretString| owner == identity && text.expose_secret() == surrogate;
        for minted in state.minted.iter_mut().filter(|one| is_it(&one.identity, &one.surrogate)) {
            minted.gone.get_or_insert(Instant::now());
        }
        for held in state.surrogates.iter_mut().filter(|one| is_it(&one.identity, &one.text)) {
            held.retired = true;
        }
        state.bound_minted(identity);
        state.bound_retired();
        self.watch(&state);
    }
}

impl State {
    /// The keys of an ended sandbox are given to nobody; their hosts may still accept them, so they are watched for
    /// like rotated secrets.
    pub(super) fn retire_minted(&mut self, identity: &Identity) {
        let now = Instant::now();
        for minted in self.minted.iter_mut().filter(|minted| minted.identity == *identity) {
            minted.gone.get_or_insert(now);
        }
        self.bound_minted(identity);
    }

    /// Drops the oldest of the group's lost keys beyond the limit.
    fn bound_minted(&mut self, identity: &Identity) {
        let is_gone = |one: &Minted| one.gone.is_some() && one.identity.group == identity.group;
        let more = self.minted.iter().filter(|one| is_gone(one)).count().saturating_sub(GONE);
        let mut oldest = 0;
        self.minted.retain(|minted| {
            let leaves = is_gone(minted) && oldest < more;
            oldest += usize::from(leaves);
            !leaves
        });
    }

    pub(super) fn forget_minted(&mut self, now: Instant) {
        self.minted.retain(|minted| minted.gone.is_none_or(|gone| now.saturating_duration_since(gone) < ROTATED_OUT));
    }
}
