//! OAuth 2 in the vault: when an access token is due, the request for it, and the endpoint's answer. A rotated refresh
//! token is on the disk before anything that came with it is used: the old one may be invalid already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proxy::Grant;
use proxy::audit::Identity;
use proxy::ports::{SecretUnavailable, TokenRequest};
use scan::SHORTEST;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::{Part, Vault, aside, read_from, surrogate};
use crate::config::{Credential, OAuth};

/// A token that expires this soon is refreshed: the request may take long.
const SLACK: Duration = Duration::from_secs(60);

/// The lifetime of a token whose endpoint states none; a rejection ends it, too.
const UNSAID: Duration = Duration::from_secs(60 * 60);

/// A younger token is not refreshed when a host rejects it: the request is at fault.
const YOUNG: Duration = Duration::from_secs(60);

/// Everything but unreserved characters (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token endpoint's answer (RFC 6749 §5).
#[derive(serde::Deserialize)]
struct Answer {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
}

impl Vault {
    /// Reads a grant's secrets and watches for them.
    pub(super) fn read_grant(
        &self,
        definition: &Credential,
    ) -> Result<(SecretString, Option<SecretString>), SecretUnavailable> {
        let name = &definition.name;
        let refresh = aside(|| read_from(name, &definition.source))?;
        self.remember(name, Part::Refresh, &refresh, None);
        let client = definition.oauth.as_ref().and_then(|oauth| oauth.client_secret.as_ref());
        let client = client.map(|source| aside(|| read_from(name, source))).transpose()?;
        if let Some(client) = &client {
            self.remember(name, Part::Client, client, None);
        }
        Ok((refresh, client))
    }

    /// A grant's surrogates, as a sandbox holds them.
    pub(super) fn grant(
        &self,
        definition: &Credential,
        oauth: &OAuth,
        identity: &Identity,
        environment: &mut Vec<(String, String)>,
    ) -> Grant {
        let refresh = self.read_grant(definition).ok().map(|(refresh, _)| refresh);
        let text = surrogate::like(refresh.as_ref().map(|refresh| refresh.expose_secret()));
        if let Some(variable) = &oauth.refresh_env {
            environment.push((variable.clone(), text.clone()));
        }
        self.hand_out(&definition.name, identity, &text);
        Grant { endpoint: oauth.endpoint.clone(), policy: oauth.policy.clone(), surrogate: text.into() }
    }

    /// The access token, while it is valid.
    pub(super) fn access_token(&self, definition: &Credential) -> Result<SecretString, SecretUnavailable> {
        let name = &definition.name;
        let state = self.lock();
        let token = state.values.get(&(name.clone(), Part::Own));
        let good = token.filter(|token| token.until.is_some_and(|until| until > Instant::now()));
        let none = || SecretUnavailable::plain(format!("credential {name}: there is no access token yet"));
        good.map(|token| token.secret.clone()).ok_or_else(none)
    }

