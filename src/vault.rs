//! The vault: real secrets and the surrogates that sandboxes hold instead.
//!
//! A secret is read from its source when needed and held only in memory. A surrogate is random, valid for one
//! sandbox, and dies with it; retired ones are still recognised, so that an old conversation that quotes one raises no
//! alarm.
//!
//! **Invariants**
//! - No value is ever in a message, `Debug` output or log line.
//! - Whatever [`Vault::reveal`] returns is on the watchlist first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use desk::lock;
use policies::{Authority, GroupName};
use proxy::audit::Identity;
use proxy::ports::{SecretUnavailable, Secrets, TokenRequest};
use proxy::{Credential, Grant, Guarded, Keyring, aside};
use scan::{SHORTEST, Watched, WatchedKind, Watchlist};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, SecretSource};

mod grants;
mod minted;
mod set_aside;
pub mod stand_in;
mod surrogate;

use minted::Minted;
pub use set_aside::SetAside;

/// How long a value counts as current before its source is read again.
const FRESH: Duration = Duration::from_secs(5);

/// The same for a keyring: asking it means starting a program.
const KEPT: Duration = Duration::from_secs(60);

/// How long a program that gave no secret is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// How long a secret is watched for after rotation: its issuer may still accept it.
const ROTATED_OUT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many retired surrogates are remembered.
const RETIRED: usize = 256;

/// What a sandbox gets: its keyring, and the environment with the surrogates.
pub struct Issued {
    /// For its door.
    pub keyring: Keyring,
    /// For its agent.
    pub environment: Vec<(String, String)>,
}

/// All credentials of an installation.
pub struct Vault {
    definitions: BTreeMap<Arc<str>, config::Credential>,
    state: Mutex<State>,
    watchlist: ArcSwap<Watchlist>,
    set_aside: SetAside,
}

#[derive(Default)]
struct State {
    values: BTreeMap<Slot, Value>,
    /// Refresh tokens that could not be stored: nothing proceeds until they are.
    unsaved: BTreeMap<Arc<str>, SecretString>,
    rotated_out: Vec<RotatedOut>,
    minted: Vec<Minted>,
    canaries: Vec<(Arc<str>, SecretString)>,
    /// Credentials whose programs are running.
    asked: BTreeSet<Arc<str>>,
    /// Credentials whose programs gave nothing, when and why.
    failed: BTreeMap<Arc<str>, (Instant, SecretUnavailable)>,
    /// Oldest first.
    surrogates: VecDeque<Surrogate>,
}

/// Which of a credential's secrets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// What is put on requests.
    Own,
    /// What brings access tokens, and is replaced by its issuer.
    Refresh,
    /// What authenticates the client itself.
    Client,
}

type Slot = (Arc<str>, Part);

struct Value {
    secret: SecretString,
    read_at: Instant,
    /// For access tokens, which expire.
    until: Option<Instant>,
}

impl State {
    fn hand_out(&mut self, credential: &Arc<str>, identity: &Identity, text: &str) {
        let (credential, identity) = (credential.clone(), identity.clone());
        let text = SecretString::from(text.to_owned());
        self.surrogates.push_back(Surrogate { credential, identity, retired: false, text });
    }

    fn bound_retired(&mut self) {
        while self.surrogates.iter().filter(|one| one.retired).count() > RETIRED {
            let oldest = self.surrogates.iter().position(|one| one.retired);
            oldest.and_then(|at| self.surrogates.remove(at));
        }
    }

    /// Why a source failed a moment ago: it is not asked again yet.
    fn failed_lately(&self, name: &str) -> Option<SecretUnavailable> {
        let (since, why) = self.failed.get(name)?;
        (since.elapsed() < PAUSE).then(|| why.clone())
    }

    fn forget(&mut self, now: Instant) {
        self.forget_minted(now);
        self.rotated_out.retain(|one| now.saturating_duration_since(one.since) < ROTATED_OUT);
    }
}

struct RotatedOut {
    credential: Arc<str>,
    secret: SecretString,
    since: Instant,
}

