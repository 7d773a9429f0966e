//! The existing keys, and those that rules ask for but that are missing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::super::policy;
use super::{Check, Mend};
use crate::config::{Config, Credential, SecretUnreadable, services};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;

pub(super) fn check(home: &Home, config: &Config) -> Vec<Check> {
    let mut checks: Vec<Check> = config.credentials.values().map(secret).collect();
    for group in policy::groups_with_files(home).unwrap_or_default() {
        // A policy that does not load has a line of its own.
        let Ok(compiled) = PolicyFiles::compile(home, &group) else { continue };
        // A missing key for an agent's model is reported with the agent.
        let missing: BTreeSet<_> = policy::keys_not_there(&compiled.policy, config)
            .filter(|rule| !rule.model)
            .filter_map(|rule| rule.credential.clone())
            .collect();
        checks.extend(missing.into_iter().map(|name| {
            let found =
                format!("a rule puts on the credential {name}, which is not there: requests go out without a key");
            Check::warning(format!("policies/{group}.toml"), found, format!("doorward credential add {name}"))
        }));
    }
    checks
}

/// Whether a readable secret fits its name.
fn readable(what: String, credential: &Credential, value: &str) -> Check {
    let Credential { name, env, source, .. } = credential;
    if let Some(other) = services::of_another(name, value) {
        let found = format!("begins as a key for {} does, and is sent to other hosts", other.title);
        return Check::broken(what, found, format!("doorward secret rotate {name}"));
    }
    if let Some(kind) = services::other_kind(name, value, env.as_deref()) {
        let found = format!("begins as a key for {} does, and stands where another kind of key does", kind.title);
        let fix =
            format!("place = {:?} and env = {:?} under [credentials.{name}] in doorward.toml", kind.place, kind.env);
        return Check::broken(what, found, fix);
    }
    Check::fine(what, format!("can be read from {source}"))
}

/// Secret files that others can read, as [`secret`] reports them.
pub(super) fn exposed(config: &Config) -> BTreeSet<PathBuf> {
    let errors = config.credentials.values().filter_map(|credential| credential.source.read().err());
    let path = |error| if let SecretUnreadable::Exposed(path) = error { Some(path) } else { None };
    errors.filter_map(path).collect()
}

fn secret(credential: &Credential) -> Check {
    let (name, what) = (&credential.name, format!("secret {}", credential.name));
    let error = match credential.source.read() {
        Ok(value) => return readable(what, credential, value.expose_secret()),
        Err(error) => error,
    };
    let found = format!("{error}. Until then, what needs it is refused");
    match error {
        SecretUnreadable::Exposed(path) => {
            let words = format!("other users of this machine can read its file {}", path.display());
            Check::broken(what, words, format!("chmod 600 {}", path.display()))
                .mended_by(Mend::Mode { path, mode: 0o600 })
        }
        SecretUnreadable::Foreign { path, .. } => {
            Check::warning(what, found, format!("sudo chown \"$USER\" {}", path.display()))
        }
        SecretUnreadable::File { path, .. } if path.starts_with("/") && !path.exists() => {
            Check::warning(what, found, format!("doorward secret add {name}, or put it into {}", path.display()))
        }
        SecretUnreadable::Env(variable) => Check::warning(
            what,
            found,
            format!("start `doorward up` with {variable} set; this command was started without it"),
        ),
        SecretUnreadable::Unfit(source) => {
            Check::warning(what, found, format!("put the secret alone into {source}, in one line"))
        }
        _ => Check::warning(what, found, "see what the message says"),
    }
}
