//! Keys that a host makes and answers with: which requests bring them, and the
//! credentials that they are from then on, for as long as the sandbox lives.

use std::sync::Arc;

use policies::{Authority, Code, Facts, Refusal, RequestPattern};
use secrecy::{ExposeSecret, SecretString};

use super::{Credential, Field, Keyring};
use crate::ports::Secrets;

/// Requests whose answers bring new keys.
#[derive(Clone, Debug)]
pub struct Mint {
    /// Which requests.
    pub requests: Vec<RequestPattern>,
    /// Where in the JSON of the answer the keys stand.
    pub fields: Vec<Field>,
}

/// So many keys one sandbox may have made.
const MOST: usize = 32;

impl Keyring {
    /// The credential that this request makes keys with, and where they will stand: the one
    /// that was put on, if any was. Refused while the sandbox holds too many, before
    /// anything is made.
    pub(crate) fn mints(
        &self,
        facts: &Facts,
        put_on: Option<&Arc<str>>,
    ) -> Result<Option<(Credential, Vec<Field>)>, Refusal> {
        let own = self.credentials.iter().filter(|one| one.minted.is_none() && one.hosts.contains(&facts.authority));
        let here = |mint: &&Mint| mint.requests.iter().any(|one| one.touches(facts.method, &facts.path));
        for credential in own.filter(|one| put_on.is_none_or(|name| one.name == *name)) {
            let fields: Vec<Field> =
                credential.mints.iter().filter(here).flat_map(|mint| mint.fields.clone()).collect();
            if fields.is_empty() {
                continue;
            }
            self.takes_more()?;
            return Ok(Some((credential.clone(), fields)));
        }
        Ok(None)
    }

    /// Whether one more key fits.
    pub(crate) fn takes_more(&self) -> Result<(), Refusal> {
        if self.credentials.iter().filter(|one| one.minted.is_some()).count() < MOST {
            return Ok(());
        }
        let why = format!("this sandbox has had {MOST} keys made, which is as many as it may");
        Err(Refusal::new(Code::GroupLimit, why))
    }

    /// Whether this is the secret of a credential of the host, and so no new key.
    pub(crate) fn is_no_news(&self, authority: &Authority, key: &str, secrets: &dyn Secrets) -> bool {
        let names = self.guarded.get(authority).into_iter().flat_map(|guard| &guard.credentials);
        names.flat_map(|name| secrets.held(name)).any(|secret| secret.expose_secret() == key)
    }

    /// Whether this is a surrogate that the sandbox holds.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.credentials.iter().any(|credential| *credential.surrogate == *text)
    }

    /// The surrogate of a key that was made before: some hosts give the same one again.
    pub(crate) fn surrogate_of(&self, key: &SecretString) -> Option<SecretString> {
        let is = |minted: &SecretString| minted.expose_secret() == key.expose_secret();
        let found = self.credentials.iter().find(|credential| credential.minted.as_ref().is_some_and(is));
        found.map(|credential| SecretString::from(credential.surrogate.to_string()))
    }

    /// The same with one more key, which goes where the one goes that it was made with.
    pub(crate) fn with_minted(&self, credential: &Credential, key: &SecretString, surrogate: &SecretString) -> Self {
        let mut keyring = self.clone();
        keyring.credentials.push(Credential {
            surrogate: surrogate.expose_secret().into(),
            minted: Some(key.clone()),
            mints: Vec::new(),
            grant: None,
            ..credential.clone()
        });
        keyring
    }
}
