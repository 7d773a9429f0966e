//! The audit log: the journal in `audit/`, a chain of JSON lines that anyone can check (the
//! crate `audit`), and an index behind it, `audit-index.db`, for questions.
//!
//! What it is: the proxy's [`proxy::audit::Ledger`], and the ways to read it back. The half that
//! writes (`log`, `keeper`, and what they use) knows nothing of the half that reads
//! (`reading`), and no request waits for that. What it is not: protection against somebody who
//! rewrites all of it as the daemon's own user; for that the chain's head has to be kept elsewhere.
//!
//! **Invariants**
//! - Once `decided` returns, the decision survives `kill -9` (the kernel has it). A power cut
//!   costs a second at most, and no alarm; in a flood of alarms a tenth of a second of them.
//! - What cannot be stored is an error: there is no buffer for decisions. Outcomes
//!   wait in memory, in bounds, for the next decision's write or a tenth of a second:
//!   `kill -9` can cost that much of them, which then read as interrupted.
//! - Of one and the same denial the first twenty of a minute have a record each, of one
//!   sandbox's two hundred, and then twenty more for each reason; what is beyond is
//!   counted, and the count is written when the minute is over. `kill -9` can cost
//!   that count, never a decision that let something out.
//! - A group fills its share of a day and no more: then the doors of that group alone are
//!   shut for the rest of it, and of what they deny a record a minute tells each reason.
//! - A log that was removed is not begun anew behind its owner's back.
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
