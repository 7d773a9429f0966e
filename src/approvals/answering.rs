//! Answers: the first one counts. It is in the log before it takes effect.

use desk::lock;

use super::open::Open;
use super::owner::By;
use super::reading::Answer;
use super::yes::Counted;
use super::{Approvals, words};
use crate::store::ledger::Notice;
use crate::store::{AskId, StoreError};

/// Why an answer had no effect, for the owner.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAnswered {
    /// The question was answered or has expired.
    #[error("{0}")]
    Closed(String),
    /// What it asks for cannot be done.
    #[error("{0} Nothing happened; the question is still open.")]
    Impossible(String),
    /// The database failed.
    #[error("Nothing happened: {0}")]
    Store(#[from] StoreError),
}

impl Approvals {
    /// Answers a question. Returns what the owner is told.
    pub(super) fn answer(&self, ask: AskId, answer: &Answer, by: By<'_>) -> Result<String, NotAnswered> {
        let _one = lock(&self.deciding);
        // A policy saved a moment ago closes the questions asked under the one before.
        self.look_at_policy_of(ask);
        let now = self.times.now();
        self.forget(now);
        let open = self.as_it_stands(ask, now)?;
        let counted = Counted::of((ask, &open), answer.what, by, now)?;
        self.refuse_locked(&open, answer.what)?;
        let rule = self.rule(&open, answer.what, &by.how())?;
        self.put_before_it_is_answered(&open, answer.what, by)?;
        self.log_answer(&open, answer, by)?;
        let written = rule.map(|rule| self.write_rule(&open, rule)).transpose()?;
        let settled = self.yeses.answer(&counted, now);
        let settled = settled.inspect_err(|error| self.came_to_nothing(open.question(), error))?;
        // Writing a rule closes the question by itself.
        if !settled && written.is_none() {
            return Err(NotAnswered::closed());
        }
        let waited = self.settle(&open, answer, now);
        if !waited && counted.gives() {
            self.tell_agent(&open);
        }
        Ok(words::answered(answer, waited, written.as_deref()))
    }

    /// An answer that cannot be logged is none.
    fn log_answer(&self, open: &Open, answer: &Answer, by: By<'_>) -> Result<(), NotAnswered> {
        let question = open.question();
        let because =
            answer.because.as_deref().map(|because| format!(" (\u{201c}{because}\u{201d})")).unwrap_or_default();
        let text =
            format!("the owner said {}{because} {}: {}", answer.what.as_str(), by.how(), words::logged(question));
        let noted = self.ledger.notice(&Notice::of("ask_answered", &question.who, text));
        noted.map(drop).map_err(|down| NotAnswered::Impossible(format!("The answer cannot be written down: {down}.")))
    }
}

impl NotAnswered {
    /// Nobody has answered it, and nobody can.
    pub(super) fn closed() -> Self {
        NotAnswered::Closed(words::closed(None))
    }
}
