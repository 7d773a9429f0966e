//! Members' control over their own data: whether anything of theirs is kept, and for how long. Their orders are carried
//! out here and are not stored.

use desk::screen::quotation;

use super::words::{Wish, wish};
use super::{Called, STOPS, order};
use crate::channels::protocol::{Incoming, OutgoingKind};
use crate::channels::terminal;
use crate::config::PeopleNotice;
use crate::phrases::Phrases;
use crate::pipeline::Pipeline;
use crate::store::ledger::Notice;
use crate::store::{Group, NAME_IN_WORDS, NewOutgoing, StoreError};

impl Pipeline {
    /// Carries out a member's order about their own data, and drops messages from members who want nothing kept.
    /// Returns whether that settles the message.
    pub(super) fn have_a_say(&self, group: &Group, message: &Incoming, called: &Called) -> Result<bool, StoreError> {
        if group.is_main {
            // In the owner's own chat nobody else writes.
            return Ok(false);
        }
        let (name, sender) = (&group.name, message.sender.id.as_str());
        let for_us = self.is_for_us(group, message, called)?;
        let wish = wish(&message.text, &called.name).filter(|_| for_us);
        let Some(wish) = wish else {
            if !self.store.keeps_nothing_of(name, sender)? {
                return Ok(false);
            }
            if for_us && order(&message.text, message.addressed, &called.name, &STOPS) == Some("") {
                return Ok(false);
            }
            if for_us {
                self.answer_at_once(group, &message.id, Phrases::new("people-not-kept"))?;
            }
            return Ok(true);
        };
        let words = match wish {
            Wish::NotMe => {
                self.store.keep_nothing_of(name, sender)?;
                self.note(group, "person_not_kept", "a member of the group wants nothing of theirs kept", None);
                Phrases::new("people-not-me")
            }
            Wish::MeAgain => {
                self.store.keep_again(name, sender)?;
                self.note(group, "person_kept_again", "a member of the group may be kept again", None);
                Phrases::new("people-me-again")
            }
            Wish::WhatHave => self.what_is_kept(group, message)?,
            Wish::Forget => {
                let forgotten = self.store.forget(name, &message.sender)?;
                let text = format!("all that was kept of a member of the group was overwritten: {forgotten} messages");
                self.note(group, "person_forgotten", text, Some(forgotten));
                Phrases::new("people-forgotten").count("count", forgotten)
            }
        };
        self.answer_at_once(group, &message.id, words)?;
        Ok(true)
    }

    fn what_is_kept(&self, group: &Group, message: &Incoming) -> Result<Phrases, StoreError> {
        let kept = self.store.kept_of(&group.name, &message.sender.id)?;
        let words = match kept.messages {
            0 => Phrases::new("people-have-nothing"),
            count => {
                let since = jiff::Timestamp::from_millisecond(kept.since).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
                let since = since.to_zoned(self.assistant.zone.clone()).date();
                Phrases::new("people-have")
                    .count("count", count)
                    .with("since", since)
                    .with("name", quotation(&message.sender.name, NAME_IN_WORDS))
            }
        };
        Ok(words.line(Phrases::new("people-have-besides")))
    }

    /// A chat of several people is told once what is read and kept there, before anything is.
    pub(super) fn tell_people(&self, group: &Group, message: &Incoming) -> Result<(), StoreError> {
        if group.is_main || !message.group || group.channel == terminal::CHANNEL {
            return Ok(());
        }
        let words = match &self.people_notice {
            PeopleNotice::Off => return Ok(()),
            PeopleNotice::Own(text) => Phrases::from(text.as_str()),
            PeopleNotice::Usual => Phrases::new("people-notice").with("name", &self.assistant.shown),
        };
        if self.store.people_were_told(&group.name)? {
            return Ok(());
        }
        let text = self.say.own(&group.name, words);
        let notice = NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None };
        if self.store.tell_people_once(&group.name, &notice)? {
            self.outbox.wake();
        }
        Ok(())
    }

    /// The receipt: that it was done, never for whom.
    fn note(&self, group: &Group, what: &'static str, text: impl Into<String>, count: Option<u64>) {
        self.ledger.note(&Notice { count, ..Notice::new(what, Some(&group.name), text) });
    }
}
