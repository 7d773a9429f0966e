//! Judges a request's head beyond what the gate does: for requests through a door, and for those
//! that `policy explain` asks about.

use std::sync::Arc;

use gate::Denied;
use gate::audit::Identity;
use http::HeaderMap;
use policies::{Facts, Moment, Policy, Refusal, Terms, Verdict};

use crate::credentials::{Checked, Head, Keyring};
use crate::keeper::Keys;

/// The refusal of a request that is not allowed. A surrogate or secret on its way to a denied host
/// is first of all a leak attempt: the owner is alerted, and no line is suggested that would allow
/// it (attack H01).
pub(crate) fn refusal(keys: &Keys, headers: &HeaderMap, denied: Denied) -> Refusal {
    match denied {
        Denied::ByHeader(refusal) => refusal,
        Denied::Asks(ask) => {
            let (facts, refusal) = ask.into_refusal();
            leak_or(keys, headers, &facts, refusal)
        }
        Denied::ByPolicy(facts, refusal) => leak_or(keys, headers, &facts, refusal),
    }
}

fn leak_or(keys: &Keys, headers: &HeaderMap, facts: &Facts, refusal: Refusal) -> Refusal {
    let leak = keys.keyring.leak_in(&keys.who, Head::new(facts, headers), &keys.watchlist);
    leak.unwrap_or(refusal)
}

/// Leak check and account pinning of the headers that may go out.
pub(crate) fn check<'k>(
    keys: &'k Keys,
    policy: &Policy,
    terms: &Terms,
    headers: HeaderMap,
) -> Result<Checked<'k>, Refusal> {
    keys.keyring.check(terms, headers, keys.looking(policy.blocks_lookalikes()))
}

/// Whether a door of `who` would let a request with these headers pass or ask about it, and in
/// words which of them it would remove. No secret is read, so none is found out of place.
pub fn foresee(
    (policy, now): (&Policy, Moment),
    who: Identity,
    keyring: Keyring,
    facts: Facts,
    headers: &HeaderMap,
) -> Result<(Verdict, Vec<String>), Refusal> {
    let keys = Keys { who, keyring: Arc::new(keyring), watchlist: Arc::default() };
    let look = |terms: &Terms, going_out| Ok(check(&keys, policy, terms, going_out)?.with_surrogate());
    gate::foresee(policy.at(now), facts, headers, look).map_err(|denied| refusal(&keys, headers, denied))
}
