//! One message from a channel: whether it is for a group, what it means to the assistant, and how it is stored.
//!
//! A message from an unregistered chat ends here, before any of it is written or logged (invariant 14). So do a
//! network's echo of what this daemon sent, and answers to Doorward's questions.

mod orders;
mod own;
mod words;

use policies::GroupName;

use self::orders::Asks;

use super::Pipeline;
use super::calling::{self, Name};
use super::router::{ChannelError, Served};
use super::telling;
use crate::approvals::Heard;
use crate::channels::outward::Outward;
use crate::channels::protocol::{Incoming, OutgoingKind, Quote, Sender};
use crate::channels::terminal;
use crate::config::{GroupSettings, Trigger};
use crate::phrases::Phrases;
use crate::store::{
    Group, Inserted, Means, NewMessage, NotChanged, StoreError, Task, TaskChange, TaskId, TaskState, Word,
};

/// The assistant's names in a group's chat, and which messages are answered there.
struct Called {
    name: Name,
    trigger: Option<Trigger>,
}

impl Pipeline {
    /// Commits a message and queues its group.
    pub(super) fn take_in(&self, served: &Served, message: Incoming) -> Result<Outward, ChannelError> {
        let registered = match &served.shown {
            Some(only) if *only != message.chat => None,
            _ => self.store.group_by_chat(&served.channel, &message.chat)?,
        };
        let id = message.id.clone();
        let Some(group) = registered else { return Ok(Outward::of_no_group(id)) };
        match self.store_for(&group, message) {
            Ok(()) => Ok(Outward::accepted(id)),
            // At a terminal a person reads the reason; a network delivers the message again.
            Err(error) if served.channel == terminal::CHANNEL => Ok(Outward::not_kept(id, &error)),
            Err(error) => Err(error.into()),
        }
    }

    fn store_for(&self, group: &Group, message: Incoming) -> Result<(), StoreError> {
        if self.store.is_ours(&group.name, &message.id)? {
            return Ok(());
        }
        if group.is_main && self.approvals.is_owner(group, &message) && !self.is_known(group, &message.id)? {
            self.absence.heard();
        }
        match self.approvals.hears_answer(group, &message)? {
            Heard::Other => {}
            Heard::Taken(told) => return self.tell_sender(group, &message, told.map(Phrases::from)),
            Heard::Wish(told) => return self.tell_sender(group, &message, Some(told)),
        }
        // A later version of a message is not a new one.
        if message.edits.is_some() {
            return Ok(());
        }
        let called = self.called_in(group);
        let unkept = !group.is_main && self.store.keeps_nothing_of(&group.name, &message.sender.id)?;
        if self.have_a_say(group, &message, &called)? {
            return Ok(());
        }
        self.tell_people(group, &message)?;
        let asks = self.asks(group, &message, &called)?;
        let quote = message.quote.map(|quote| self.known(group, quote)).transpose()?;
        // A stop from somebody of whom nothing is kept counts, and leaves only its place.
        let nobody = Sender::default();
        let new = NewMessage {
            group: &group.name,
            id: &message.id,
            sender: if unkept { &nobody } else { &message.sender },
            text: if unkept { "" } else { &message.text },
            at: message.at,
            means: Means::Talk,
            quote: quote.as_ref().filter(|_| !unkept),
        };
        match asks {
            Asks::Means(means) => match self.store.insert_message(&NewMessage { means, ..new })? {
                Inserted::Row(_) if means == Means::Stop => self.stop_as_said(&group.name),
                _ if means == Means::Call => self.work(&group.name),
                _ => {}
            },
            Asks::Cancel(task) => self.cancel_task(group, &message.id, task, &new)?,
            Asks::StopOf(other) => {
                let words = Phrases::new("stopped-group").with("group", &other);
                self.stop_others(&new, vec![other], words)?;
            }
            Asks::StopAll => {
                let others = self.others(group)?;
                let new = NewMessage { means: Means::Stop, ..new };
                self.stop_others(&new, others, Phrases::new("stopped-others"))?;
            }
            // A message delivered again does nothing: it says nothing about later changes.
            _ if self.store.is_stored(&group.name, &message.id)? => {}
            // Carried out first: a lock must not be lost with what could not be stored.
            other => {
                let words = self.carried_out(other)?;
                self.store_order(&new, &[], words)?;
            }
        }
        Ok(())
    }

