//! Where a real secret is, and how it is read.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{command, keyring, values};
use crate::home::is_a_file;

/// The longest secret.
pub(super) const LONGEST: usize = 16 << 10;

/// How long a program's output counts as current by default.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// The source of a credential's real secret. Says nothing about its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The content of a file, without the final line break.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
    /// In the desktop's keyring, under this name.
    Keyring(String),
    /// A program's output.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// How long it counts as current.
        lifetime: Duration,
    },
}

/// Why a secret could not be read. Names the source, never a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretUnreadable {
    /// No such file, or no right to read it.
    #[error("the secret's file {path} cannot be read: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: String,
    },
    /// A secret that other users can read is none.
    #[error("other users of this machine can read the secret's file {path}; run: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
    /// Its owner could replace it.
    #[error("the secret's file {path} belongs to user {owner}, not to you ({you}); run: chown {you} {path}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// Our uid.
        you: u32,
    },
    /// Not set, or not valid text.
    #[error("the secret's variable {0} is not set in the environment that doorward was started in")]
    Env(String),
    /// The program does not start, fails, or takes too long.
    #[error(
        "the secret's program {program} gives none: {why}; run it yourself, as the user and in the environment of `doorward up`, to see why"
    )]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What is wrong.
        why: String,
    },
    /// Not in the keyring, or there is no keyring.
    #[error(
        "the keyring gives no secret {name}: {why}; it wants the program secret-tool (Debian: libsecret-tools) and an \
         unlocked keyring in the session that runs doorward; `doorward secret add --store keyring {name}` puts one in, and on \
         a machine without a desktop use \"file:PATH\""
    )]
    Keyring {
        /// Its name there.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A new value cannot be written in place of the old one.
    #[error("the secret's file {path} cannot be written: {why}", path = path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: String,
    },
    /// Its source is not for Doorward to change.
    #[error("the secret in {0} is not kept by Doorward; change it there")]
    Fixed(String),
    /// Empty, or something that no header could carry.
    #[error("the secret in {0} is empty, longer than 16 KiB, or holds a line break or other control character")]
    Unfit(String),
}

impl SecretSource {
    /// Parses `file:PATH`, `keyring:NAME`, `env:VARIABLE` or `command:PROGRAM …`. The error never repeats the text: it
    /// may be the secret itself.
    pub(super) fn parse(text: &str, dir: &Path) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) => values::path(path, dir).map(SecretSource::File),
            Some(("env", name)) if is_variable(name) => Ok(SecretSource::Env(name.to_owned())),
            Some(("env", _)) => Err("`env:` wants the name of a variable behind it: \"env:GITHUB_TOKEN\"".to_owned()),
            Some(("command", text)) => {
                command::words(text).map(|words| SecretSource::Command { words, lifetime: LIFETIME })
            }
            Some(("keyring", name)) => values::credential_name(name)
                .map(|()| SecretSource::Keyring(name.to_owned()))
                .map_err(|_| "`keyring:` wants the name that the secret has there: \"keyring:github\"".to_owned()),
            _ => Err("this says where the secret is, not what it is: put the secret into a file of its own and write \
                      \"file:PATH\", or into the environment of `doorward up` and write \"env:VARIABLE\"; \
                      if a real secret stands here, replace it at its issuer"
                .to_owned()),
        }
    }

    /// Replaces the value: atomically, readable by the owner only (tempfile creates 0600), and on the disk when this
    /// returns.
    pub fn replace(&self, value: &SecretString) -> Result<(), SecretUnreadable> {
        let path = match self {
            SecretSource::File(path) => path,
            SecretSource::Keyring(name) => return keyring::replace(name, value),
            SecretSource::Env(_) | SecretSource::Command { .. } => {
                return Err(SecretUnreadable::Fixed(self.to_string()));
            }
        };
        let failed = |error: std::io::Error| SecretUnreadable::Unwritten { path: path.clone(), why: error.to_string() };
        let dir = path.parent().unwrap_or(Path::new("/"));
        let mut aside = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        aside.write_all(value.expose_secret().as_bytes()).and_then(|()| aside.as_file().sync_all()).map_err(failed)?;
        aside.persist(path).map_err(|error| failed(error.error))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
    }

    /// Removes it from its source.
    pub fn remove(&self) -> Result<(), SecretUnreadable> {
        match self {
            SecretSource::File(path) => std::fs::remove_file(path)
                .map_err(|error| SecretUnreadable::Unwritten { path: path.clone(), why: error.to_string() }),
            SecretSource::Keyring(name) => keyring::remove(name),
            SecretSource::Env(_) | SecretSource::Command { .. } => Err(SecretUnreadable::Fixed(self.to_string())),
        }
    }

    /// Reads the secret's current value.
    #[expect(clippy::disallowed_methods, reason = "this is where the configuration reads the environment")]
    pub fn read(&self) -> Result<SecretString, SecretUnreadable> {
        let mut secret = match self {
            SecretSource::File(path) => read_private(path)?,
            SecretSource::Env(name) => std::env::var(name).map_err(|_| SecretUnreadable::Env(name.clone()))?,
            SecretSource::Keyring(name) => keyring::read(name)?,
            SecretSource::Command { words, .. } => command::output(words, None, command::PATIENCE)?,
        };
        secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
        let secret = SecretString::from(secret);
        let text = secret.expose_secret();
        if text.trim().is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(SecretUnreadable::Unfit(self.to_string()));
        }
        Ok(secret)
    }
}

/// Reads a file that only its owner may read.
fn read_private(path: &Path) -> Result<String, SecretUnreadable> {
    let unreadable = |error: std::io::Error| SecretUnreadable::File { path: path.to_owned(), why: error.to_string() };
    std::fs::metadata(path).and_then(|found| is_a_file(&found)).map_err(unreadable)?;
    let mut file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if found.mode() & 0o077 != 0 {
        return Err(SecretUnreadable::Exposed(path.to_owned()));
    }
    let you = rustix::process::geteuid().as_raw();
    if found.uid() != you {
        return Err(SecretUnreadable::Foreign { path: path.to_owned(), owner: found.uid(), you });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretSource::File(path) => write!(f, "file:{}", path.display()),
            SecretSource::Env(name) => write!(f, "env:{name}"),
            SecretSource::Keyring(name) => write!(f, "keyring:{name}"),
            // Its arguments may reveal more than a list should show.
            SecretSource::Command { words, .. } => write!(f, "command:{}", words.first().map_or("", String::as_str)),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
