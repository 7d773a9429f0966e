//! The audit log: the journal in `audit/`, a chain of JSON lines that anyone can check (the crate `audit`), and behind
//! it an index for queries, `audit-index.db`.
//!
//! What it is: the proxy's [`proxy::audit::Ledger`], and the ways to read it back. The writing half (`log`, `keeper`,
//! and what they use) knows nothing of the reading half (`reading`), and no request waits for that. What it is not:
//! protection against somebody who rewrites all of it as the daemon's own user; for that, keep the chain's head
//! elsewhere.
//!
//! **Invariants**
//! - Once `decided` returns, the decision survives `kill -9` (the kernel has it). A power cut costs at most a second,
//!   and no alarm; in a flood of alarms, a tenth of a second of them.
//! - What cannot be stored is an error: there is no buffer for decisions. Outcomes wait in memory, within bounds, for
//!   the next decision's write or a tenth of a second: `kill -9` can cost that much of them, which then read as
//!   interrupted.
//! - The first twenty of one and the same denial in a minute get their own records, two hundred per sandbox, and then
//!   twenty more for each reason; the rest is counted, and the count is written when the minute is over. `kill -9` can
//!   cost that count, never a decision that let something out.
//! - A group can fill no more than its share of a day: then only that group's doors are shut for the rest of it, with a
//!   record a minute for each reason of their denials.
//! - A log that was removed is not silently started anew.
//!
//! **Locks**, in the order in which they are taken: `floods`, `journal`; each of the others alone.

mod effect;
mod flood;
mod keeper;
mod log;
mod notice;
mod old;
mod reading;
mod share;
mod ticking;
pub use audit::{Retention, Verified, VerifyError};
pub use log::{AuditLog, Recorded};
pub use notice::{Notice, add_notice};
pub use old::{Before, OldBadRecord, OldLog, OldVerified, OldVerifyError};
pub use reading::{
    AuditEntry, AuditReader, Credited, DecisionRecord, Digest, Ending, EventRecord, Events, Filter, Happened, Head,
    ModelUse, Numbered, OperationRecord, OutcomeRecord, RuleRecord, UsedSince, Way, Which, check_key, may_have_written,
    verify,
};

#[cfg(test)]
mod tests;
