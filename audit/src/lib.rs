//! The journal: what happened, as a chain of JSON lines in files that anyone can check.
//!
//! What it is: the only writer, the readers, and the proof that nothing was changed. What it is
//! not: it knows nothing of requests or groups, and the content of an event is opaque text to it.
//! Nor does it protect against the daemon's own user, who has the key: for that, a head has to be
//! kept elsewhere.
//!
//! A folder holds segments, `000000000001.jsonl`, each named by the number of its first line:
//!
//! ```text
//! {"seq":7,"at":"2026-11-29T10:35:57.123Z","kind":"decision",…,"chain":"…64 hex digits…"}
//! ```
//!
//! `chain` is the SHA-256 over the previous line's chain, as its 64 digits, and this line up to
//! `,"chain":"`. The first line of a segment names the chain that it continues (`after`), so that a
//! segment can be checked alone. A `checkpoint` is signed (Ed25519) up to `,"signature":"`.
//!
//! **Invariants**
//! - What [`Journal::append`] has returned survives `kill -9`: the kernel has it. A power cut loses
//!   whatever no [`Unsynced::sync`] has covered.
//! - Lines are appended whole or not at all. If a partial line cannot be taken back, the journal is
//!   unusable until it is opened again.
//! - Only whole segments are removed, oldest first, under a signed checkpoint that says so.
//! - Nothing that a checkpoint covers is ever mistaken for a torn end.

mod frame;
mod line;
mod segment;

mod checkpoint;

mod reader;
mod verify;

mod error;
mod journal;
mod recovery;
mod retention;

pub use checkpoint::{Key, KeyError};
pub use error::JournalError;
pub use journal::{Journal, Opened, Unsynced, Written};
pub use line::{Chain, Head, Link, Millis};
pub use reader::{Line, Lines, Place, Texts, first};
pub use recovery::Torn;
pub use retention::{Due, Retention};
pub use verify::{Damage, Verified, VerifyError, verify};

#[cfg(test)]
mod tests;
