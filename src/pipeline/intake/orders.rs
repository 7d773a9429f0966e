//! Orders to Doorward itself in a chat: stop, lock, pause, cancel.
//!
//! An order naming a group or task that does not exist is still an order: no agent reads it, and its sender is told
//! that nothing happened.

use desk::screen::quotation;
use policies::GroupName;

use super::{Called, STOPS, order};
use crate::channels::protocol::Incoming;
use crate::phrases::Phrases;
use crate::pipeline::Pipeline;
use crate::pipeline::calling::{self, Name};
use crate::pipeline::pausing::{self, Said, Wish};
use crate::store::{EVERY_GROUP, Group, Means, NAME_IN_WORDS, StoreError, TaskId};

/// What a message orders.
pub(super) enum Asks {
    /// Nothing, an answer, or to stop this group.
    Means(Means),
    /// Stop another group.
    StopOf(GroupName),
    /// Stop all groups, this one too.
    StopAll,
    /// Lock a group, or all.
    Lock(Option<GroupName>),
    /// Unlock something, which no chat can do.
    Unlock,
    /// Pause or resume a group, or all.
    Pause(Wish),
    /// Switch the daily digest off or on.
    Digest { off: bool },
    /// Cancel a task.
    Cancel(TaskId),
    /// Cancel a task whose number does not exist here.
    NoTask(String),
    /// Any of these for a group that does not exist; with what did not happen.
    NoGroup(String, &'static str),
    /// Any of these, beyond the sender's authority.
    NotTheirs,
}

/// The groups that a word names.
enum Whom {
    All,
    One(GroupName),
    Nobody(String),
}

/// Words that, with a number, cancel a task; `task-cancel` explains them in each language.
const CANCELS: [&str; 4] = ["cancel", "abbrechen", "إلغاء", "الغاء"];

/// What the owner writes to shut every door, and may try to open them with.
const LOCKS: [&str; 1] = ["lock"];
const UNLOCKS: [&str; 1] = ["unlock"];

/// What the owner writes, with `off` or `on`, about the daily digest.
const DIGESTS: [&str; 1] = ["digest"];

/// Characters that phones and people put around a name.
const AROUND: [char; 9] = ['"', '\'', '`', '“', '”', '„', '«', '»', ','];

/// The most groups that a reply lists.
const LISTED: usize = 20;

impl Pipeline {
    /// What a message orders. Only the owner's own words reach beyond the group.
    pub(super) fn asks(&self, group: &Group, message: &Incoming, called: &Called) -> Result<Asks, StoreError> {
        let asks = self.ordered(group, message, called)?;
        let everybodys = match &asks {
            Asks::Means(_) | Asks::NoTask(_) | Asks::NotTheirs => true,
            Asks::Cancel(task) => self.store.task(*task)?.is_some_and(|task| task.what.group == group.name),
            Asks::StopOf(_) | Asks::StopAll | Asks::Lock(_) | Asks::Unlock => false,
            Asks::Pause(_) | Asks::Digest { .. } | Asks::NoGroup(..) => false,
        };
        let owners = || !message.forwarded && self.approvals.is_owner(group, message);
        Ok(if everybodys || owners() { asks } else { Asks::NotTheirs })
    }

    fn ordered(&self, group: &Group, message: &Incoming, called: &Called) -> Result<Asks, StoreError> {
        let name = &called.name;
        if !self.is_for_us(group, message, called)? {
            return Ok(Asks::Means(Means::Talk));
        }
        if let Some(asks) = self.asks_to_cancel(group, message, name)? {
            return Ok(asks);
        }
        if group.is_main
            && let Some(asks) = self.ordered_in_main(group, message, name)?
        {
            return Ok(asks);
        }
        Ok(match order(&message.text, message.addressed, name, &STOPS) {
            Some("") => Asks::Means(Means::Stop),
            _ => Asks::Means(Means::Call),
        })
    }

