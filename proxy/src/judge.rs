//! The verdict on one request: no rule, no permit.

use http::HeaderMap;
use policies::{Facts, Permit, Refusal, Verdict};

use crate::gate::Case;
use crate::second_path;

/// Why there is no permit.
pub(crate) enum Denied {
    /// What the policy says of what was read.
    ByPolicy(Facts, Refusal),
    /// What it says of what a header names beside that.
    ByHeader(Refusal),
}

/// Judges what was read, and whatever else its headers have the host read.
pub(crate) fn judge(case: &Case, facts: Facts, headers: &HeaderMap) -> Result<Permit, Denied> {
    match case.policy.decide_at(facts, case.today) {
        Verdict::Allow(permit) => {
            second_path::judge(case, permit.facts(), headers).map_err(Denied::ByHeader)?;
            Ok(permit)
        }
        Verdict::Deny(facts, refusal) => Err(Denied::ByPolicy(facts, refusal)),
    }
}
