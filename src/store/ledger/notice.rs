//! Events that are no requests: the log was opened, a message went out or was withheld, a
//! door was opened, a policy came into force. They stand in the same chain as requests.

use std::path::Path;

use audit::Torn;
use policies::{Code, GroupName, SandboxId};
use proxy::audit::Identity;
use serde::Serialize;

use super::log::AuditLog;
use crate::store::StoreError;

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

    /// Of what a power cut left behind the last whole record.
    pub(super) fn torn(torn: &Torn) -> Self {
        let Torn { after, bytes, aside } = torn;
        let text = format!(
            "behind record {after} stood {bytes} bytes that are no whole records, as a power cut leaves them; they were \
             put aside in {}",
            aside.file_name().unwrap_or_default().to_string_lossy()
        );
        tracing::warn!("audit log: {text}");
        Notice::new("torn_end", None, text)
    }

    /// Of one sandbox.
    pub fn of(what: &'static str, identity: &Identity, text: impl Into<String>) -> Self {
        Notice { sandbox: Some(identity.sandbox.clone()), ..Notice::new(what, Some(&identity.group), text) }
    }
}

/// Adds an event to the log of a home that no daemon serves: for what the owner does by a
/// command.
pub fn add_notice(folder: &Path, notice: &Notice) -> Result<(), StoreError> {
    let log = AuditLog::open(folder)?;
    log.notice(notice).map_err(|down| StoreError::Other { path: folder.to_path_buf(), detail: down.to_string() })?;
    log.sync().map(drop)
}
