//! Chat messages that may be answers. They are taken here, before any agent sees them.

use super::answering::{By, NotAnswered};
use super::reading::{self, Answer, Coded};
use super::{Approvals, Around, quiet, words};
use crate::channels::protocol::Incoming;
use crate::channels::terminal;
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{Answered, Ask, Group, MARK, StoreError};

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

/// Why an answer does not count, as the log names it.
#[derive(Clone, Copy)]
enum Not {
    Approver,
    Bound,
    Understood,
}

/// Whether a text begins as a question does. Elsewhere in it the sign means nothing.
fn is_copied(text: &str) -> bool {
    text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != MARK).starts_with(MARK)
}

impl Approvals {
    /// Handles a message in a group's chat, unless Doorward sent it.
    pub fn hears(&self, group: &Group, message: &Incoming) -> Result<Heard, StoreError> {
        if let Some(to) = &message.reacts_to {
            return self.hears_reaction(group, message, to);
        }
        let quoted = message.quote.as_ref();
        let asks = match quoted {
            Some(quote) => self.store.asks_of_message(&group.name, &quote.id)?,
            None => Vec::new(),
        };
        let coded = self.coded(&message.text)?;
        // Ignores talk of people among themselves.
        let copied = (group.is_main || !message.group || message.addressed)
            && (is_copied(&message.text) || quoted.is_some_and(|quote| is_copied(&quote.text)));
        if asks.is_empty() && coded.is_none() && !copied {
            return Ok(self.hears_wish(group, message));
        }
        if !group.is_main || message.forwarded || message.edits.is_some() || (asks.is_empty() && coded.is_none()) {
            return Ok(self.is_not(group, Not::Bound));
        }
        if !self.is_owner(group, message) {
            return Ok(self.is_not(group, Not::Approver));
        }
        let told = match coded {
            Some((ask, coded)) => self.answers(&[ask], &coded.words, By::Code(group, &message.sender.id)),
            None => self.answers(&asks, &message.text, By::Reply(group, &message.sender.id)),
        };
        Ok(told.map_or_else(|| self.is_not(group, Not::Understood), |told| Heard::Taken(Some(told))))
    }

    /// Reactions never reach an agent, whatever they are to.
    fn hears_reaction(&self, group: &Group, message: &Incoming, to: &str) -> Result<Heard, StoreError> {
        let asks = self.store.asks_of_message(&group.name, to)?;
        let answer = reading::reaction(&message.text);
        let ([ask], Some(answer)) = (&asks[..], answer) else {
            let several = asks.len() > 1 && reading::reaction(&message.text).is_some();
            return Ok(Heard::Taken(several.then(words::which)));
        };
        if !group.is_main || !self.is_owner(group, message) {
            return Ok(self.is_not(group, Not::Approver));
        }
        let told = self.answer(ask, &answer, By::Reaction(group, &message.sender.id));
        Ok(Heard::Taken(Some(told.unwrap_or_else(|not| not.to_string()))))
    }

    /// An answer to the questions of one message, or to the question with a code. `None`: it is none.
    fn answers(&self, asks: &[Ask], text: &str, by: By<'_>) -> Option<String> {
        let answer = reading::answer(text)?;
        if let [one] = asks {
            return Some(self.answer(one, &answer, by).unwrap_or_else(|not| not.to_string()));
        }
        let no = answer.what == Answered::No;
        if !(no || answer.all && answer.what == Answered::Once) {
            return Some(words::which());
        }
        let told = asks.iter().map(|ask| self.one_of(ask, &answer, by));
        Some(told.collect::<Vec<_>>().join("\n"))
    }

    fn one_of(&self, ask: &Ask, answer: &Answer, by: By<'_>) -> String {
        let told = self.answer(ask, answer, by);
        format!("{}: {}", ask.says, told.unwrap_or_else(|not: NotAnswered| not.to_string()))
    }

    /// The questions that can be answered, oldest first.
    pub fn open_asks(&self) -> Result<Vec<Ask>, StoreError> {
        self.forget(self.times.now());
        self.store.open_asks()
    }

    /// Answers a question from the command line.
    pub fn answer_by_code(&self, code: &str, what: Answered, because: Option<String>) -> Result<String, String> {
        let ask = self.store.ask_of_code(&code.to_lowercase()).map_err(|error| error.to_string())?;
        let ask =
            ask.ok_or_else(|| format!("no question has the code {code}; `doorward ask` lists those that are open"))?;
        let answer = Answer { what, because, all: false };
        self.answer(&ask, &answer, By::Command).map_err(|not| not.to_string())
    }

    /// The question that a text names by its code, and the rest of the text.
    fn coded(&self, text: &str) -> Result<Option<(Ask, Coded)>, StoreError> {
        let Some(coded) = reading::coded(text) else { return Ok(None) };
        Ok(self.store.ask_of_code(&coded.code)?.map(|ask| (ask, coded)))
    }

    /// Handles `quiet 1h` in the owner's chat.
    fn hears_wish(&self, group: &Group, message: &Incoming) -> Heard {
        match quiet::wish(&message.text).filter(|_| group.is_main && self.is_owner(group, message)) {
            None => Heard::Other,
            Some(Some(wish)) => Heard::Wish(self.be_quiet(wish)),
            Some(None) => Heard::Wish(Phrases::new("quiet-how")),
        }
    }

    /// Whether the owner wrote it: whoever sits at the machine, or the only other person in the owner's own chat. Where
    /// several people write, only the configured identities are the owner.
    pub fn is_owner(&self, main: &Group, message: &Incoming) -> bool {
        let named = |around: &Around| around.owners.contains(&message.sender.id);
        main.channel == terminal::CHANNEL || !message.group || self.around().is_some_and(named)
    }

    /// Nothing happens, and the reply says so.
    fn is_not(&self, group: &Group, not: Not) -> Heard {
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
