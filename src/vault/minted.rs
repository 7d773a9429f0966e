//! Keys that hosts made for a sandbox: in memory alone, and for as long as it lives.

use std::sync::Arc;
use std::time::Instant;

use proxy::audit::Identity;
use proxy::ports::SecretUnavailable;
use secrecy::{ExposeSecret, SecretString};

use super::{RotatedOut, State, Vault, surrogate};

/// A key, and whose it is.
pub(super) struct Minted {
    pub(super) credential: Arc<str>,
    identity: Identity,
    pub(super) secret: SecretString,
}

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
            return Err(SecretUnavailable(format!("credential {name}: the sandbox of a new key is gone")));
        }
        let text = surrogate::like(Some(key.expose_secret()));
        state.minted.push(Minted { credential: name.clone(), identity: identity.clone(), secret: key.clone() });
        state.hand_out(&name, identity, &text);
        self.watch(&state);
        Ok(text.into())
    }
}

impl State {
    /// The keys of a sandbox that is gone are given to nobody; their hosts may still take
    /// them, so they are watched for like others that were rotated out.
    pub(super) fn retire_minted(&mut self, identity: &Identity) {
        let since = Instant::now();
        for gone in self.minted.extract_if(.., |minted| minted.identity == *identity) {
            self.rotated_out.push(RotatedOut { credential: gone.credential, secret: gone.secret, since });
        }
    }
}
