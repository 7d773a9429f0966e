//! Edits of a group's settings and of `doorward.toml`.

use policies::GroupName;
use toml_edit::{Array, Value};

use super::{Edit, EditError, text};
use crate::config::keys::OF_GROUP_LIMITS;
use crate::home::Home;

/// A group's settings, `groups/NAME.toml`.
#[derive(Debug)]
pub struct OfGroup {
    pub(super) group: GroupName,
}

/// `doorward.toml`.
#[derive(Debug)]
pub struct OfConfig;

/// A `[credentials.NAME]` to write: where its secret is, and where it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential<'a> {
    /// Its name.
    pub name: &'a str,
    /// The source of its secret, `file:secrets/github`; never the secret.
    pub secret: &'a str,
    /// The only hosts to which it may go.
    pub hosts: &'a [&'a str],
    /// Its place in a request.
    pub place: &'a [&'a str],
    /// The variable in which a sandbox finds its surrogate.
    pub env: Option<&'a str>,
}

impl Edit<OfGroup> {
    /// Opens a group's settings, which need not exist yet.
    pub fn group(home: &Home, group: &GroupName) -> Result<Self, EditError> {
        Self::open(home, OfGroup { group: group.clone() })
    }

    /// Sets a key of the file or one of `[limits]`. The file's parser checks the value.
    pub fn set(self, key: &str, value: impl Into<Value>) -> Result<Self, EditError> {
        let value = value.into().to_string();
        self.with(|text| text::set(text, table_of(key), key, &value))
    }

    /// Removes a key, so that its default applies.
    pub fn unset(self, key: &str) -> Result<Self, EditError> {
        self.with(|text| text::remove(text, table_of(key), key))
    }

    /// Adds a `[[mount]]`.
    pub fn mount(self, path: &str, name: &str, write: bool) -> Result<Self, EditError> {
        let quoted = |text: &str| Value::from(text).to_string();
        let write = if write { "\nwrite = true" } else { "" };
        let block = format!("[[mount]]\npath = {}\nname = {}{write}", quoted(path), quoted(name));
        self.with(|text| Ok(text::append_block(text, &block)))
    }
}

fn table_of(key: &str) -> &'static [&'static str] {
    if OF_GROUP_LIMITS.iter().any(|limit| limit.name == key) { &["limits"] } else { &[] }
}

impl Edit<OfConfig> {
    /// Opens `doorward.toml`, which need not exist yet.
    pub fn config(home: &Home) -> Result<Self, EditError> {
        Self::open(home, OfConfig)
    }

    /// Sets a key of a table: `set(&["channels", "whatsapp"], "enabled", true)`.
    pub fn set(self, table: &[&str], key: &str, value: impl Into<Value>) -> Result<Self, EditError> {
        let value = value.into().to_string();
        self.with(|text| text::set(text, table, key, &value))
    }

    /// Removes a key of a table, so that its default applies.
    pub fn unset(self, table: &[&str], key: &str) -> Result<Self, EditError> {
        self.with(|text| text::remove(text, table, key))
    }

    /// Adds a `[credentials.NAME]`, which must not exist yet.
    pub fn credential(self, new: &NewCredential<'_>) -> Result<Self, EditError> {
        let NewCredential { name, secret, hosts, place, env } = new;
        if text::has(&self.text, &["credentials", name]) {
            return Err(EditError::Refused(format!("{} has a credential {name} already", self.path.display())));
        }
        let list = |all: &[&str]| Value::Array(all.iter().copied().collect::<Array>()).to_string();
        let quoted = |text: &str| Value::from(text).to_string();
        let mut lines = vec![
            format!("[credentials.{name}]"),
            format!("secret = {}", quoted(secret)),
            format!("hosts = {}", list(hosts)),
            format!("place = {}", list(place)),
        ];
        lines.extend(env.map(|env| format!("env = {}", quoted(env))));
        self.with(|text| Ok(text::append_block(text, &lines.join("\n"))))
    }
}
