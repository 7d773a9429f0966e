//! One message from a channel: whether it is for a group at all, what it is to the
//! assistant, and its way into the store.
//!
//! A message of an unregistered chat ends here, before anything of it is written or logged
//! (invariant 14), and so does a network's echo of what this daemon sent, and whatever is said to a
//! question of Doorward's.

mod named;
mod own;
mod words;

use policies::GroupName;

use named::{Named, Nobody};

use super::Pipeline;
use super::calling::{self, Name};
use super::router::{ChannelError, Served};
use super::telling;
use super::{pausing, pausing::Wish};
use crate::approvals::Heard;
use crate::channels::outward::Outward;
use crate::channels::protocol::{Incoming, OutgoingKind, Quote, Sender};
use crate::channels::terminal;
use crate::config::{GroupSettings, Trigger};
use crate::phrases::Phrases;
use crate::store::{
    Group, Inserted, Means, NewMessage, NotChanged, StoreError, Task, TaskChange, TaskId, TaskState, Word,
};

/// What a message asks for.
enum Asks {
    /// Nothing, or an answer, or that this group stops.
    Means(Means),
    /// That other groups stop.
    StopOf(Vec<GroupName>),
    /// That a group, or all, be locked.
    Lock(Option<GroupName>),
    /// That something be unlocked, which no chat can do.
    Unlock,
    /// That a group, or all, pause or go on.
    Pause(Wish),
    /// That the daily digest come no more, or come again.
    Digest { off: bool },
    /// That a task be no more.
    Cancel(TaskId),
    /// Any of these, of what is not there; whether an agent hears it too.
    NotThere(Phrases, bool),
    /// Any of these, of more than the sender has a say about.
    NotTheirs,
}

/// How the assistant is called in a group's chat, and what is answered there.
struct Called {
    name: Name,
    trigger: Option<Trigger>,
}

