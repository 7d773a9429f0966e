//! Reading the log back. The index (`audit-index.db`) is derived from the journal: it may be deleted at any time, and
//! every reader brings it up to date.

mod blocks;
mod digest;
mod entries;
mod filter;
mod follow;
mod index;
mod numbered;
mod reader;
mod record;
mod said;
mod tokens;
mod used;

use std::path::Path;

use audit::{Chain, Key, Verified, VerifyError};

use crate::store::StoreError;

pub use digest::{Credited, Digest, Happened, Head, Way};
pub use filter::{Events, Filter, Which};
pub(super) use follow::Reading;
pub use numbered::Numbered;
pub use reader::AuditReader;
pub use record::{
    AuditEntry, DecisionRecord, Ending, EventRecord, OperationRecord, OutcomeRecord, RuleRecord, may_have_written,
};
pub use tokens::ModelUse;
pub use used::UsedSince;

/// Walks a log's whole chain and compares its checkpoints with the key beside it. Given a head that was kept elsewhere,
/// it also says whether that is one of the records, which reveals a cut tail.
pub fn verify(folder: &Path, head: Option<Chain>) -> Result<Verified, VerifyError> {
    let key = folder.with_extension("key");
    let key = if key.exists() { Key::at(&key).ok() } else { None };
    audit::verify(folder, head, key.as_ref().map(Key::public))
}

/// Whether the key beside a log, if there is one, is valid.
pub fn check_key(folder: &Path) -> Result<(), StoreError> {
    let key = folder.with_extension("key");
    if key.exists() { super::log::key_of(folder).map(drop) } else { Ok(()) }
}
