//! Which question the owner answers, and what. Messages that may be answers are taken here, before any agent sees them.

use super::owner::{By, Not, Way};
use super::reading::{self, Answer, Coded};
use super::telling::Heard;
use super::{Approvals, words};
use crate::channels::protocol::Incoming;
use crate::store::{Answered, AskId, Group, StoreError};

impl Approvals {
    /// Handles a message in a group's chat, unless Doorward sent it.
    pub fn hears_answer(&self, group: &Group, message: &Incoming) -> Result<Heard, StoreError> {
        if let Some(to) = &message.reacts_to {
            return self.hears_reaction(group, message, to);
        }
        let asks = match &message.quote {
            Some(quote) => self.store.asks_of_message(&group.name, &quote.id)?,
            None => Vec::new(),
        };
        let coded = self.coded(&message.text)?;
        if asks.is_empty() && coded.is_none() {
            return Ok(self.hears_no_answer(group, message));
        }
        let way = if coded.is_some() { Way::Code } else { Way::Reply };
        let by = match self.said_by_owner(way, group, message) {
            Ok(by) => by,
            Err(not) => return Ok(self.is_not(group, not)),
        };
        let told = match coded {
            Some((ask, coded)) => self.answers(&[ask], &coded.words, by),
            None => self.answers(&asks, &message.text, by),
        };
        Ok(told.map_or_else(|| self.is_not(group, Not::Understood), |told| Heard::Taken(Some(told))))
    }

    /// Reactions never reach an agent, whatever they are to.
    fn hears_reaction(&self, group: &Group, message: &Incoming, to: &str) -> Result<Heard, StoreError> {
        let asks = self.store.asks_of_message(&group.name, to)?;
        let answer = reading::reaction(&message.text);
        let (&[ask], Some(answer)) = (&asks[..], &answer) else {
            let several = asks.len() > 1 && answer.is_some();
            return Ok(Heard::Taken(several.then(words::which)));
        };
        Ok(match self.said_by_owner(Way::Reaction, group, message) {
            Ok(by) => Heard::Taken(Some(self.answer(ask, answer, by).unwrap_or_else(|not| not.to_string()))),
            Err(not) => self.is_not(group, not),
        })
    }

    /// An answer to the questions of one message, or to the question with a code. `None`: it is none.
    fn answers(&self, asks: &[AskId], text: &str, by: By<'_>) -> Option<String> {
        let answer = reading::answer(text)?;
        let told = |ask: AskId| self.answer(ask, &answer, by).unwrap_or_else(|not| not.to_string());
        if let &[one] = asks {
            return Some(told(one));
        }
        let no = answer.what == Answered::No;
        if !(no || answer.all && answer.what == Answered::Once) {
            return Some(words::which());
        }
        let each = asks.iter().map(|ask| format!("{}: {}", self.says(*ask), told(*ask)));
        Some(each.collect::<Vec<_>>().join("\n"))
    }

    /// Answers a question from the command line.
    pub fn answer_by_code(&self, code: &str, what: Answered, because: Option<String>) -> Result<String, String> {
        let ask = self.store.ask_of_code(&code.to_lowercase()).map_err(|error| error.to_string())?;
        let ask =
            ask.ok_or_else(|| format!("no question has the code {code}; `doorward ask` lists those that are open"))?;
        let answer = Answer { what, because, all: false };
        self.answer(ask, &answer, By::command()).map_err(|not| not.to_string())
    }

    /// The question that a text names by its code, and the rest of the text.
    fn coded(&self, text: &str) -> Result<Option<(AskId, Coded)>, StoreError> {
        let Some(coded) = reading::coded(text) else { return Ok(None) };
        Ok(self.store.ask_of_code(&coded.code)?.map(|ask| (ask, coded)))
    }
}
