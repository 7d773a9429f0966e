//! The third verdict: its owner has to be asked first.

use std::sync::Arc;

use crate::asking::AskedBy;
use crate::terms::Terms;
use crate::{BodyHash, Bounds, Facts, Fingerprint, Grant, GrantId, Granted, HeadHash, Refusal};

/// A request that waits for a yes: judged by its head, and all that a yes would give it is known.
/// It is no permit, and none can be made of it; a yes becomes a [`Grant`], with which the request
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

    /// What was judged, and what a yes would give it: enough to look through it, nothing to send
    /// it with.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What has its owner asked.
    pub fn by(&self) -> &Arc<AskedBy> {
        &self.by
    }

    /// What identifies it, but for its body.
    pub fn fingerprint(&self) -> Fingerprint {
        let terms = &self.terms;
        Fingerprint::of(&terms.group, &terms.facts, terms.credential.as_deref(), terms.head)
    }

    /// The same with this head: a yes is for it as well.
    #[must_use]
    pub fn with_head(mut self, head: HeadHash) -> Self {
        self.terms.head = head;
        self
    }

    /// A yes to this request with this body, for one time.
    pub fn once(&self, id: GrantId, body: &[u8]) -> Grant {
        Grant::kept(id, self.fingerprint(), Granted::Once(BodyHash::of(body)))
    }

    /// A yes to this request with any body, until its run has ended.
    pub fn answer(&self, id: GrantId) -> Grant {
        Grant::kept(id, self.fingerprint(), Granted::Answer(Bounds::OF_AN_ANSWER))
    }

    /// What was asked, to be judged again.
    pub fn into_facts(self) -> Facts {
        self.terms.facts
    }

    /// Nobody answered.
    pub fn into_refusal(self) -> (Facts, Refusal) {
        let refusal = self.by.unanswered();
        (self.terms.facts, refusal)
    }
}
