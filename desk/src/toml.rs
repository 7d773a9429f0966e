//! Reads TOML that a person wrote, by hand: every value keeps its place, and all problems of a file
//! are reported at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Problem, Problems, Text, ValueError};

mod block;
mod keys;

pub use block::Block;
pub use keys::{TableKeys, Vocabulary};

/// A value and where it stands.
pub type Value<'i> = Spanned<DeValue<'i>>;

/// A text and its place in a file.
pub type Word = (Range<usize>, String);

/// The file being read, and its problems so far.
pub struct Reader<C> {
    /// The file.
    pub text: Text,
    /// Context for the code that reads its tables.
    pub context: C,
    problems: Vec<Problem>,
    vocabulary: &'static Vocabulary,
    /// The line of the first table: everything below it belongs to a table.
    first_table: Option<u32>,
}

impl<C> Reader<C> {
    /// For a file with these keys.
    pub fn new(text: Text, vocabulary: &'static Vocabulary, context: C) -> Self {
        Reader { text, context, problems: Vec::new(), vocabulary, first_table: None }
    }

    /// Passes the whole file to `read`; `None` if it is not TOML.
    pub fn read<T>(&mut self, read: impl FnOnce(&mut Block<'_, '_, C>) -> T) -> Option<T> {
        let text = self.text.text.clone();
        let (document, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            let (message, help) = in_words(error);
            self.hidden_problem(error.span().unwrap_or(0..0), message, help);
        }
        // The contents of a broken document deserve no further complaints.
        if !errors.is_empty() {
            return None;
        }
        let tables = document.get_ref().values().filter_map(start_of_table);
        self.first_table = tables.min().map(|start| self.text.line(start));
        Some(read(&mut Block { span: document.span(), table: document.get_ref(), reader: self }))
    }

    /// What was read, unless there was a problem.
    pub fn finish<T>(self, read: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(read) } else { Err(Problems::sorted(self.problems)) }
    }

    /// The problems.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Adds a problem that shows what it is about.
    pub fn problem(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem::new(&self.text, span, message.into(), help));
    }

    /// Adds a problem about what may be a secret.
    pub fn hidden_problem(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem::hidden(&self.text, span, message.into(), help));
    }

    /// Adds a problem: a value cannot be read.
    pub fn unreadable(&mut self, span: Range<usize>, error: impl Into<ValueError>) {
        let ValueError { message, help } = error.into();
        self.problem(span, message, help);
    }

    /// Adds a problem: a value has another type. Somebody may have put a secret there.
    pub fn wrong_type(&mut self, value: &Value<'_>, key: &str, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, not {}", kind(value.get_ref()));
        self.hidden_problem(value.span(), message, None);
    }
}

fn start_of_table(value: &Value<'_>) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(_) => Some(value.span().start),
        DeValue::Array(items) => {
            items.iter().find(|item| matches!(item.get_ref(), DeValue::Table(_))).map(|item| item.span().start)
        }
        _ => None,
    }
}

/// The parser's message names what it expected, from a fixed list, and quotes no value.
fn in_words(error: &toml::de::Error) -> (String, Option<String>) {
    // Asks the parser for its message about a duplicate, because the wording is its own.
    let is_duplicate = DeTable::parse("a = 1\na = 1").is_err_and(|known| known.message() == error.message());
    if is_duplicate {
        return ("this key is there twice".to_owned(), Some("keep one of them".to_owned()));
    }
    (format!("this is not TOML: {}", error.message()), None)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests;
