//! What would become of a hypothetical request, judged by its head. It goes through the same stages
//! as a real one, and its proofs stay here: nothing can be sent with them.

use http::HeaderMap;
use policies::{Facts, PolicyAt, Refusal, Terms, Verdict};

use crate::check::{Dressed, checked};
use crate::head;
use crate::judge::{Denied, judged};
use crate::request;

/// Judges and checks a head by a policy of the caller's choice. `look` is the search that a door
/// would make. Returns an allow or an ask.
pub fn foresee<T>(
    policy: PolicyAt<'_>,
    facts: Facts,
    headers: &HeaderMap,
    look: impl FnOnce(&Terms, HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(Verdict, T), Denied> {
    let facts = request::supposed(facts, headers).map_err(Denied::ByHeader)?;
    let mut headers = headers.clone();
    head::drop_nominated(&mut headers);
    let verdict = match judged(policy, facts, &headers) {
        Ok(judged) => Verdict::Allow(judged.into_permit()),
        Err(Denied::Asks(ask)) => Verdict::Ask(*ask),
        Err(denied) => return Err(denied),
    };
    let terms = match &verdict {
        Verdict::Allow(permit) => permit.terms(),
        Verdict::Ask(ask) => ask.terms(),
        Verdict::Deny(facts, refusal) => return Err(Denied::ByPolicy(Box::new(facts.clone()), refusal.clone())),
    };
    let (_, looked) = checked(terms, &headers, |going_out| look(terms, going_out)).map_err(Denied::ByHeader)?;
    Ok((verdict, looked))
}
