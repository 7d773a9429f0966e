//! A group's people as its model knows them: `[privacy] people = "stand-ins"`.
//!
//! What it is: the replacement of names and numbers of those who wrote in the chat by "Person 1", "Person 2", …, and
//! the way back. Pure and deterministic: the same roster always gives the same result. What it is not: a guess. Nobody
//! who did not write in this chat is known here, and no word is taken for a name because it looks like one.

mod growing;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use policies::GroupName;

use crate::config::{GroupSettings, People};
use crate::home::Home;
use crate::store::{Member, Message, Store, StoreError};
use read::{Letters, digit, digits, is_number_letter};

pub(super) use growing::Names;

/// The stand-in before its number.
const STAND_IN: &str = "Person ";

/// The fewest digits of a telephone number; with fewer, years and sums would match.
const LEAST_DIGITS: usize = 7;

/// Shorter names are words in every language.
const LEAST_LETTERS: usize = 2;

/// Everybody who has written in a chat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    people: Vec<Member>,
    /// Names and their parts, folded, with the number of the first who has it.
    names: BTreeMap<String, u32>,
    /// The longest of them, in words.
    longest: usize,
    /// Telephone numbers, digits only.
    phones: Vec<(String, u32)>,
}

impl Roster {
    /// The stand-ins for a group's model; `None` where it knows people by their names. An unreadable file must not
    /// reveal anybody's name.
    pub(crate) fn of_group(home: &Home, store: &Store, group: &GroupName) -> Result<Option<Self>, StoreError> {
        match GroupSettings::load(home, group).map_or(People::StandIns, |settings| settings.people) {
            People::Names => Ok(None),
            People::StandIns => Ok(Some(Roster::new(store.members(group)?))),
        }
    }

    /// From these people.
    pub(super) fn new(mut people: Vec<Member>) -> Self {
        people.sort_by_key(|person| person.number);
        let mut roster = Roster::default();
        for person in &people {
            let words: Vec<String> = Letters::of(&person.name).words().map(|word| word.folded).collect();
            let parts = words.iter().filter(|word| word.chars().count() >= LEAST_LETTERS).cloned();
            for name in parts.chain([words.join(" ")]) {
                if name.chars().count() >= LEAST_LETTERS {
                    roster.names.entry(name).or_insert(person.number);
                }
            }
            roster.longest = roster.longest.max(words.len());
            let phone = digits(person.id.split(['@', ':']).next().unwrap_or_default());
            if phone.len() >= LEAST_DIGITS {
                roster.phones.push((phone, person.number));
            }
        }
        roster.people = people;
        roster
    }

    /// The stand-in for the person with this id; `None` if unknown.
    pub(super) fn stand_in(&self, id: &str) -> Option<String> {
        let person = self.people.iter().find(|person| person.id == id)?;
        Some(format!("{STAND_IN}{}", person.number))
    }

    /// A message as the model gets it.
    pub(super) fn in_place_of(&self, message: &Message) -> Message {
        let mut hidden = message.clone();
        if let Some(stand_in) = self.stand_in(&message.sender.id) {
            hidden.sender.name = stand_in;
        }
        hidden.sender.id.clear();
        hidden.text = self.hide(&message.text);
        if let Some(quote) = &mut hidden.quote {
            (quote.sender, quote.text) = (self.hide(&quote.sender), self.hide(&quote.text));
        }
        hidden
    }

    /// A text with stand-ins instead of names and numbers.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.hide_names(&self.hide_numbers(text))
    }

    /// A text with names instead of stand-ins.
    pub(crate) fn reveal(&self, text: &str) -> String {
        self.reveal_between(None, text, None)
    }

    /// The same for part of a text, between these characters.
    fn reveal_between(&self, first: Option<char>, text: &str, next: Option<char>) -> String {
        let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
        let mut last = first;
        while let Some(at) = rest.find(STAND_IN) {
            let (before, behind) = (&rest[..at], &rest[at + STAND_IN.len()..]);
            let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            let number = behind[..end].parse::<u32>().ok();
            let begins = before.chars().next_back().or(last).is_none_or(|c| !c.is_alphanumeric());
            let ends = behind[end..].chars().next().or(next).is_none_or(|c| !c.is_alphabetic());
            let person = self.people.iter().find(|person| Some(person.number) == number);
            shown.push_str(before);
            match person.filter(|_| begins && ends) {
                Some(person) => {
                    shown.push_str(if person.name.trim().is_empty() { &person.id } else { person.name.trim() });
                    (rest, last) = (&behind[end..], Some('0'));
                }
                None => {
                    shown.push_str(STAND_IN);
                    (rest, last) = (behind, Some(' '));
                }
            }
        }
        shown + rest
    }

    /// Longest names first: a first name alone is somebody, and so is the full name.
    fn hide_names(&self, text: &str) -> String {
        let letters = Letters::of(text);
        let words: Vec<_> = letters.words().collect();
        let (mut hidden, mut from, mut at) = (String::with_capacity(text.len()), 0, 0);
        while at < words.len() {
            let found = (1..=self.longest.min(words.len() - at)).rev().find_map(|count| {
                let stretch = &words[at..at + count];
                if stretch.windows(2).any(|two| !letters.is_one_name(two[0].end, two[1].start)) {
                    return None;
                }
                let name: Vec<&str> = stretch.iter().map(|word| word.folded.as_str()).collect();
                self.names.get(&name.join(" ")).map(|number| (*number, stretch[0].start, stretch[count - 1].end, count))
            });
            match found {
                Some((number, start, end, count)) => {
                    hidden.push_str(&text[from..start]);
                    hidden.push_str(&format!("{STAND_IN}{number}"));
                    (from, at) = (end, at + count);
                }
                None => at += 1,
            }
        }
        hidden + &text[from..]
    }

    /// Digits and the separators between them, if they are somebody's number or the end of it.
    fn hide_numbers(&self, text: &str) -> String {
        let (mut hidden, mut from) = (String::with_capacity(text.len()), 0);
        let mut at = 0;
        while let Some(start) =
            text[at..].find(|c: char| digit(c).is_some() || matches!(c, '+' | '(')).map(|found| at + found)
        {
            let length = text[start..].find(|c: char| !is_number_letter(c)).unwrap_or(text.len() - start);
            let run = text[start..start + length].trim_end_matches(|c: char| digit(c).is_none());
            // A bracket around the whole number is not part of it.
            let bracket = usize::from(run.starts_with('(') && !run.contains(')'));
            let (start, run, length) = (start + bracket, &run[bracket..], length - bracket);
            let number = digits(run);
            // 0151… at home is +49 151… elsewhere, formerly 0049 151….
            let bare = number.trim_start_matches('0');
            let is_theirs = |phone: &str| bare.len() >= LEAST_DIGITS && phone.ends_with(bare);
            if let Some((_, person)) = self.phones.iter().find(|(phone, _)| is_theirs(phone)) {
                hidden.push_str(&text[from..start]);
                hidden.push_str(&format!("{STAND_IN}{person}"));
                from = start + run.len();
            }
            at = start + length.max(1);
        }
        hidden + &text[from..]
    }
}
