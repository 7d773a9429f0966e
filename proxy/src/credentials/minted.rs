//! Keys that a host makes and returns in answers: which requests bring them, and the credentials
//! that they become for the rest of the sandbox's life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use policies::{Authority, Facts, RequestPattern};
use secrecy::{ExposeSecret, SecretString};

use super::{Credential, Field, Keyring};
use crate::ports::Secrets;

/// Requests whose answers bring new keys.
#[derive(Clone, Debug)]
pub struct Mint {
    /// Which requests.
    pub requests: Vec<RequestPattern>,
    /// The keys' fields in the JSON answer.
    pub fields: Vec<Field>,
}

/// A key that a host made.
#[derive(Clone)]
pub struct MintedKey {
    pub(super) key: SecretString,
    /// When it was last used, as a count of all uses.
    used: Arc<AtomicU64>,
}

/// Counts the uses of all such keys.
static USES: AtomicU64 = AtomicU64::new(1);

/// The most such keys per sandbox; the least recently used one makes room.
const MOST: usize = 32;

impl MintedKey {
    fn new(key: SecretString) -> Self {
        let minted = MintedKey { key, used: Arc::default() };
        minted.is_used();
        minted
    }

    pub(super) fn is_used(&self) {
        self.used.store(USES.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Keyring {
    /// The credential with which this request makes keys, and the fields where they will be: the
    /// credential that was put on, if any.
    pub(crate) fn mints(&self, facts: &Facts, put_on: Option<&Arc<str>>) -> Option<(Credential, Vec<Field>)> {
        let own = self.credentials.iter().filter(|one| one.minted.is_none() && one.hosts.contains(&facts.authority));
        let here = |mint: &&Mint| mint.requests.iter().any(|one| one.touches(facts.method, &facts.path));
        let mut own = own.filter(|one| put_on.is_none_or(|name| one.name == *name)).map(|credential| {
            let fields = credential.mints.iter().filter(here).flat_map(|mint| mint.fields.clone());
            (credential, fields.collect::<Vec<Field>>())
        });
        let (credential, fields) = own.find(|(_, fields)| !fields.is_empty())?;
        Some((credential.clone(), fields))
    }

    /// Whether this is the secret of a credential of the host, and so not a new key.
    pub(crate) fn is_no_news(&self, authority: &Authority, key: &str, secrets: &dyn Secrets) -> bool {
        let names = self.guarded.get(authority).into_iter().flat_map(|guard| &guard.credentials);
        names.flat_map(|name| secrets.held(name)).any(|secret| secret.expose_secret() == key)
    }

    /// Whether this is a surrogate that the sandbox holds.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.credentials.iter().any(|credential| *credential.surrogate == *text)
    }

    /// The surrogate of a key that was made before: some hosts return the same one again.
    pub(crate) fn surrogate_of(&self, key: &SecretString) -> Option<SecretString> {
        let is = |minted: &MintedKey| minted.key.expose_secret() == key.expose_secret();
        let found = self.credentials.iter().find(|credential| credential.minted.as_ref().is_some_and(is));
        found.and_then(|credential| credential.minted.as_ref()).inspect(|minted| minted.is_used());
        found.map(|credential| SecretString::from(credential.surrogate.to_string()))
    }

    /// The keyring with one more key, which is used where its parent credential is; and the one
    /// that made room for it.
    pub(crate) fn with_minted(
        &self,
        credential: &Credential,
        key: &SecretString,
        surrogate: &SecretString,
    ) -> (Self, Option<Credential>) {
        let mut keyring = self.clone();
        let longest_unused = keyring.longest_unused();
        let gone = longest_unused.map(|at| keyring.credentials.remove(at));
        keyring.credentials.push(Credential {
            surrogate: surrogate.expose_secret().into(),
            minted: Some(MintedKey::new(key.clone())),
            mints: Vec::new(),
            grant: None,
            ..credential.clone()
        });
        (keyring, gone)
    }

    /// The index of the key to drop, once the maximum is reached.
    fn longest_unused(&self) -> Option<usize> {
        let used = |one: &Credential| Some(one.minted.as_ref()?.used.load(Ordering::Relaxed));
        let minted = self.credentials.iter().enumerate().filter_map(|(at, one)| Some((used(one)?, at)));
        let minted: Vec<_> = minted.collect();
        minted.iter().min().filter(|_| minted.len() >= MOST).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Registries issue a new token every few minutes: recent ones work, and those in use.
    #[test]
    fn the_key_that_was_not_used_for_the_longest_makes_room() {
        let own = Credential {
            name: "own".into(),
            hosts: vec![Authority::parse("a.test:443", None).unwrap()],
            places: Vec::new(),
            only: Vec::new(),
            surrogate: "own-surrogate".into(),
            grant: None,
            mints: Vec::new(),
            minted: None,
        };
        let mut keyring = Keyring::new(vec![own.clone()], []);
        let mut gone = Vec::new();
        for n in 0..MOST + 8 {
            let (more, out) =
                keyring.with_minted(&own, &format!("key-{n:08}").into(), &format!("surrogate-{n:08}").into());
            keyring = more;
            gone.extend(out.map(|one| one.surrogate.to_string()));
            // The first one is in constant use.
            let first = keyring.credentials.iter().find(|one| &*one.surrogate == "surrogate-00000000").unwrap();
            first.minted.as_ref().unwrap().is_used();
        }
        let want: Vec<_> = (1..=8).map(|n| format!("surrogate-{n:08}")).collect();
        assert_eq!(gone, want);
        assert_eq!(keyring.credentials.len(), MOST + 1);
        assert!(
            keyring.holds("own-surrogate")
                && keyring.holds("surrogate-00000000")
                && !keyring.holds("surrogate-00000001")
        );
    }
}
