//! What would become of a request that nobody has sent, by its head. It goes through what a
//! door's requests go through, and the proofs of it stay here: nothing can be sent with them.

use http::HeaderMap;
use policies::{Facts, Permit, PolicyAt, Refusal};

use crate::check::{Dressed, check};
use crate::judge::{Denied, judged};
use crate::request;

/// Judges and checks a head by a policy of the caller's choice. `look` is what a door would look
/// with.
pub fn foresee<T>(
    policy: PolicyAt<'_>,
    facts: Facts,
    headers: &HeaderMap,
    look: impl FnOnce(&Permit, HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(Permit, T), Denied> {
    let facts = request::supposed(facts, headers).map_err(Denied::ByHeader)?;
    let judged = judged(policy, facts, headers)?;
    let checked = check(&judged, headers, |going_out| look(judged.permit(), going_out));
    let (_, looked) = checked.map_err(Denied::ByHeader)?;
    Ok((judged.into_permit(), looked))
}
