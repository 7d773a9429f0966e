//! Judges a request in flight again when the policy or the time has changed: by the same facts, and
//! with everything that its permit was used for.

use std::net::SocketAddr;

use crate::rules::Reading;
use crate::{Authority, BodyConditions, Code, Facts, Permit, PolicyAt, Refusal, TunnelPermit, Verdict};

impl PolicyAt<'_> {
    /// Whether a request in flight under this permit may go on. It must still be allowed, with the credential it
    /// carries, the surrogates its body may hold, the conditions its body was judged by, everything else it has its
    /// host read, and the address it was sent to, if any.
    pub fn upholds(&self, permit: &Permit, address: Option<SocketAddr>) -> Result<(), Refusal> {
        if (permit.policy(), permit.now()) == (self.policy().hash(), self.now()) {
            // The same policy and moment gave it.
            return address.map_or(Ok(()), |address| permit.check_address(address).map(drop).map_err(revoked));
        }
        // Its yes was used up for it; no other counts.
        let grants = permit.given.body.grants();
        let now = match self.with_grants(grants).with_head(permit.head()).decide(permit.facts().clone()) {
            Verdict::Allow(now) => now,
            Verdict::Ask(ask) => return Err(revoked(ask.into_refusal().1)),
            Verdict::Deny(_, refusal) => return Err(revoked(refusal)),
        };
        let body_is_judged = match (now.body_conditions(), permit.body_conditions()) {
            (None, _) => true,
            (Some(now), Some(then)) => now.takes_all_of(then),
            (Some(_), None) => false,
        };
        if let Some(refusal) = permit.reached().iter().find_map(|named| self.reaches(named).err()) {
            return Err(revoked(refusal));
        }
        let gives_less = (permit.model() && !now.model()) || (permit.opaque() && !now.opaque());
        if now.credential() != permit.credential() || gives_less || !body_is_judged {
            let why =
                "the policy, or what it says at this time, changed while the request was under way; send it again";
            return Err(Refusal::new(Code::Revoked, why));
        }
        address.map_or(Ok(()), |address| now.check_address(address).map(drop).map_err(revoked))
    }

    /// Whether more of its body may be sent: what this policy would have it looked through for, it is.
    pub fn upholds_search(&self, permit: &Permit) -> Result<(), Refusal> {
        let Some(searched) = permit.searched() else { return Ok(()) };
        if permit.policy() == self.policy().hash() && permit.now() == self.now() {
            return Ok(());
        }
        if !searched.other_methods
            && let Some(refusal) = self.refusal_of_other_methods(permit)
        {
            return Err(revoked(refusal));
        }
        if !searched.lookalikes && self.policy().blocks_lookalikes() {
            let why = "the policy now refuses what looks like a secret, and this body was not looked through for it; send it again";
            return Err(Refusal::new(Code::Revoked, why));
        }
        Ok(())
    }

    /// Whether a header of another request may have a host do this: it is judged like a request of its own. A yes
    /// covers the request that was shown, and not what a header of another request names.
    pub fn reaches(&self, named: &Facts) -> Result<(), Refusal> {
        match self.with_grants(&[]).decide(named.clone()) {
            Verdict::Allow(permit) => match permit.body_conditions().and_then(BodyConditions::asked_by) {
                Some(by) => Err(by.unanswered()),
                None => Ok(()),
            },
            Verdict::Ask(ask) => Err(ask.into_refusal().1),
            Verdict::Deny(_, refusal) => Err(refusal),
        }
    }

    /// The refusal of a permitted request whose body has a field that asks for another method
    /// (`_method`). `None` if the policy allows every method there with the same credential and
    /// conditions: then such a field changes nothing.
    pub fn refusal_of_other_methods(&self, permit: &Permit) -> Option<Refusal> {
        let host = &permit.facts().authority.host;
        let refusal = match self.judge_within(&Reading::asking_in_body(permit.facts())) {
            Ok(all) if all.credential == permit.given.credential && all.body.asks_what(permit.body_conditions()) => {
                return None;
            }
            Ok(_) => Refusal::new(Code::MethodDenied, "other methods go there under other rules; leave the field out"),
            Err(refusal) => refusal,
        };
        let why =
            format!("a field of the body (_method or one like it) asks {host} for another method: {}", refusal.why);
        Some(Refusal { why, ..refusal })
    }

    /// The same for a tunnel.
    pub fn upholds_tunnel(&self, permit: &TunnelPermit, address: Option<SocketAddr>) -> Result<(), Refusal> {
        let authority = permit.authority();
        let now = self.decide_tunnel(authority).ok_or_else(|| self.no_tunnel(authority))?;
        address.map_or(Ok(()), |address| now.check_address(address).map(drop).map_err(revoked))
    }

    fn no_tunnel(&self, authority: &Authority) -> Refusal {
        match self.closed_tunnel(authority) {
            Some(closed) => revoked(self.outside_hours(authority, closed)),
            None => Refusal::new(Code::Revoked, format!("the policy no longer lets {authority} through unopened")),
        }
    }
}

fn revoked(refusal: Refusal) -> Refusal {
    Refusal { code: Code::Revoked, ..refusal }
}