    /// Carries out orders that take effect at once and leave no mark in a group; returns the reply.
    fn carried_out(&self, asks: Asks) -> Result<Phrases, StoreError> {
        Ok(match asks {
            Asks::Lock(which) => orders::locked(which.as_ref(), (self.locks.0)(which.as_ref()).err()),
            Asks::Unlock => Phrases::new("no-chat-unlocks"),
            Asks::Pause(wish) => self.pause_or_resume(&wish)?,
            Asks::Digest { off } => {
                self.store.set_digest_off(off)?;
                if off { Phrases::new("digest-off") } else { Phrases::new("digest-on") }
            }
            Asks::NoTask(number) => Phrases::new("no-task").with("number", number),
            Asks::NoGroup(word, nothing) => self.no_group(&word, nothing)?,
            Asks::NotTheirs | Asks::Means(_) | Asks::StopOf(_) | Asks::StopAll | Asks::Cancel(_) => {
                Phrases::new("not-the-owners-word")
            }
        })
    }

    /// The owner stops other groups and is told so.
    fn stop_others(&self, new: &NewMessage<'_>, others: Vec<GroupName>, words: Phrases) -> Result<(), StoreError> {
        // Delivered again, it must not stop what came after it.
        if self.store_order(new, &others, words)? {
            let here = (new.means == Means::Stop).then_some(new.group);
            others.iter().chain(here).for_each(|group| self.stop_as_said(group));
        }
        Ok(())
    }

    /// Stores an order with its reply; whether it is new.
    fn store_order(&self, new: &NewMessage<'_>, stopped: &[GroupName], words: Phrases) -> Result<bool, StoreError> {
        let words = self.say.own(new.group, words);
        let mut told = vec![telling::outgoing_to(OutgoingKind::Notice, words, new.id)];
        // If this chat is stopped too, its stop is the end of the answer.
        if new.means != Means::Stop {
            told.push(telling::done(new.id));
        }
        let is_new = matches!(self.store.insert_order(new, stopped, &told)?, Inserted::Row(_));
        if is_new {
            self.outbox.wake();
        }
        Ok(is_new)
    }

    /// Whether a message has been delivered before.
    fn is_known(&self, group: &Group, message: &str) -> Result<bool, StoreError> {
        Ok(self.store.quoted(&group.name, message)?.is_some())
    }

    /// A message for Doorward alone is not stored; its sender is told the result.
    fn tell_sender(&self, group: &Group, message: &Incoming, told: Option<Phrases>) -> Result<(), StoreError> {
        let answers = message.reacts_to.as_ref().unwrap_or(&message.id);
        if let Some(told) = told {
            let words = self.say.own(&group.name, told);
            self.store.enqueue(&group.name, None, &telling::outgoing_to(OutgoingKind::Notice, words, answers))?;
        }
        if message.reacts_to.is_none() {
            self.store.enqueue(&group.name, None, &telling::done(&message.id))?;
        }
        self.outbox.wake();
        Ok(())
    }

    /// Somebody cancels a task. This goes first, so that a message delivered again finds it done.
    fn cancel_task(&self, group: &Group, id: &str, task: TaskId, new: &NewMessage<'_>) -> Result<(), StoreError> {
        let tell = |task: &Task| {
            let words = telling::of_task(Phrases::new("task-cancelled"), task);
            let words = self.say.own(&group.name, words);
            let told = [telling::outgoing_to(OutgoingKind::Notice, words, id), telling::done(id)];
            told.map(|told| (group.name.clone(), told)).to_vec()
        };
        let change = TaskChange { state: Some(TaskState::Cancelled), ..TaskChange::default() };
        let changed = self.store.change_task(task, &change, &Word { run: None, tell: &tell });
        let inserted = self.store.insert_message(new)?;
        self.bell.ring();
        match (changed, inserted) {
            (Ok(_), _) | (_, Inserted::AlreadyThere(_)) => self.outbox.wake(),
            (Err(NotChanged::Store(error)), _) => return Err(error),
            (Err(_), Inserted::Row(_)) => {
                self.answer_at_once(group, id, Phrases::new("task-over").with("number", task.0))?;
            }
        }
        Ok(())
    }

