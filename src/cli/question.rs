//! Questions at a terminal, fitted to it: no word is broken, and a list takes no more rows than there are.

use std::fmt;
use std::io;

use inquire::error::InquireError;
use inquire::list_option::ListOption;
use inquire::validator::{ErrorMessage, Validation};
use inquire::{Confirm, MultiSelect, Password, PasswordDisplayMode, Select, Text};

use super::show::{self, Screen};

/// An answer to choose, in words.
#[derive(Debug)]
pub(super) struct Choice<T> {
    pub(super) is: T,
    pub(super) words: String,
}

/// A rule for typed input: why it is not acceptable.
pub(super) type Rule = fn(&str) -> Result<(), String>;

/// The prefix of a question.
const MARK: usize = "? ".len();

/// The prefix of a choice, and of one that can be marked.
const CURSOR: usize = "> ".len();
const BOX: usize = "> [x] ".len();

/// The suffix of a question with a yes or no answer.
const YES_OR_NO: usize = " (Y/n) yes ".len();

/// The least room for typed input.
const TYPED: usize = 20;

/// Longer lists are paged.
const LONGEST: usize = 10;

/// One of several; `usual` is proposed.
pub(super) fn one<T>(question: &str, from: Vec<Choice<T>>, usual: usize) -> Result<T, InquireError> {
    let room = Room::now();
    let question = room.asks(question, 0);
    let (from, page) = room.list(&question, from, CURSOR);
    let answer = |chosen: ListOption<&Listed<T>>| room.behind(&question, &chosen.value.words);
    let help = room.below("↑ and ↓ move, letters search, enter goes on");
    let select = Select::new(&question, from).with_starting_cursor(usual).with_page_size(page);
    let select = select.with_scorer(&|typed, one, _, _| one.fits(typed));
    Ok(select.with_help_message(&help).with_formatter(&answer).prompt()?.is)
}

/// Any of several; those in `usual` are marked at first.
pub(super) fn any<T>(question: &str, from: Vec<Choice<T>>, usual: &[usize]) -> Result<Vec<Choice<T>>, InquireError> {
    let room = Room::now();
    let question = room.asks(question, 0);
    let (from, page) = room.list(&question, from, BOX);
    let all = from.len();
    let answer = |chosen: &[ListOption<&Listed<T>>]| room.behind(&question, &format!("{} of {all}", chosen.len()));
    let help = room.below("space marks, ↑ and ↓ move, enter goes on");
    let select = MultiSelect::new(&question, from).with_default(usual).with_page_size(page);
    let select = select.with_scorer(&|typed, one, _, _| one.fits(typed));
    let chosen = select.with_help_message(&help).with_formatter(&answer).prompt()?;
    Ok(chosen.into_iter().map(|one| Choice { is: one.is, words: one.words }).collect())
}

/// Yes or no.
pub(super) fn confirm(question: &str, usual: bool) -> Result<bool, InquireError> {
    let question = Room::now().asks(question, YES_OR_NO);
    Confirm::new(&question).with_default(usual).with_error_message("Invalid answer: y or n?").prompt()
}

/// A line of text that follows a rule.
pub(super) fn text(question: &str, rule: Rule) -> Result<String, InquireError> {
    let room = Room::now();
    let mut question = room.asks(question, 0);
    if room.left_behind(&question) < TYPED {
        question.push('\n');
    }
    let check = move |text: &str| {
        Ok(match rule(text) {
            Ok(()) => Validation::Valid,
            Err(why) => Validation::Invalid(ErrorMessage::Custom(room.below(&why))),
        })
    };
    Text::new(&question).with_validator(check).prompt()
}

/// A hidden line, whose length is not shown either.
pub(super) fn hidden(question: &str) -> Result<String, InquireError> {
    let question = Room::now().asks(&format!("{question} (it is not shown):"), 0);
    let nothing = |_: &str| String::new();
    let hidden = Password::new(&question).with_display_mode(PasswordDisplayMode::Hidden).with_formatter(&nothing);
    hidden.without_confirmation().prompt()
}

/// The terminal's size.
#[derive(Clone, Copy, Debug)]
struct Room {
    columns: usize,
    rows: usize,
}

/// A choice in its list.
struct Listed<T> {
    is: T,
    words: String,
    lines: String,
}

