//! Parses `[credentials.NAME]` and `[canaries]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use desk::toml::TableKeys;
use http::header::AUTHORIZATION;
use policies::RequestPattern;
use proxy::{Mint, Place};

use super::super::credential::{self, Credential, CredentialHost, Shape};
use super::super::keys::{self, names};
use super::super::{OAuth, SecretSource, oauth, place, services, values};
use super::{Block, all};

pub(super) const CREDENTIAL: TableKeys = TableKeys { header: "[credentials.NAME]", keys: &names(&keys::OF_CREDENTIAL) };
pub(super) const MINTS: TableKeys = TableKeys { header: "[[credentials.NAME.mints]]", keys: &names(&keys::OF_MINTS) };
pub(super) const OAUTH: TableKeys = TableKeys { header: "[credentials.NAME.oauth]", keys: &names(&keys::OF_OAUTH) };

pub(super) fn credentials(file: &mut Block<'_, '_>) -> BTreeMap<Arc<str>, Credential> {
    let Some(mut block) = file.section("credentials", CREDENTIAL.header) else { return BTreeMap::new() };
    let mut credentials = BTreeMap::new();
    for (word, value) in block.entries() {
        let name: Arc<str> = word.1.as_str().into();
        block.meaning(word, values::credential_name);
        let inside = block.as_section(value, &name, CREDENTIAL.header);
        if let Some(credential) = inside.and_then(|mut block| credential(&mut block, Arc::clone(&name))) {
            credentials.insert(name, credential);
        }
    }
    credentials
}

pub(super) fn canaries(file: &mut Block<'_, '_>) -> BTreeMap<Arc<str>, SecretSource> {
    let Some(mut block) = file.section("canaries", "[canaries]") else { return BTreeMap::new() };
    let mut canaries = BTreeMap::new();
    for (word, value) in block.entries() {
        let name: Arc<str> = word.1.as_str().into();
        block.meaning(word, values::credential_name);
        let Some((span, text)) = block.as_string(value, &name) else { continue };
        match SecretSource::parse(&text, &block.reader.context) {
            Ok(parsed @ (SecretSource::File(_) | SecretSource::Env(_))) => {
                canaries.insert(name, parsed);
            }
            Ok(SecretSource::Command { .. } | SecretSource::Keyring(_)) => {
                let why = "a bait is in a file or a variable: \"file:PATH\" or \"env:VARIABLE\"";
                block.reader.hidden_problem(span, why, None);
            }
            Err(why) => block.reader.hidden_problem(span, why, None),
        }
    }
    canaries
}

fn credential(block: &mut Block<'_, '_>, name: Arc<str>) -> Option<Credential> {
    block.known_keys(CREDENTIAL.header, CREDENTIAL.keys);
    if !block.has("secret") {
        block.missing("secret", CREDENTIAL.header, "\"file:PATH\"");
    }
    let source = secret(block, "secret");
    let source = source.map(|source| with_lifetime(block, source));
    let hosts = block.needed_strings("hosts", CREDENTIAL.header, "api.example.com");
    let hosts = all(block, hosts, CredentialHost::parse);
    let place = places(block);
    let said = strings(block, "harmless", place::harmless);
    let known = services::harmless_at(hosts.iter().map(ToString::to_string)).iter();
    let harmless = known.filter_map(|text| place::harmless(text).ok()).chain(said).collect();
    let only = strings(block, "only", RequestPattern::parse);
    let env = block.read("env", values::variable);
    let prefix = block.read("prefix", credential::prefix);
    let shape = block.read("shape", Shape::parse);
    let oauth = block.section("oauth", OAUTH.header).and_then(|mut block| oauth(&mut block, &name));
    if block.has("oauth") {
        fits_oauth(block, source.as_ref(), &place);
    }
    let mints = block.each("mints", MINTS.header, mint);
    let place = if place.is_empty() { vec![Place::Header(AUTHORIZATION)] } else { place };
    Some(Credential { name, source: source?, hosts, place, harmless, only, env, prefix, shape, oauth, mints })
}

/// The source of a secret. The value may be the secret itself, so no problem shows it.
fn secret(block: &mut Block<'_, '_>, key: &str) -> Option<SecretSource> {
    let (span, text) = block.string(key)?;
    let parsed = SecretSource::parse(&text, &block.reader.context);
    parsed.map_err(|why| block.reader.hidden_problem(span, why, None)).ok()
}

fn strings<T>(block: &mut Block<'_, '_>, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let words = block.strings(key);
    all(block, words, read)
}

fn places(block: &mut Block<'_, '_>) -> Vec<Place> {
    let words = block.strings("place");
    if words.len() > place::MOST {
        let why = format!("a credential has at most {} places", place::MOST);
        block.reader.problem(block.span_of("place"), why, None);
    }
    all(block, words, place::place)
}

/// Checks what a credential with access tokens cannot have.
fn fits_oauth(block: &mut Block<'_, '_>, source: Option<&SecretSource>, place: &[Place]) {
    if let Some(SecretSource::Env(_) | SecretSource::Command { .. }) = source {
        let why = "token endpoints replace refresh tokens, so this one must be where Doorward can write: \
                   \"file:PATH\" or \"keyring:NAME\"";
        block.reader.hidden_problem(block.span_of("secret"), why, None);
    }
    if place.iter().any(|place| matches!(place, Place::Json(_))) {
        let why = "an access token does not go into a body; use a header";
        block.reader.problem(block.span_of("place"), why, None);
    }
}

fn mint(block: &mut Block<'_, '_>) -> Option<Mint> {
    block.known_keys(MINTS.header, MINTS.keys);
    let requests = block.needed_strings("do", MINTS.header, "POST /keys");
    let fields = block.needed_strings("fields", MINTS.header, "token");
    let requests = all(block, requests, RequestPattern::parse);
    Some(Mint { requests, fields: all(block, fields, credential::field) })
}

fn oauth(block: &mut Block<'_, '_>, name: &str) -> Option<OAuth> {
    block.known_keys(OAUTH.header, OAUTH.keys);
    let token = block.needed("token", OAUTH.header, "https://oauth2.example.com/token");
    let at = block.span_of("token");
    let endpoint = token.and_then(|token| block.meaning(token, oauth::endpoint));
    let private = strings(block, "private", oauth::private);
    let client_secret = secret(block, "client_secret");
    let client_id = block.needed("client_id", OAUTH.header, "my-client");
    let client_id = client_id.and_then(|id| block.meaning(id, values::word));
    let refresh_env = block.read("refresh_env", values::variable);
    let json = block.bool("json");
    let endpoint = endpoint?;
    let policy = oauth::policy(name, &endpoint, &private);
    let policy = policy.map_err(|why| block.reader.problem(at, why, None)).ok()?;
    Some(OAuth { endpoint, policy: Arc::new(policy), client_id: client_id?, client_secret, refresh_env, json })
}

/// Files and variables are re-read each time; only a program's output is cached.
fn with_lifetime(block: &mut Block<'_, '_>, source: SecretSource) -> SecretSource {
    let lifetime = block.read("lifetime", values::duration);
    match (source, lifetime) {
        (SecretSource::Command { words, .. }, Some(lifetime)) => SecretSource::Command { words, lifetime },
        (source @ (SecretSource::File(_) | SecretSource::Env(_) | SecretSource::Keyring(_)), Some(_)) => {
            let help = Some("leave this out".to_owned());
            let why = "only the secret of a `command:` has a lifetime";
            block.reader.problem(block.span_of("lifetime"), why, help);
            source
        }
        (source, None) => source,
    }
}
