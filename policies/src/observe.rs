//! `mode = "observe"`: for a while, hosts that no rule names are let through and marked in the log,
//! so that the owner learns what a group needs. Nothing else is relaxed, and it ends on a given
//! day.

use crate::{Date, RuleRef};

/// Until when, and where the file says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observe {
    /// The last day.
    pub until: Date,
    /// Where it stands.
    pub at: RuleRef,
}
