//! Events that are not requests: the log was opened, a message went out or was withheld, a door was opened, a policy
//! came into force. They are in the same chain as requests.

use std::path::Path;

use audit::{Journal, JournalError, Link, Torn};
use policies::{Code, GroupName, SandboxId};
use proxy::audit::Identity;
use serde::Serialize;

use super::log::{fields, head, key_of};
use super::old::Before;
use crate::store::{StoreError, now};

/// An event that is not a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What happened: a fixed word such as `opened`.
    pub what: &'static str,
    /// The group it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// Its sandbox, if it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// In plain words.
    pub text: String,
    /// Why something was refused, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The hash of the policy concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How many occurrences this stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many bytes went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether the owner is told at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub alarm: bool,
}

impl Notice {
    /// About a group, or the whole installation.
    pub fn new(what: &'static str, group: Option<&GroupName>, text: impl Into<String>) -> Self {
        Notice { what, group: group.cloned(), text: text.into(), ..Notice::default() }
    }

    /// About the torn line that a power cut left after the last whole record.
    pub(super) fn torn(torn: &Torn) -> Self {
        let Torn { after, bytes, lines, aside } = torn;
        let aside = aside.file_name().unwrap_or_default().to_string_lossy();
        let text = match lines {
            0 => format!(
                "behind record {after} stood {bytes} bytes that are no whole records, as a power cut leaves them; they were put \
                 aside in {aside}"
            ),
            _ => format!(
                "record {} was not as it was written, and the {lines} whole records behind it could not be held against it; \
                 they were put aside in {aside}, where they can be read. A power cut leaves the like of the last second; if \
                 there was none, the log was changed",
                after + 1
            ),
        };
        tracing::warn!("audit log: {text}");
        Notice { alarm: *lines > 0, ..Notice::new("torn_end", None, text) }
    }

    /// About one sandbox.
    pub fn of(what: &'static str, identity: &Identity, text: impl Into<String>) -> Self {
        Notice { sandbox: Some(identity.sandbox.clone()), ..Notice::new(what, Some(&identity.group), text) }
    }
}

/// Adds an event to the log of a home that no daemon serves: for the owner's commands. A new log continues from an
/// older version's.
pub fn add_notice(folder: &Path, old: &Path, notice: &Notice) -> Result<(), StoreError> {
    let before = Before::the_journal(folder, old)?;
    let base = before.map_or(Link::NONE, |before| before.head);
    let key = key_of(folder)?;
    let added = || -> Result<(), JournalError> {
        let mut journal = Journal::open(folder, key, now(), base)?.journal;
        journal.append(&head("notice", None), |into| fields(notice, into))?;
        let synced = journal.unsynced().sync();
        synced.map(drop).map_err(|error| JournalError::Io { path: folder.to_path_buf(), error })
    };
    added().map_err(|error| StoreError::journal(folder, &error))
}