struct Surrogate {
    credential: Arc<str>,
    identity: Identity,
    retired: bool,
    text: SecretString,
}

impl Vault {
    /// Opens the vault and reads every secret it can: a real secret is watched for whether a sandbox uses it or not.
    pub fn new(definitions: BTreeMap<Arc<str>, config::Credential>, set_aside: SetAside) -> Self {
        let vault = Vault { definitions, state: Mutex::default(), watchlist: ArcSwap::default(), set_aside };
        for (name, definition) in &vault.definitions {
            let read = match definition.oauth {
                Some(_) => vault.read_grant(definition).map(drop),
                None => vault.reveal(name).map(drop),
            };
            if let Err(error) = read {
                tracing::warn!(credential = %name, %error, "Secret cannot be read");
            }
        }
        vault
    }

    /// Also watches for the owner's baits. An unreadable one is left out with a warning.
    pub fn with_canaries(self, canaries: &BTreeMap<Arc<str>, SecretSource>) -> Self {
        let mut watched = Vec::new();
        for (name, source) in canaries {
            match source.read() {
                Ok(value) if value.expose_secret().len() >= SHORTEST => watched.push((name.clone(), value)),
                Ok(_) => tracing::warn!(canary = %name, "A bait is shorter than {SHORTEST} characters and not watched"),
                Err(error) => tracing::warn!(canary = %name, %error, "A bait cannot be read"),
            }
        }
        self.lock().canaries = watched;
        self.watch(&self.lock());
        self
    }

    /// Makes a new sandbox's surrogates, one per credential in its policy. An undefined or unreadable credential is
    /// left out with a warning: requests that need it will be refused with the reason.
    pub fn issue(&self, identity: &Identity, wanted: &[Arc<str>]) -> Issued {
        let mut all = Vec::new();
        let mut environment = Vec::new();
        for name in wanted {
            let Some(definition) = self.definitions.get(name) else {
                tracing::warn!(credential = %name, "Policy names a credential that doorward.toml does not define");
                continue;
            };
            let shape = self.reveal(name).ok();
            let text = surrogate::make(definition, shape.as_ref().map(|secret| secret.expose_secret()));
            if let Some(variable) = &definition.env {
                environment.push((variable.clone(), text.clone()));
            }
            self.hand_out(name, identity, &text);
            let grant =
                definition.oauth.as_ref().map(|oauth| self.grant(definition, oauth, identity, &mut environment));
            all.push(held(definition, text, grant));
        }
        self.watch(&self.lock());
        Issued { keyring: Keyring::new(all, guarded(&self.definitions)), environment }
    }

    fn hand_out(&self, credential: &Arc<str>, identity: &Identity, text: &str) {
        self.lock().hand_out(credential, identity, text);
    }

    /// A sandbox has ended: its surrogates are worthless from now on.
    pub fn retire(&self, identity: &Identity) {
        let mut state = self.lock();
        for surrogate in state.surrogates.iter_mut().filter(|one| one.identity == *identity) {
            surrogate.retired = true;
        }
        state.retire_minted(identity);
        state.forget(Instant::now());
        state.bound_retired();
        self.watch(&state);
    }

    /// Reads a secret from its source, bypassing the cache: for `secret test`.
    pub fn test(&self, name: &str) -> Result<(), SecretUnavailable> {
        let definition = self.definition(name)?;
        aside(|| read(definition)).map(drop)
    }

    fn definition(&self, name: &str) -> Result<&config::Credential, SecretUnavailable> {
        self.definitions
            .get(name)
            .ok_or_else(|| SecretUnavailable::plain(format!("doorward.toml defines no credential {name:?}")))
    }

    fn remembered(&self, definition: &config::Credential) -> Option<SecretString> {
        let lifetime = match definition.source {
            SecretSource::File(_) | SecretSource::Env(_) => FRESH,
            SecretSource::Keyring(_) => KEPT,
            SecretSource::Command { lifetime, .. } => lifetime,
        };
        let state = self.lock();
        let slot = (definition.name.clone(), Part::Own);
        let value = state.values.get(&slot).filter(|value| value.read_at.elapsed() < lifetime)?;
        Some(value.secret.clone())
    }

