//! Secrets in the desktop's keyring (GNOME Keyring, KWallet, KeePassXC: anything with the Secret Service protocol),
//! through its command line tool, `secret-tool`.
//!
//! Why a program and not a library: a client of that protocol brings a D-Bus client and some thirty crates into the
//! daemon. The kernel's keyring would need three, but it belongs to a user id, which a sandbox shares, and it is empty
//! after a reboot.

use secrecy::{ExposeSecret, SecretString};

use super::command;
use super::secret::SecretUnreadable;

const PROGRAM: &str = "secret-tool";

/// The secret with that name.
pub(super) fn read(name: &str) -> Result<String, SecretUnreadable> {
    command::output(&words("lookup", &[], name), None, command::PATIENCE).map_err(|error| missing(name, &error))
}

/// Stores a value, replacing an existing one.
pub(super) fn replace(name: &str, value: &SecretString) -> Result<(), SecretUnreadable> {
    let label = format!("--label=Doorward: {name}");
    let words = words("store", &[&label], name);
    let stored = command::output(&words, Some(value), command::PATIENCE);
    stored.map_err(|error| SecretUnreadable::Keyring { name: name.to_owned(), why: in_words(&error) })?;
    // Some keyrings accept a value and lose it, such as one that stays locked.
    match read(name) {
        Ok(there) if there == value.expose_secret() => Ok(()),
        _ => Err(SecretUnreadable::Keyring { name: name.to_owned(), why: "it did not keep the value".to_owned() }),
    }
}

/// Removes it.
pub(super) fn remove(name: &str) -> Result<(), SecretUnreadable> {
    command::output(&words("clear", &[], name), None, command::PATIENCE)
        .map(drop)
        .map_err(|error| missing(name, &error))
}

fn words(verb: &str, options: &[&str], name: &str) -> Vec<String> {
    let attributes = ["application", "doorward", "credential", name];
    [&[PROGRAM, verb], options, &attributes].concat().into_iter().map(str::to_owned).collect()
}

fn missing(name: &str, error: &SecretUnreadable) -> SecretUnreadable {
    let why = match error {
        // It reports no details, whatever is wrong.
        SecretUnreadable::Command { why, .. } if why.contains("exit status: 1") => {
            "it holds no such secret, is locked, or does not run".to_owned()
        }
        other => in_words(other),
    };
    SecretUnreadable::Keyring { name: name.to_owned(), why }
}

fn in_words(error: &SecretUnreadable) -> String {
    match error {
        SecretUnreadable::Command { why, .. } => format!("{PROGRAM}: {why}"),
        other => other.to_string(),
    }
}