impl Nobody {
    /// It is never left to an agent alone to answer that: nothing was done.
    fn asks(self) -> Asks {
        let for_an_agent = self.may_be_for_an_agent();
        Asks::NotThere(self.words(), for_an_agent)
    }
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
            // A person sits at a terminal and reads why; a network delivers it again.
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
        if let Heard::Taken(told) = self.approvals.hears(group, &message)? {
            return self.tell_sender(group, &message, told);
        }
        // A later version of a message is no new one.
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
        // A stop of theirs counts, and leaves nothing but its place.
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
            Asks::Lock(which) => {
                // Delivered again, it says nothing about what was unlocked since.
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    let locked = (self.locks.0)(which.as_ref());
                    let what = which.map_or_else(|| "every group".to_owned(), |group| group.to_string());
                    let but = locked.err().map(|why| format!(" ({why})")).unwrap_or_default();
                    self.answer_at_once(
                        group,
                        &message.id,
                        format!("Locked {what}: nothing goes out any more{but}. It can be unlocked only on the machine: doorward unlock"),
                    )?;
                }
            }
            Asks::Cancel(task) => self.cancel_task(group, &message.id, task, &new)?,
            Asks::Unlock => {
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    let words = "No chat unlocks anything. On the machine that Doorward runs on: doorward unlock";
                    self.answer_at_once(group, &message.id, words)?;
                }
            }
            Asks::NotThere(words, true) => {
                if let Inserted::Row(_) = self.store.insert_message(&NewMessage { means: Means::Call, ..new })? {
                    let words = self.say.own(&group.name, words);
                    let told = telling::outgoing_to(OutgoingKind::Notice, words, &message.id);
                    self.store.enqueue(&group.name, None, &told)?;
                    self.outbox.wake();
                }
                self.work(&group.name);
            }
            Asks::NotThere(words, false) => {
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    self.answer_at_once(group, &message.id, words)?;
                }
            }
            Asks::NotTheirs => {
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    self.answer_at_once(group, &message.id, Phrases::new("not-the-owners-word"))?;
                }
            }
            Asks::Pause(wish) => {
                // Delivered again, it is over.
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    let words = self.pause_or_resume(&wish)?;
                    self.answer_at_once(group, &message.id, words)?;
                }
            }
            Asks::Digest { off } => {
                if let Inserted::Row(_) = self.store.insert_message(&new)? {
                    self.store.set_digest_off(off)?;
                    let name = if off { "digest-off" } else { "digest-on" };
                    self.answer_at_once(group, &message.id, Phrases::new(name))?;
                }
            }
            Asks::StopOf(others) => {
                let names = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let words = self.say.own(&group.name, Phrases::new("stopped-group").with("group", names));
                let told = [telling::outgoing_to(OutgoingKind::Notice, words, &message.id), telling::done(&message.id)];
                self.store.insert_stop_of(&new, &others, &told)?;
                self.outbox.wake();
                others.iter().for_each(|other| self.stop_as_said(other));
            }
        }
        Ok(())
    }

    /// Whether a message was delivered before.
    fn is_known(&self, group: &Group, message: &str) -> Result<bool, StoreError> {
        Ok(self.store.quoted(&group.name, message)?.is_some())
    }

    /// What was meant for Doorward alone is not kept; its sender is told what became of it.
    fn tell_sender(&self, group: &Group, message: &Incoming, told: Option<String>) -> Result<(), StoreError> {
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

    /// Somebody cancels a task. First, so that a message which comes once more finds it done.
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

    /// How a group's file has it. An invalid file counts as empty here, and is reported when the sandbox starts.
    fn called_in(&self, group: &Group) -> Called {
        let trigger = GroupSettings::load(&self.home, &group.name).ok().and_then(|settings| settings.trigger);
        Called { name: self.assistant.name.in_chat(trigger.as_ref()), trigger }
    }

    /// In a chat of several people only messages that call the assistant are for it: its name
    /// at the start, a mention, a reply to one of its messages. Elsewhere all are. A group's
    /// file may say otherwise.
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

    /// What reaches beyond the group is the owner's to say, in their own words.
    fn asks(&self, group: &Group, message: &Incoming, called: &Called) -> Result<Asks, StoreError> {
        let asks = self.ordered(group, message, called)?;
        let everybodys = match &asks {
            Asks::Means(_) | Asks::NotThere(..) | Asks::NotTheirs => true,
            Asks::Cancel(task) => self.store.task(*task)?.is_some_and(|task| task.what.group == group.name),
            Asks::StopOf(_) | Asks::Lock(_) | Asks::Unlock | Asks::Pause(_) | Asks::Digest { .. } => false,
        };
        let owners = || !message.forwarded && self.approvals.is_owner(group, message);
        Ok(if everybodys || owners() { asks } else { Asks::NotTheirs })
    }

    fn ordered(&self, group: &Group, message: &Incoming, called: &Called) -> Result<Asks, StoreError> {
        let name = &called.name;
        if !self.is_for_us(group, message, called)? {
            return Ok(Asks::Means(Means::Talk));
        }
        if let Some(asks) = self.asks_to_lock(group, message, name)? {
            return Ok(asks);
        }
        if let Some(asks) = self.asks_to_cancel(group, message, name)? {
            return Ok(asks);
        }
        if let Some(asks) = self.asks_to_pause(group, message, name)? {
            return Ok(asks);
        }
        match order(&message.text, message.addressed, name, &DIGESTS).map(calling::fold).as_deref() {
            Some("off") if group.is_main => return Ok(Asks::Digest { off: true }),
            Some("on") if group.is_main => return Ok(Asks::Digest { off: false }),
            _ => {}
        }
        Ok(match order(&message.text, message.addressed, name, &STOPS) {
            Some("") => Asks::Means(Means::Stop),
            Some(other) if group.is_main => match self.named(other)? {
                Named::One(other) if other == group.name => Asks::Means(Means::Stop),
                Named::One(other) => Asks::StopOf(vec![other]),
                Named::All => Asks::StopOf(self.store.groups()?.into_iter().map(|group| group.name).collect()),
                Named::Nobody(nobody) => nobody.asks(),
            },
            _ => Asks::Means(Means::Call),
        })
    }

    /// Only the owner's own chat locks; elsewhere it is a word like any other.
    fn asks_to_lock(&self, group: &Group, message: &Incoming, name: &Name) -> Result<Option<Asks>, StoreError> {
        let ordered = |words: &[&str]| order(&message.text, message.addressed, name, words);
        if !group.is_main {
            return Ok(None);
        }
        if ordered(&UNLOCKS).is_some() {
            return Ok(Some(Asks::Unlock));
        }
        match ordered(&LOCKS) {
            None => Ok(None),
            Some("") => Ok(Some(Asks::Lock(None))),
            Some(other) => Ok(Some(match self.named(other)? {
                Named::One(other) => Asks::Lock(Some(other)),
                Named::All => Asks::Lock(None),
                Named::Nobody(nobody) => nobody.asks(),
            })),
        }
    }

    /// Only the owner's own chat pauses, too.
    fn asks_to_pause(&self, group: &Group, message: &Incoming, name: &Name) -> Result<Option<Asks>, StoreError> {
        let Some(wish) = pausing::wish(&message.text, message.addressed, name).filter(|_| group.is_main) else {
            return Ok(None);
        };
        let Some(named) = wish.group() else { return Ok(Some(Asks::Pause(wish))) };
        Ok(Some(match self.named(named.as_str())? {
            Named::One(_) => Asks::Pause(wish),
            Named::All => Asks::Pause(wish.of_all()),
            Named::Nobody(nobody) => nobody.asks(),
        }))
    }

    /// A task of this group's, by its number; of any group where the owner administers.
    fn asks_to_cancel(&self, group: &Group, message: &Incoming, name: &Name) -> Result<Option<Asks>, StoreError> {
        let number = order(&message.text, message.addressed, name, &CANCELS);
        let Some(number) = number.and_then(|number| number.trim_start_matches('#').parse().ok()) else {
            return Ok(None);
        };
        let task = self.store.task(TaskId(number))?;
        let reached = task.filter(|task| group.is_main || task.what.group == group.name);
        // The number may be one of an agent's own list.
        let not_there = || Asks::NotThere(Phrases::new("no-such-task").with("number", number), true);
        Ok(Some(reached.map_or_else(not_there, |task| Asks::Cancel(task.id))))
    }

    /// A quote with the text and the name that the store knows. The quoting side may make
    /// things up, so a quote of an unknown message has no name.
    fn known(&self, group: &Group, quote: Quote) -> Result<Quote, StoreError> {
        if let Some((name, text)) = self.store.quoted(&group.name, &quote.id)? {
            let sender = name.unwrap_or_else(|| self.assistant.shown.clone());
            return Ok(Quote { sender, text, ..quote });
        }
        // It may be somebody's of whom nothing is kept: what others quote of them is not, either.
        let text = if self.store.keeps_nothing_of_some(&group.name)? { String::new() } else { quote.text };
        Ok(Quote { sender: String::new(), text, ..quote })
    }
}