    /// Runs the program behind a secret: one at a time per credential, and after a failure not again at once, however
    /// often a sandbox provokes it.
    fn ask(&self, definition: &config::Credential) -> Result<SecretString, SecretUnavailable> {
        let name = &definition.name;
        {
            let mut state = self.lock();
            if let Some(why) = state.failed_lately(name) {
                tracing::debug!(credential = %name, "Program is not asked again yet");
                return Err(why);
            }
            if !state.asked.insert(name.clone()) {
                let why = format!("credential {name} ({}): its secret is being read; try again", definition.source);
                return Err(SecretUnavailable::new(why));
            }
        }
        let secret = aside(|| read(definition));
        let mut state = self.lock();
        state.asked.remove(name);
        match &secret {
            Ok(_) => state.failed.remove(name),
            Err(why) => state.failed.insert(name.clone(), (Instant::now(), why.clone())),
        };
        secret
    }

    /// Stores a secret as the current one; the previous one stays watched for. Under one lock: no reader finds the
    /// value before it is watched for.
    fn remember(&self, name: &Arc<str>, part: Part, secret: &SecretString, until: Option<Instant>) {
        let now = Instant::now();
        let mut state = self.lock();
        let before = state.values.insert((name.clone(), part), Value { secret: secret.clone(), read_at: now, until });
        let before = before.map(|before| before.secret);
        if before.as_ref().is_some_and(|before| before.expose_secret() == secret.expose_secret()) {
            return;
        }
        if let Some(before) = before {
            state.rotated_out.push(RotatedOut { credential: name.clone(), secret: before, since: now });
        }
        state.forget(now);
        self.watch(&state);
    }

