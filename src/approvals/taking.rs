//! A yes that exists already: one that came after its request had gone, or one for a whole answer.

use policies::{ASKED_AT_MOST, Refusal};
use proxy::ports::{Question, Yes};

use super::Approvals;
use super::asking::unavailable;
use crate::store::{RunId, Wanted};

impl Approvals {
    /// Takes a valid yes for exactly this request, if there is one. Whoever gets it may go once.
    pub(super) fn take(&self, question: &Question) -> Result<Option<Yes>, Refusal> {
        let now = self.times.now();
        let (exact, shape) = (exact(question), question.fingerprint.to_string());
        let wanted = Wanted {
            group: &question.who.group,
            run: question.run.map(RunId),
            exact: &exact,
            shape: &shape,
            is_short: question.bytes <= ASKED_AT_MOST,
            at: now.wall,
        };
        for found in self.store.grants_for(&wanted).map_err(|error| unavailable(&error))? {
            if !self.book().counts(found.id, question, now) {
                self.store.end_grant(found.id, "its time was over").map_err(|error| unavailable(&error))?;
            } else if self.store.take_grant(found.id, &wanted).map_err(|error| unavailable(&error))? {
                return Ok(Some(if found.of_answer { Yes::Answer(found.id) } else { Yes::Once(found.id) }));
            }
        }
        Ok(None)
    }
}

/// Identifies a request including its body.
pub(super) fn exact(question: &Question) -> String {
    format!("{}/{}", question.fingerprint, question.body)
}
