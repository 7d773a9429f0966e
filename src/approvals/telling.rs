//! What the owner, the agents and the log are told beside questions.

use policies::{Code, Facts, GroupName, Refusal};
use proxy::ports::Question;

use super::open::Open;
use super::owner::Not;
use super::{Approvals, quiet, words};
use crate::channels::protocol::Incoming;
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{AskId, Group, MARK, StoreError};

/// The result for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It concerns no question: others may read it.
    Other,
    /// It was for Doorward only; this is the reply to its sender, if any.
    Taken(Option<String>),
    /// The owner asked for a while without questions; this is the reply.
    Wish(Phrases),
}

/// Whether a text begins as a question does. Elsewhere in it the sign means nothing.
fn is_copied(text: &str) -> bool {
    text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != MARK).starts_with(MARK)
}

impl Approvals {
    /// Handles a message that names no question: it may be the copy of one, or a wish of the owner's.
    pub(super) fn hears_no_answer(&self, group: &Group, message: &Incoming) -> Heard {
        // Ignores talk of people among themselves.
        let copied = (group.is_main || !message.group || message.addressed)
            && (is_copied(&message.text) || message.quote.as_ref().is_some_and(|quote| is_copied(&quote.text)));
        if copied {
            return self.is_not(group, Not::Bound);
        }
        match quiet::wish(&message.text).filter(|_| group.is_main && self.is_owner(group, message)) {
            None => Heard::Other,
            Some(Some(wish)) => Heard::Wish(self.be_quiet(wish)),
            Some(None) => Heard::Wish(Phrases::new("quiet-how")),
        }
    }

    /// The reason that its agent gave lately for such a request.
    pub(super) fn reason(&self, question: &Question) -> Option<String> {
        let Facts { authority, method, path, .. } = &question.facts;
        let said =
            self.store.access_reason(&question.who.group, &authority.to_string(), method.as_str(), path.as_str());
        said.inspect_err(|error| tracing::error!(%error, "What an agent gave as its reason cannot be read")).ok()?
    }

    /// What a question would do, in the words in which it was stored.
    pub(super) fn says(&self, ask: AskId) -> String {
        self.store.ask(ask).ok().flatten().map(|ask| ask.says).unwrap_or_default()
    }

    /// The request is gone: its agent is told that it may be sent again.
    pub(super) fn tell_agent(&self, open: &Open) {
        let id = format!("ask-{}", open.ask().0);
        let text = words::may_come_again(open.question());
        if let Some(around) = self.around() {
            (around.tell_agent)(&open.question().who.group, &id, &text);
        }
    }

    /// Logs that the owner's answer had no effect.
    pub(super) fn came_to_nothing(&self, question: &Question, error: &dyn std::error::Error) {
        let text = format!("what the owner said last came to nothing: {error}");
        self.ledger.note(&Notice::of("not_an_answer", &question.who, text));
    }

    /// Logs that a question may not be shown.
    pub(super) fn log_withheld(&self, main: &GroupName, refusal: &Refusal) {
        let text = format!("a question to the owner was withheld: {}", refusal.logged.as_ref().unwrap_or(&refusal.why));
        self.ledger.note(&Notice { code: Some(refusal.code), ..Notice::new("reply_withheld", Some(main), text) });
    }

    /// Logs how many questions an earlier daemon left.
    pub(super) fn log_lost(&self, lost: usize) {
        if lost > 0 {
            let text = format!("{lost} questions to the owner were open when Doorward ended; no answer to them counts");
            self.ledger.note(&Notice { count: Some(lost as u64), ..Notice::new("asks_lost", None, text) });
        }
    }

    /// Logs how many yeses ended with their policy.
    pub(super) fn log_ended(&self, group: &GroupName, ended: Result<usize, StoreError>) {
        match ended {
            Ok(0) => {}
            Ok(ended) => {
                let text = format!("{ended} yeses of the owner's ended: the policy has changed");
                self.ledger
                    .note(&Notice { count: Some(ended as u64), ..Notice::new("grants_ended", Some(group), text) });
            }
            // Those of this daemon are known in memory as well.
            Err(error) => {
                tracing::error!(%group, %error, "Grants of an earlier policy could not be ended in the store")
            }
        }
    }

    /// Nothing happens, and the reply says so.
    pub(super) fn is_not(&self, group: &Group, not: Not) -> Heard {
        let (reason, told) = match not {
            Not::Approver => ("not_approver", "Only the owner answers questions of Doorward's; nothing happened."),
            Not::Bound => (
                "unbound_reply",
                "That is no answer to a question of Doorward's: only the owner's own reply to it counts, in the owner's \
                 chat, as it was first sent, or one with its code. Nothing happened.",
            ),
            Not::Understood => (
                "not_understood",
                "That was not understood; nothing happened. Reply 1, 2, 3, no, \u{201c}no: because \u{2026}\u{201d} or never.",
            ),
        };
        let text = format!("what was said to a question is no answer ({reason}); nothing happened");
        self.ledger.note(&Notice::new("not_an_answer", Some(&group.name), text));
        Heard::Taken(Some(told.to_owned()))
    }
}

/// The store failed.
pub(super) fn unavailable(error: &StoreError) -> Refusal {
    cannot_ask(error)
}

/// Nobody can be asked; the log says more.
pub(super) fn cannot_ask(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::AskUnanswered, "the owner cannot be asked now")
        .logged_as(format!("the owner cannot be asked: {why}"))
}