/// What people write who want it to stop, in a hurry and in more than one language.
const STOPS: [&str; 3] = ["stop", "stopp", "halt"];

/// What people write, with a number, who want a task no more; `task-cancel` says so in each language.
const CANCELS: [&str; 4] = ["cancel", "abbrechen", "إلغاء", "الغاء"];

/// What the owner writes to shut every door, and hopes to open them with.
const LOCKS: [&str; 1] = ["lock"];
const UNLOCKS: [&str; 1] = ["unlock"];

/// What the owner writes, with `off` or `on`, about the daily digest.
const DIGESTS: [&str; 1] = ["digest"];

/// The one word that follows one of these words, or nothing; `None` where the text is no such order.
fn order<'t>(text: &'t str, mentioned: bool, name: &Name, words: &[&str]) -> Option<&'t str> {
    after(text, mentioned, name, words).filter(|rest| !rest.contains(char::is_whitespace))
}

/// What follows one of these words, where the text begins with it.
pub(super) fn after<'t>(text: &'t str, mentioned: bool, name: &Name, words: &[&str]) -> Option<&'t str> {
    let text = name.called(text).unwrap_or(text).trim();
    // A mention stands in the text as `@` and a number.
    let text = match text.strip_prefix('@') {
        Some(mention) if mentioned => mention.trim_start_matches(|c: char| !c.is_whitespace()).trim(),
        _ => text,
    };
    // Some people write commands as other bots expect them.
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
