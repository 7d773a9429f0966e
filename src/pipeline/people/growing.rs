//! Names instead of stand-ins in an answer that arrives in pieces.

use super::{Roster, STAND_IN};

/// The most digits of a number.
const MOST_DIGITS: usize = 10;

/// Text that may become a stand-in is held back until that is clear.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Names {
    /// `None` where people are known by their names.
    roster: Option<Roster>,
    waiting: String,
    /// The character before.
    before: Option<char>,
}

impl Names {
    pub(in crate::pipeline) fn of(roster: Option<Roster>) -> Self {
        Names { roster, ..Names::default() }
    }

    /// What may be shown of the held text and the next piece.
    pub(in crate::pipeline) fn more(&mut self, piece: String) -> String {
        let Some(roster) = &self.roster else { return piece };
        self.waiting.push_str(&piece);
        let waits = self.waiting.split_off(begins_at(&self.waiting));
        let passed = std::mem::replace(&mut self.waiting, waits);
        let shown = roster.reveal_between(self.before, &passed, self.waiting.chars().next());
        self.before = passed.chars().next_back().or(self.before);
        shown
    }
}

/// Where a possible stand-in begins at the end of a text.
fn begins_at(text: &str) -> usize {
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = text.len() - digits;
    if (1..=MOST_DIGITS).contains(&digits) && text[..number].ends_with(STAND_IN) {
        return number - STAND_IN.len();
    }
    let part = (1..=STAND_IN.len()).rev().find(|length| text.ends_with(&STAND_IN[..*length]));
    text.len() - part.unwrap_or(0)
}