impl Room {
    fn now() -> Self {
        let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        Room { columns: Screen::stdout().columns().unwrap_or(80), rows: if rows == 0 { 24 } else { rows } }
    }

    /// Lines of limited width, the further ones indented.
    fn lines(self, text: &str, indent: usize, behind: usize) -> String {
        let columns = self.columns.saturating_sub(indent + behind).max(1);
        show::wrap(text, columns).replace('\n', &format!("\n{}", " ".repeat(indent)))
    }

    /// A question, with room for what follows on each line.
    fn asks(self, question: &str, behind: usize) -> String {
        self.lines(question, MARK, behind)
    }

    /// A hint or an error, in its decoration.
    fn below(self, text: &str) -> String {
        self.lines(text, MARK, 1)
    }

    /// How many columns are left after the last line of a question.
    fn left_behind(self, question: &str) -> usize {
        let last = question.lines().last().unwrap_or_default();
        let mark = if question.contains('\n') { 0 } else { MARK };
        self.columns.saturating_sub(mark + last.chars().map(Screen::width).sum::<usize>() + 1)
    }

    /// An answer: after its question if it fits there, else below.
    fn behind(self, question: &str, answer: &str) -> String {
        let fits = answer.chars().map(Screen::width).sum::<usize>() < self.left_behind(question);
        if fits { answer.to_owned() } else { format!("\n  {}", self.lines(answer, MARK, 0)) }
    }

    /// The choices, and how many are shown at a time: what is redrawn must fit on the screen.
    fn list<T>(self, question: &str, from: Vec<Choice<T>>, mark: usize) -> (Vec<Listed<T>>, usize) {
        let listed = |Choice { is, words }: Choice<T>| Listed { is, lines: self.lines(&words, mark, 1), words };
        let listed: Vec<Listed<T>> = from.into_iter().map(listed).collect();
        let deepest = listed.iter().map(|one| one.lines.lines().count()).max().unwrap_or(1).max(1);
        let left = self.rows.saturating_sub(question.lines().count() + 3);
        (listed, (left / deepest).clamp(1, LONGEST))
    }
}

impl<T> Listed<T> {
    /// Whether it matches the search, keeping the order.
    fn fits(&self, typed: &str) -> Option<i64> {
        self.words.to_lowercase().contains(&typed.to_lowercase()).then_some(0)
    }
}

impl<T> fmt::Display for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Room = Room { columns: 24, rows: 12 };

    #[test]
    fn a_question_is_broken_at_words_below_its_mark() {
        assert_eq!(NARROW.asks("Who answers?", 0), "Who answers?");
        assert_eq!(NARROW.asks("Which account does it use?", 0), "Which account does it\n  use?");
        assert_eq!(NARROW.asks("Attack this once, to see?", YES_OR_NO), "Attack this\n  once, to\n  see?");
    }

    #[test]
    fn an_answer_stands_where_it_has_room() {
        assert_eq!(NARROW.behind("Who answers?", "Claude"), "Claude");
        assert_eq!(NARROW.behind("Who answers?", "Claude, with an API key"), "\n  Claude, with an API\n  key");
        assert_eq!(NARROW.behind("Which account does it\n  use?", "its own"), "its own");
    }

    #[test]
    fn a_list_takes_no_more_rows_than_there_are() {
        let choices = |words: &str| (0..20).map(|is| Choice { is, words: words.to_owned() }).collect();
        assert_eq!(NARROW.list("Who answers?", choices("short"), CURSOR).1, 8);
        let (listed, page) = NARROW.list("Who answers?", choices("with a sentence that is longer"), CURSOR);
        assert_eq!((listed[0].lines.as_str(), page), ("with a sentence that\n  is longer", 4));
        let none = Room { columns: 24, rows: 2 };
        assert_eq!(none.list("Who answers?", choices("short"), CURSOR).1, 1);
    }

    #[test]
    fn what_is_typed_finds_words_wherever_a_line_ends() {
        let (listed, _) = NARROW.list("?", vec![Choice { is: (), words: "Our family of seven people".into() }], CURSOR);
        assert!(listed[0].lines.contains('\n') && listed[0].fits("SEVEN PEOPLE").is_some());
        assert_eq!(listed[0].fits("zzz"), None);
    }
}
