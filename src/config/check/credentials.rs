//! `[credentials.NAME]` and `[canaries]`, from what was typed to what is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use policies::RequestPattern;
use proxy::{Mint, Place};
use toml::Spanned;

use super::super::credential::{self, Credential, CredentialHost, Shape};
use super::super::problem::Shown;
use super::super::{OAuth, SecretSource, oauth, place, typed, values};
use super::Check;

impl Check<'_> {
    pub(super) fn credentials(
        &mut self,
        typed: &BTreeMap<Spanned<String>, typed::Credential>,
    ) -> BTreeMap<Arc<str>, Credential> {
        let mut credentials = BTreeMap::new();
        for (name, typed) in typed {
            self.value(name, values::credential_name);
            let name: Arc<str> = name.get_ref().as_str().into();
            if let Some(credential) = self.credential(Arc::clone(&name), typed) {
                credentials.insert(name, credential);
            }
        }
        credentials
    }

    pub(super) fn canaries(
        &mut self,
        typed: &BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> BTreeMap<Arc<str>, SecretSource> {
        let mut canaries = BTreeMap::new();
        for (name, source) in typed {
            self.value(name, values::credential_name);
            match SecretSource::parse(source.get_ref(), self.dir) {
                Ok(parsed @ (SecretSource::File(_) | SecretSource::Env(_))) => {
                    canaries.insert(name.get_ref().as_str().into(), parsed);
                }
                Ok(SecretSource::Command { .. } | SecretSource::Keyring(_)) => {
                    let why = "a canary is in a file or a variable: \"file:PATH\" or \"env:VARIABLE\"".to_owned();
                    self.problem(source.span(), Shown::Blanked, why);
                }
                Err(why) => self.problem(source.span(), Shown::Blanked, why),
            }
        }
        canaries
    }

    fn credential(&mut self, name: Arc<str>, typed: &typed::Credential) -> Option<Credential> {
        let dir = self.dir;
        let source = match SecretSource::parse(typed.secret.get_ref(), dir) {
            Ok(source) => Some(source),
            Err(message) => {
                self.problem(typed.secret.span(), Shown::Blanked, message);
                None
            }
        };
        let source = source.map(|source| self.with_lifetime(source, &typed.lifetime));
        let hosts = self.list(Some(&typed.hosts), CredentialHost::parse);
        let place = self.list(typed.place.as_ref(), place::place);
        if let Some(typed) = typed.place.as_ref().filter(|typed| typed.get_ref().len() > place::MOST) {
            let why = format!("a credential has at most {} places", place::MOST);
            self.problem(typed.span(), Shown::Plainly, why);
        }
        let harmless = self.list(typed.harmless.as_ref(), place::harmless);
        let only = self.list(typed.only.as_ref(), RequestPattern::parse);
        let env = self.text(&typed.env, values::variable);
        let prefix = self.text(&typed.prefix, credential::prefix);
        let shape = self.text(&typed.shape, Shape::parse);
        let oauth = typed.oauth.as_ref().and_then(|oauth| self.oauth(&name, oauth));
        if let (Some(_), Some(SecretSource::Env(_) | SecretSource::Command { .. })) = (&typed.oauth, &source) {
            let why = "token endpoints replace refresh tokens, so this one must be where Doorward can write: \
                       \"file:PATH\" or \"keyring:NAME\"";
            self.problem(typed.secret.span(), Shown::Blanked, why.to_owned());
        }
        if let (Some(_), Some(typed)) = (&typed.oauth, &typed.place)
            && place.iter().any(|place| matches!(place, Place::Json(_)))
        {
            let why = "an access token does not go into a body; use a header".to_owned();
            self.problem(typed.span(), Shown::Plainly, why);
        }
        let mints = typed.mints.iter().map(|mint| Mint {
            requests: self.list(Some(&mint.requests), RequestPattern::parse),
            fields: self.list(Some(&mint.fields), credential::field),
        });
        let mints = mints.collect();
        let place = if place.is_empty() { vec![Place::Header(AUTHORIZATION)] } else { place };
        Some(Credential { name, source: source?, hosts, place, harmless, only, env, prefix, shape, oauth, mints })
    }

    fn oauth(&mut self, name: &str, typed: &typed::OAuth) -> Option<OAuth> {
        let endpoint = self.value(&typed.token, oauth::endpoint);
        let private = self.list(typed.private.as_ref(), oauth::private);
        let client_secret = typed.client_secret.as_ref().and_then(|secret| {
            let parsed = SecretSource::parse(secret.get_ref(), self.dir);
            parsed.map_err(|why| self.problem(secret.span(), Shown::Blanked, why)).ok()
        });
        let client_id = self.value(&typed.client_id, values::word);
        let refresh_env = self.text(&typed.refresh_env, values::variable);
        let endpoint = endpoint?;
        let policy = oauth::policy(name, &endpoint, &private);
        let policy = policy.map_err(|why| self.problem(typed.token.span(), Shown::Plainly, why)).ok()?;
        let (client_id, policy, json) = (client_id?, Arc::new(policy), typed.json);
        Some(OAuth { endpoint, policy, client_id, client_secret, refresh_env, json })
    }

    /// Files and variables are read anew at once; only a program's output is kept.
    fn with_lifetime(&mut self, source: SecretSource, typed: &Option<Spanned<String>>) -> SecretSource {
        let lifetime = self.text(typed, values::duration);
        match (source, lifetime, typed) {
            (SecretSource::Command { words, .. }, Some(lifetime), _) => SecretSource::Command { words, lifetime },
            (
                source @ (SecretSource::File(_) | SecretSource::Env(_) | SecretSource::Keyring(_)),
                Some(_),
                Some(typed),
            ) => {
                let why = "only the secret of a `command:` has a lifetime; leave this out".to_owned();
                self.problem(typed.span(), Shown::Plainly, why);
                source
            }
            (source, ..) => source,
        }
    }
}
