//! The third verdict: the owner has to be asked first.

use std::sync::Arc;

use crate::asking::AskedBy;
use crate::terms::Terms;
use crate::{BodyHash, Bounds, Facts, Fingerprint, Grant, GrantId, Granted, HeadHash, Refusal};

/// A request that waits for a yes. Its head has been judged, and what a yes would give it is known.
/// It is no permit, and none can be made from it: a yes becomes a [`Grant`], with which the request
/// is judged again.
#[derive(Debug)]
pub struct Ask {
    terms: Terms,
    by: Arc<AskedBy>,
}

impl Ask {
    pub(crate) fn new(terms: Terms, by: Arc<AskedBy>) -> Self {
        Ask { terms, by }
    }

    /// What was judged, and what a yes would give it: enough to inspect, not enough to send.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Which rule asks.
    pub fn by(&self) -> &Arc<AskedBy> {
        &self.by
    }

    /// Identifies the request, apart from its body.
    pub fn fingerprint(&self) -> Fingerprint {
        let terms = &self.terms;
        Fingerprint::of(&terms.group, &terms.facts, terms.given.credential.as_deref(), terms.head)
    }

    /// The same request with this head, which a yes then covers too.
    #[must_use]
    pub fn with_head(mut self, head: HeadHash) -> Self {
        self.terms.head = head;
        self
    }

    /// A yes to this request with this body, once.
    pub fn once(&self, id: GrantId, body: &[u8]) -> Grant {
        Grant::kept(id, self.fingerprint(), Granted::Once(BodyHash::of(body)))
    }

    /// A yes to this request with any body, until its run ends.
    pub fn answer(&self, id: GrantId) -> Grant {
        Grant::kept(id, self.fingerprint(), Granted::Answer(Bounds::OF_AN_ANSWER))
    }

    /// The request, to be judged again.
    pub fn into_facts(self) -> Facts {
        self.terms.facts
    }

    /// Nobody answered.
    pub fn into_refusal(self) -> (Facts, Refusal) {
        let refusal = self.by.unanswered();
        (self.terms.facts, refusal)
    }
}