    pub(super) fn token_lifetime(&self, credential: &str) -> Option<Duration> {
        let state = self.lock();
        let until = state.values.get(&(credential.into(), Part::Own))?.until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// The request to the endpoint, if there is no token or it expires soon.
    pub(super) fn token_due(
        &self,
        definition: &Credential,
        oauth: &OAuth,
    ) -> Result<Option<TokenRequest>, SecretUnavailable> {
        let name = &definition.name;
        if self.token_lifetime(name).is_some_and(|left| left > SLACK) {
            return Ok(None);
        }
        if let Some(why) = self.lock().failed_lately(name) {
            return Err(why);
        }
        let unsaved = self.lock().unsaved.get(name).cloned();
        if let Some(unsaved) = unsaved {
            self.save(definition, &unsaved)?;
        }
        let (refresh, client) = self.read_grant(definition)?;
        Ok(Some(request(oauth, &refresh, client.as_ref())))
    }

    /// Takes in the endpoint's answer.
    pub(super) fn take_in(&self, definition: &Credential, status: u16, answer: &[u8]) -> Result<(), SecretUnavailable> {
        let name = &definition.name;
        let wrong = |why: &str| SecretUnavailable::plain(format!("credential {name}: its token endpoint {why}"));
        let answer: Result<Answer, _> = serde_json::from_slice(answer);
        if status != 200 {
            return Err(wrong(&refused(status, name, answer.ok().and_then(|answer| answer.error))));
        }
        let Answer { access_token, refresh_token, expires_in, .. } =
            answer.map_err(|_| wrong("answered something that is no JSON with tokens"))?;
        let access = access_token.and_then(token).ok_or_else(|| wrong("answered without a usable access_token"))?;
        let until = Instant::now() + lifetime(expires_in.as_ref());
        if let Some(refresh) = refresh_token.and_then(token) {
            self.remember(name, Part::Refresh, &refresh, None);
            self.save(definition, &refresh)?;
        }
        self.remember(name, Part::Own, &access, Some(until));
        self.lock().failed.remove(name);
        Ok(())
    }

    /// A host rejected the token: another is due, unless this one is young.
    pub(super) fn token_rejected(&self, credential: &str) {
        let is_grant = self.definitions.get(credential).is_some_and(|one| one.oauth.is_some());
        let mut state = self.lock();
        if let Some(token) = state.values.get_mut(&(credential.into(), Part::Own)).filter(|_| is_grant)
            && token.read_at.elapsed() > YOUNG
        {
            token.until = None;
        }
    }

    /// Stores a refresh token in place of the previous one.
    fn save(&self, definition: &Credential, refresh: &SecretString) -> Result<(), SecretUnavailable> {
        let name = &definition.name;
        self.lock().unsaved.insert(name.clone(), refresh.clone());
        let stored = definition.source.read().is_ok_and(|there| there.expose_secret() == refresh.expose_secret());
        if !stored {
            aside(|| definition.source.replace(refresh)).map_err(|error| {
                let why = "the new refresh token cannot be stored, and is needed: make room and try again while Doorward runs";
                SecretUnavailable::new(format!("credential {name}: {why} ({error})"))
            })?;
        }
        self.lock().unsaved.remove(name);
        Ok(())
    }
}

fn request(oauth: &OAuth, refresh: &SecretString, client: Option<&SecretString>) -> TokenRequest {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.expose_secret()),
        ("client_id", &oauth.client_id),
    ];
    fields.extend(client.map(|client| ("client_secret", client.expose_secret())));
    if oauth.json {
        let object: serde_json::Map<_, _> =
            fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let body = serde_json::Value::Object(object).to_string();
        return TokenRequest { content_type: "application/json", body: body.into() };
    }
    let escaped = |value: &str| Zeroizing::new(utf8_percent_encode(value, ESCAPED).to_string());
    let pairs: Vec<_> = fields.into_iter().map(|(key, value)| format!("{key}={}", *escaped(value))).collect();
    TokenRequest { content_type: "application/x-www-form-urlencoded", body: pairs.join("&").into() }
}

/// Only the codes of RFC 6749 §5.2 are repeated: other text may hold anything.
fn refused(status: u16, name: &Arc<str>, error: Option<String>) -> String {
    let known = ["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"];
    match known.into_iter().find(|known| error.as_deref() == Some(known)) {
        Some("invalid_grant") => format!(
            "refused with status {status}, invalid_grant: the refresh token is no longer good; log in anew and give \
             the new one to `doorward secret rotate {name}`"
        ),
        Some(known) => {
            format!("refused with status {status}, {known}: see [credentials.{name}.oauth] in doorward.toml")
        }
        None => format!("refused with status {status}"),
    }
}

fn token(text: String) -> Option<SecretString> {
    let fits = (SHORTEST..=16 << 10).contains(&text.len()) && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
    let token = SecretString::from(text);
    fits.then_some(token)
}

/// Seconds, as a number or (from some endpoints) as a string.
fn lifetime(said: Option<&serde_json::Value>) -> Duration {
    let seconds = said.and_then(|said| said.as_u64().or_else(|| said.as_str()?.parse().ok()));
    // Capped at a year: Instants can overflow.
    seconds.map_or(UNSAID, |seconds| Duration::from_secs(seconds.min(365 * 24 * 60 * 60)))
}
