//! Events that are no requests: the log was opened, a message went out or was withheld, a
//! door was opened, a policy came into force. They stand in the same chain as requests.

use std::path::Path;

use desk::screen;
use policies::{Code, GroupName, SandboxId};
use proxy::audit::Identity;
use serde::Serialize;

use super::writer::{Event, Writer};
use crate::store::{StoreError, now};

/// An event that is no request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What happened: a fixed word such as `opened`.
    pub what: &'static str,
    /// The group it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// Its sandbox, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// In plain words.
    pub text: String,
    /// Why something was refused, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The policy that it is about, as a hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How many things this stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How much went out by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether the owner is told at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub alarm: bool,
}

impl Notice {
    /// Of a group, or of the whole installation.
    pub fn new(what: &'static str, group: Option<&GroupName>, text: impl Into<String>) -> Self {
        Notice { what, group: group.cloned(), text: text.into(), ..Notice::default() }
    }

    /// Of one sandbox.
    pub fn of(what: &'static str, identity: &Identity, text: impl Into<String>) -> Self {
        Notice { sandbox: Some(identity.sandbox.clone()), ..Notice::new(what, Some(&identity.group), text) }
    }
}

/// Adds an event to the log of a home whose daemon may be running or not: for what the
/// owner does by a command. The chain goes on from whoever wrote last.
pub fn add_notice(path: &Path, notice: &Notice) -> Result<(), StoreError> {
    let json = serde_json::to_string(notice)
        .map_err(|error| StoreError::Other { path: path.to_path_buf(), detail: error.to_string() })?;
    let record = screen::in_json(json);
    Writer::create(path)?.append([Event { at_ms: now(), kind: "notice", about: None, record }]).map(drop)
}