    /// Only the owner's own chat reaches other groups; elsewhere these are ordinary words.
    fn ordered_in_main(&self, main: &Group, message: &Incoming, name: &Name) -> Result<Option<Asks>, StoreError> {
        let ordered = |words: &[&str]| order(&message.text, message.addressed, name, words);
        if ordered(&UNLOCKS).is_some() {
            return Ok(Some(Asks::Unlock));
        }
        if let Some(word) = ordered(&LOCKS) {
            return Ok(Some(match self.whom(word)? {
                Whom::All => Asks::Lock(None),
                Whom::One(group) => Asks::Lock(Some(group)),
                Whom::Nobody(word) => Asks::NoGroup(word, "nothing-locked"),
            }));
        }
        match ordered(&STOPS) {
            None | Some("") => {}
            Some(word) => {
                return Ok(Some(match self.whom(word)? {
                    Whom::All => Asks::StopAll,
                    Whom::One(group) if group == main.name => Asks::Means(Means::Stop),
                    Whom::One(group) => Asks::StopOf(group),
                    Whom::Nobody(word) => Asks::NoGroup(word, "nothing-stopped"),
                }));
            }
        }
        if let Some(said) = pausing::said(&message.text, message.addressed, name) {
            return Ok(Some(self.asks_to_pause(&said)?));
        }
        Ok(match ordered(&DIGESTS).map(calling::fold).as_deref() {
            Some("off") => Some(Asks::Digest { off: true }),
            Some("on") => Some(Asks::Digest { off: false }),
            _ => None,
        })
    }

    fn asks_to_pause(&self, said: &Said<'_>) -> Result<Asks, StoreError> {
        let (word, nothing) = match said {
            Said::Pause(word, _) | Said::Unclear(word) => (word, "nothing-paused"),
            Said::Resume(word) => (word, "nothing-resumed"),
        };
        let group = match self.whom(word)? {
            Whom::All => None,
            Whom::One(group) => Some(group),
            Whom::Nobody(word) => return Ok(Asks::NoGroup(word, nothing)),
        };
        Ok(Asks::Pause(match said {
            Said::Pause(_, length) => Wish::Pause(group, *length),
            Said::Resume(_) => Wish::Resume(group),
            Said::Unclear(_) => Wish::Unclear,
        }))
    }

    /// Names are lower-case, and phones capitalise the start of a sentence. An older group may be called `all`.
    fn whom(&self, word: &str) -> Result<Whom, StoreError> {
        let word = word.trim_matches(AROUND);
        if word.is_empty() || EVERY_GROUP.iter().any(|all| calling::fold(all) == calling::fold(word)) {
            return Ok(Whom::All);
        }
        let named = GroupName::parse(&word.to_lowercase()).ok();
        let found = named.map(|name| self.store.group(&name)).transpose()?.flatten();
        Ok(found.map_or_else(|| Whom::Nobody(word.to_owned()), |group| Whom::One(group.name)))
    }

    /// A task of this group by its number; of any group in the owner's chat.
    fn asks_to_cancel(&self, group: &Group, message: &Incoming, name: &Name) -> Result<Option<Asks>, StoreError> {
        let word = order(&message.text, message.addressed, name, &CANCELS);
        let number = word.map(|word| word.trim_start_matches('#')).filter(|word| is_number(word));
        let Some(number) = number else { return Ok(None) };
        let task = number.parse().ok().map(|number| self.store.task(TaskId(number))).transpose()?.flatten();
        let reached = task.filter(|task| group.is_main || task.what.group == group.name);
        Ok(Some(reached.map_or_else(|| Asks::NoTask(number.to_owned()), |task| Asks::Cancel(task.id))))
    }

    /// Says that a group does not exist, which ones do, and what did not happen.
    pub(super) fn no_group(&self, word: &str, nothing: &'static str) -> Result<Phrases, StoreError> {
        let groups: Vec<_> = self.store.groups()?.into_iter().map(|group| group.name).collect();
        let name = quotation(word, NAME_IN_WORDS);
        let first = match desk::did_you_mean(word, groups.iter().map(GroupName::as_str)) {
            Some(meant) => Phrases::new("no-group-but").with("name", name).with("meant", meant),
            None => Phrases::new("no-group").with("name", name),
        };
        let listed: Vec<_> = groups.iter().take(LISTED).map(GroupName::as_str).collect();
        let more = if groups.len() > LISTED { ", …" } else { "" };
        let there = Phrases::new("groups-there").with("groups", format!("{}{more}", listed.join(", ")));
        Ok(first.and(Phrases::new(nothing)).and(there))
    }

    /// Every group but this one.
    pub(super) fn others(&self, group: &Group) -> Result<Vec<GroupName>, StoreError> {
        let all = self.store.groups()?.into_iter().map(|group| group.name);
        Ok(all.filter(|name| *name != group.name).collect())
    }
}

/// Tells the owner about a lock, and any doubt about it.
pub(super) fn locked(which: Option<&GroupName>, unsure: Option<String>) -> Phrases {
    let words = match which {
        Some(group) => Phrases::new("locked-group").with("group", group),
        None => Phrases::new("locked-all"),
    };
    match unsure {
        Some(why) => words.and(format!("({why})")),
        None => words,
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