    fn answer_at_once(&self, group: &Group, answers: &str, words: impl Into<Phrases>) -> Result<(), StoreError> {
        let words = self.say.own(&group.name, words);
        for told in [telling::outgoing_to(OutgoingKind::Notice, words, answers), telling::done(answers)] {
            self.store.enqueue(&group.name, None, &told)?;
        }
        self.outbox.wake();
        Ok(())
    }

    /// From the group's file. An invalid file counts as empty here; the error is reported when the sandbox starts.
    fn called_in(&self, group: &Group) -> Called {
        let trigger = GroupSettings::load(&self.home, &group.name).ok().and_then(|settings| settings.trigger);
        Called { name: self.assistant.name.in_chat(trigger.as_ref()), trigger }
    }

    /// In a chat of several people only messages that call the assistant are for it: its name at the start, a mention,
    /// a reply to one of its messages. Elsewhere all are. A group's file may say otherwise.
    fn is_for_us(&self, group: &Group, message: &Incoming, called: &Called) -> Result<bool, StoreError> {
        let Called { name, trigger } = called;
        let answers_us = match &message.quote {
            Some(quote) => self.store.is_ours(&group.name, &quote.id)?,
            None => false,
        };
        let called = message.addressed || answers_us || name.called(&message.text).is_some();
        let in_a_crowd = message.group && !group.is_main;
        let needed = trigger.as_ref().map_or(in_a_crowd, |trigger| *trigger != Trigger::Always);
        Ok(called || !needed)
    }

    /// A quote with the text and sender that the store knows. The quoting side may make things up, so a quote of an
    /// unknown message has no name.
    fn known(&self, group: &Group, quote: Quote) -> Result<Quote, StoreError> {
        if let Some((name, text)) = self.store.quoted(&group.name, &quote.id)? {
            let sender = name.unwrap_or_else(|| self.assistant.shown.clone());
            return Ok(Quote { sender, text, ..quote });
        }
        // It may be from somebody of whom nothing is kept: quotes of them are not kept either.
        let text = if self.store.keeps_nothing_of_some(&group.name)? { String::new() } else { quote.text };
        Ok(Quote { sender: String::new(), text, ..quote })
    }
}

/// What people write to stop the assistant, in a hurry and in several languages.
const STOPS: [&str; 3] = ["stop", "stopp", "halt"];

/// The one word after one of these words, or an empty text; `None` if the text is no such order.
fn order<'t>(text: &'t str, mentioned: bool, name: &Name, words: &[&str]) -> Option<&'t str> {
    after(text, mentioned, name, words).filter(|rest| !rest.contains(char::is_whitespace))
}

/// The text after one of these words, if it begins with one.
pub(super) fn after<'t>(text: &'t str, mentioned: bool, name: &Name, words: &[&str]) -> Option<&'t str> {
    let text = name.called(text).unwrap_or(text).trim();
    // In the text a mention is `@` and a number.
    let text = match text.strip_prefix('@') {
        Some(mention) if mentioned => mention.trim_start_matches(|c: char| !c.is_whitespace()).trim(),
        _ => text,
    };
    // Some people write commands as for other bots.
    let text = text.trim_end_matches(['.', '!']).trim_start_matches('/');
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let folded = calling::fold(word);
    let begins = word.len() <= 16 && words.iter().any(|known| calling::fold(known) == folded);
    begins.then_some(rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_is_an_order_only_by_itself() {
        let name = Name::new("Doorward");
        let order = |text| order(text, false, &name, &STOPS);
        for text in
            ["stop", " Stop! ", "STOP.", "@Doorward stop", "@doorward, Stop", "\u{200e}stop", "STOPP", "/stop", "Halt!"]
        {
            assert_eq!(order(text), Some(""), "{text:?}");
        }
        assert_eq!(order("stop family"), Some("family"));
        for text in [
            "stop telling jokes",
            "stopped",
            "please stop",
            "@Anna stop",
            "",
            "/",
            "/stop telling jokes",
            "halt and catch",
        ] {
            assert_eq!(order(text), None, "{text:?}");
        }
        assert_eq!(super::order("@4915112345678 stop", true, &name, &STOPS), Some(""));
        assert_eq!(super::order("@4915112345678 stop", false, &name, &STOPS), None);
    }
}
