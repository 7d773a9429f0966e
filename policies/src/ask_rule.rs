//! An `[[ask]]` as a policy looks it up, and the question it puts to the owner.

use std::sync::Arc;

use crate::asking::{AskedBy, Asking};
use crate::rules::AllowRule;
use crate::{Adviser, Refused};

/// An ask's place among the rules, and its words. These are made once, because many requests may wait
/// for an answer.
#[derive(Clone, Debug)]
pub(crate) struct AskRule {
    /// Its index among the rules that open something.
    pub(crate) place: usize,
    by: Arc<AskedBy>,
    /// The same for a time when nobody is asked.
    by_in_quiet: Arc<AskedBy>,
}

impl AskRule {
    pub(crate) fn new(place: usize, rule: &AllowRule, asking: &Asking, adviser: Adviser) -> Self {
        let lift = adviser(&Refused::Asked(rule)).lift;
        let by = AskedBy { at: rule.at.clone(), why: rule.why.clone(), hold: asking.hold, quiet: false, lift };
        AskRule { place, by_in_quiet: Arc::new(AskedBy { quiet: true, ..by.clone() }), by: Arc::new(by) }
    }

    pub(crate) fn by(&self, quiet: bool) -> &Arc<AskedBy> {
        if quiet { &self.by_in_quiet } else { &self.by }
    }
}
