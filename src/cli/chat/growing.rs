//! A growing answer: shown in lines that are complete on the screen.

use super::super::show::{Screen, Styled};

/// What has arrived of an answer, and how much of it is shown.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// The message that it answers.
    answers: String,
    /// Everything that has arrived before the complete text.
    come: String,
    /// How much of that is shown.
    shown: usize,
}

impl Grown {
    /// Takes the next piece; returns the lines that are complete now.
    pub(super) fn more(&mut self, answers: &str, piece: &str, screen: Screen) -> Option<String> {
        if self.answers != answers {
            *self = Grown { answers: answers.to_owned(), ..Grown::default() };
        }
        self.come.push_str(piece);
        let waits = &self.come[self.shown..];
        let whole = waits.rfind('\n').map_or(0, |at| at + 1);
        let (lines, last) = waits.split_at(whole);
        let mut shown = whole;
        let mut text: String = lines.trim_end_matches('\n').to_owned();
        // A paragraph is one line: of one longer than the screen, its complete screen lines.
        if let Some(cut) = screen.columns().and_then(|columns| begins_last_line(last, columns)) {
            let separator = if lines.is_empty() { "" } else { "\n" };
            text = format!("{text}{separator}{}", last[..cut].trim_end());
            shown += cut;
        }
        self.shown += shown;
        (shown > 0).then(|| Styled::from(text).on(screen))
    }

    /// The rest of a complete text, after what is shown already.
    pub(super) fn rest_of<'t>(&mut self, text: &'t str) -> &'t str {
        let Grown { come, shown, .. } = std::mem::take(self);
        let shown = come.get(..shown).unwrap_or_default();
        let known = shown.trim_end_matches('\n');
        match text.strip_prefix(known).filter(|_| !known.is_empty()) {
            // A new line, with its leading blanks.
            Some(rest) if known.len() < shown.len() => rest.strip_prefix('\n').unwrap_or(rest),
            Some(rest) => rest.trim_start_matches(' '),
            None => text,
        }
    }
}

/// The start of the last screen line of a word-wrapped text; `None` if it is a single line.
fn begins_last_line(text: &str, columns: usize) -> Option<usize> {
    let (mut begins, mut width, mut word) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        if c == ' ' {
            word = at + 1;
        }
        width += Screen::width(c);
        if width > columns {
            if word <= begins {
                return (begins > 0).then_some(begins);
            }
            begins = word;
            width = text[begins..at + c.len_utf8()].chars().map(Screen::width).sum();
        }
    }
    (begins > 0).then_some(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen::terminal(20, false);

    #[test]
    fn whole_lines_are_shown_and_the_rest_waits() {
        let mut grown = Grown::default();
        assert_eq!(grown.more("m1", "one two", SCREEN), None);
        assert_eq!(grown.more("m1", " three\nfour", SCREEN).as_deref(), Some("one two three"));
        assert_eq!(grown.more("m1", " five six seven eight", SCREEN).as_deref(), Some("four five six seven"));
        assert_eq!(grown.rest_of("one two three\nfour five six seven eight nine"), "eight nine");
        assert_eq!(grown.rest_of("another"), "another");
    }

    #[test]
    fn a_line_keeps_the_blanks_that_it_begins_with() {
        let mut grown = Grown::default();
        assert_eq!(grown.more("m1", "{\n  \"a\": 1,\n  \"b", SCREEN).as_deref(), Some("{\n  \"a\": 1,"));
        assert_eq!(grown.rest_of("{\n  \"a\": 1,\n  \"b\": 2\n}"), "  \"b\": 2\n}");
    }

    #[test]
    fn what_did_not_grow_as_it_is_said_is_said_again() {
        let mut grown = Grown::default();
        assert!(grown.more("m1", "a secret thing\n", SCREEN).is_some());
        assert_eq!(grown.rest_of("Doorward withheld this answer"), "Doorward withheld this answer");
        assert!(grown.more("m1", "one\n", SCREEN).is_some());
        assert_eq!(grown.more("m2", "two", SCREEN), None, "of another message");
    }
}