    /// Updates the watchlist to the current secrets and surrogates.
    fn watch(&self, state: &State) {
        let secret = |name: &Arc<str>, secret: &SecretString| {
            Watched::new(WatchedKind::Secret { credential: name.clone() }, secret)
        };
        let current = state.values.iter().map(|((name, _), value)| secret(name, &value.secret));
        let minted = state.minted.iter().map(|one| secret(&one.credential, &one.secret));
        let rotated_out = state.rotated_out.iter().map(|one| secret(&one.credential, &one.secret));
        let surrogates = state.surrogates.iter().map(|one| {
            let what = WatchedKind::Surrogate {
                credential: one.credential.clone(),
                sandbox: one.identity.sandbox.clone(),
                group: one.identity.group.clone(),
                retired: one.retired,
            };
            Watched::new(what, &one.text)
        });
        let canaries =
            state.canaries.iter().map(|(name, value)| Watched::new(WatchedKind::Canary { name: name.clone() }, value));
        let all = current.chain(minted).chain(rotated_out).chain(surrogates).chain(canaries);
        match self.watchlist.load().rebuilt(all) {
            Ok(watchlist) => self.watchlist.store(Arc::new(watchlist)),
            // Unreachable: values that are too short were refused when they were read.
            Err(error) => tracing::error!(%error, "Watchlist could not be rebuilt; the last one stays"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A credential as a sandbox holds it.
fn held(definition: &config::Credential, surrogate: String, grant: Option<Grant>) -> Credential {
    Credential {
        name: definition.name.clone(),
        hosts: definition.hosts.iter().map(authority).collect(),
        places: definition.place.clone(),
        only: definition.only.clone(),
        surrogate: surrogate.into(),
        grant,
        mints: definition.mints.clone(),
        minted: None,
    }
}

/// All hosts with credentials, whoever uses them.
fn guarded(definitions: &BTreeMap<Arc<str>, config::Credential>) -> impl Iterator<Item = Guarded> {
    let guard = |one: &config::Credential, host| Guarded {
        authority: authority(host),
        credential: one.name.clone(),
        places: one.place.clone(),
        harmless: one.harmless.clone(),
    };
    let hosts = definitions.values().flat_map(move |one| one.hosts.iter().map(move |host| guard(one, host)));
    // A foreign refresh token is another account, too.
    let endpoints = definitions.values().filter_map(|one| Some((one.name.clone(), one.oauth.as_ref()?)));
    hosts.chain(endpoints.map(|(credential, oauth)| Guarded {
        authority: oauth.endpoint.authority.clone(),
        credential,
        places: Vec::new(),
        harmless: Vec::new(),
    }))
}

impl Secrets for Vault {
    fn reveal(&self, credential: &str) -> Result<SecretString, SecretUnavailable> {
        let definition = self.definition(credential)?;
        if definition.oauth.is_some() {
            return self.access_token(definition);
        }
        if let Some(secret) = self.remembered(definition) {
            return Ok(secret);
        }
        let secret = match definition.source {
            SecretSource::File(_) | SecretSource::Env(_) => read(definition)?,
            SecretSource::Keyring(_) | SecretSource::Command { .. } => self.ask(definition)?,
        };
        self.remember(&definition.name, Part::Own, &secret, None);
        Ok(secret)
    }

    fn held(&self, credential: &str) -> Vec<SecretString> {
        let state = self.lock();
        let current =
            state.values.iter().filter(|((name, _), _)| **name == *credential).map(|(_, value)| &value.secret);
        let before = state.rotated_out.iter().filter(|one| *one.credential == *credential).map(|one| &one.secret);
        current.chain(before).cloned().collect()
    }

    fn made(&self, credential: &str) -> Vec<SecretString> {
        let state = self.lock();
        let made = state.minted.iter().filter(|one| *one.credential == *credential);
        made.map(|one| one.secret.clone()).collect()
    }

    fn due(&self, credential: &str) -> Result<Option<TokenRequest>, SecretUnavailable> {
        let definition = self.definition(credential)?;
        definition.oauth.as_ref().map_or(Ok(None), |oauth| self.token_due(definition, oauth))
    }

    fn granted(&self, credential: &str, status: u16, answer: &[u8]) -> Result<(), SecretUnavailable> {
        let definition = self.definition(credential)?;
        self.take_in(definition, status, answer).inspect_err(|why| self.not_granted(credential, why))
    }

    fn not_granted(&self, credential: &str, why: &SecretUnavailable) {
        self.lock().failed.insert(credential.into(), (Instant::now(), why.clone()));
    }

    fn minted(
        &self,
        sandbox: &Identity,
        credential: &str,
        key: &SecretString,
    ) -> Result<SecretString, SecretUnavailable> {
        self.take_in_minted(sandbox, credential, key)
    }

    fn given_up(&self, sandbox: &Identity, surrogate: &str) {
        self.give_up_minted(sandbox, surrogate);
    }

    fn rejected(&self, credential: &str) {
        self.token_rejected(credential);
    }

    fn lifetime(&self, credential: &str) -> Option<Duration> {
        self.token_lifetime(credential)
    }

    fn set_aside(&self, sandbox: &Identity, host: &Authority) {
        self.set_aside.add(&sandbox.group, host);
    }

    fn is_set_aside(&self, group: &GroupName, host: &Authority) -> bool {
        self.set_aside.holds(group, host)
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        self.watchlist.load_full()
    }
}

fn authority(host: &config::CredentialHost) -> Authority {
    Authority { host: host.host.clone(), port: host.port }
}

fn read(definition: &config::Credential) -> Result<SecretString, SecretUnavailable> {
    read_from(&definition.name, &definition.source)
}

fn read_from(name: &str, source: &SecretSource) -> Result<SecretString, SecretUnavailable> {
    let secret = source.read().map_err(|error| SecretUnavailable::new(format!("credential {name}: {error}")))?;
    if secret.expose_secret().len() < SHORTEST {
        let why = format!(
            "credential {name} ({source}): the secret is shorter than {SHORTEST} characters, too short to guard"
        );
        return Err(SecretUnavailable::new(why));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests;
