//! What each operation's file supplies for the table.

use policies::Refusal;
use proxy::ports::Caller;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Operations, Proof};

/// An operation's arguments, parsed strictly: unknown ones are refused, so that nobody relies on a `"group": "main"`
/// that would be ignored.
pub(super) trait Asked: DeserializeOwned {
    /// Its description for a model.
    fn described() -> Described;

    /// What the owner is asked first if it reaches beyond the asking group. A refusal means that it cannot succeed.
    fn beyond(&self, _: &Operations, _: &Caller) -> Result<Option<Beyond>, Refusal> {
        Ok(None)
    }

    /// Performs it. The returned text is for the agent.
    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal>;
}

/// An operation's description for a model.
pub(super) struct Described {
    /// What it does.
    pub(super) what: String,
    /// Its arguments, as JSON Schema.
    pub(super) properties: Value,
    /// The required ones.
    pub(super) required: &'static [&'static str],
}

/// Something that reaches beyond the asking group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    /// Its object in a word for the log: a group's name.
    pub(super) about: String,
    /// What would happen, in full, to follow "the group wants to"; what others wrote is quoted.
    pub(super) says: String,
    /// What exactly a yes is for, as it was parsed.
    pub(super) exactly: Value,
}
