//! What the file of an operation says of it, for the table.

use policies::Refusal;
use proxy::ports::Caller;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Operations, Proof};

/// An operation's arguments, read strictly: one that is not known is refused, so that nobody takes
/// `"group": "main"` for something that counts where it does not.
pub(super) trait Asked: DeserializeOwned {
    /// How it presents itself to a model.
    fn described() -> Described;

    /// What its owner is asked first, where it reaches beyond the group of who asks. A refusal says
    /// that it can come to nothing.
    fn beyond(&self, _: &Operations, _: &Caller) -> Result<Option<Beyond>, Refusal> {
        Ok(None)
    }

    /// Does it. What comes back is for the agent to read.
    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal>;
}

/// What a model reads of an operation.
pub(super) struct Described {
    /// What it does.
    pub(super) what: String,
    /// Its arguments, as JSON Schema.
    pub(super) properties: Value,
    /// Those that must be there.
    pub(super) required: &'static [&'static str],
}

/// Something that reaches beyond the group of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    /// What it is about, in a word for the log: a group's name.
    pub(super) about: String,
    /// What would happen, whole, behind "the group wants to": what others wrote is quoted.
    pub(super) says: String,
    /// What a yes is for: all of it, as it was understood.
    pub(super) exactly: Value,
}
