//! The decision: the only place where a permit is made.

use crate::{Facts, Policy, Verdict};

impl Policy {
    /// Judges a request. Consumes the facts: an allow gives them back inside the
    /// permit, a deny beside the refusal.
    pub fn decide(&self, _facts: Facts) -> Verdict {
        unimplemented!()
    }
}
