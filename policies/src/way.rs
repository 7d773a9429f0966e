//! The way of a request through a door, foreseen: what `policy explain`, `policy
//! diff` and `[[test]]` say of it. What it is not: the door, which sees the
//! connection before the request and asks for each by itself.

use crate::{Date, Facts, Policy, Scheme, TunnelPermit, Verdict};

/// How a request goes.
#[derive(Debug)]
pub enum Way {
    /// In a connection that nobody opens, so that it is not judged.
    Unopened(TunnelPermit),
    /// Opened and judged.
    Judged(Verdict),
}

impl Policy {
    /// How this request would go on a day; without one, as if nothing was observed.
    pub fn way(&self, facts: Facts, today: Option<Date>) -> Way {
        let tunnel = (facts.scheme == Scheme::Https).then(|| self.decide_tunnel(&facts.authority)).flatten();
        tunnel.map_or_else(|| Way::Judged(self.decide_on(facts, today)), Way::Unopened)
    }
}
