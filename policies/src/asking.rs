//! What makes Doorward ask the owner, and how: an `[[ask]]`, or `[ask] unlisted = true`. What it is
//! not: the asking itself, which belongs to whoever keeps questions and grants.

use crate::{Hours, Moment, RuleRef};

/// `[ask]`: what is asked besides the `[[ask]]`s, how long a request waits, and when nobody is
/// asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Where `unlisted = true` stands, if it does: the owner is asked about hosts that no rule
    /// names.
    pub unlisted: Option<RuleRef>,
    /// How many seconds an asked request waits for its answer.
    pub hold: u64,
    /// When nobody is asked.
    pub quiet: Vec<Hours>,
}

/// The rule that asks, and how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedBy {
    /// The `[[ask]]`, or `[ask]`.
    pub at: RuleRef,
    /// The owner's words.
    pub why: Option<String>,
    /// How many seconds the request waits for an answer.
    pub hold: u64,
    /// Nobody is asked at this time.
    pub quiet: bool,
    /// Lines that would let it go unasked.
    pub lift: Vec<String>,
}

/// The largest body that can be asked about, in bytes.
pub const ASKED_AT_MOST: u64 = 64 << 10;

impl Asking {
    /// The longest that a request waits, in seconds.
    pub const HOLD: u64 = 50;

    pub(crate) fn is_quiet(&self, now: Moment) -> bool {
        self.quiet.iter().any(|hours| hours.include(now))
    }
}

impl Default for Asking {
    fn default() -> Self {
        Asking { unlisted: None, hold: Asking::HOLD, quiet: Vec::new() }
    }
}
