//! What is wrong with `doorward.toml`: where, why, and what to write instead.
//!
//! A line of this file may hold a secret that was pasted into it. So the source
//! that a problem carries for display has every value blanked, but for the one it
//! is about, and that one only where it cannot be a secret. The parser's own
//! messages quote values and are cut.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// One problem. Its `Display` is the bare message, as miette wants it for a
/// report with the source line; [`ConfigProblem::plain`] is the one-line form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct ConfigProblem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: NamedSource<String>,
    #[label]
    span: SourceSpan,
}

/// All problems of the file, in the order of its lines. Its `Display` is one plain
/// line per problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

/// Whether the text a problem points at may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Plainly,
    Blanked,
}

impl ConfigProblem {
    pub(super) fn new(name: &str, text: &str, span: Range<usize>, shown: Shown, message: String) -> Self {
        let keep = if shown == Shown::Plainly { span.clone() } else { 0..0 };
        let source_code = NamedSource::new(name, blank(text, &keep));
        ConfigProblem { message, help: None, source_code, span: span.into() }
    }

    pub(super) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Line and column, both counted from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let text = self.source_code.inner();
        let before = text.get(..self.span.offset()).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// `file:line:column: message; help`.
    pub fn plain(&self) -> String {
        let (line, column) = self.position();
        let place = format!("{}:{line}:{column}: {}", self.source_code.name(), self.message);
        self.help.iter().fold(place, |text, help| format!("{text}; {help}"))
    }

    pub(super) fn offset(&self) -> usize {
        self.span.offset()
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(&problem.plain())?;
        }
        Ok(())
    }
}

/// The problem that the parser found: no TOML, an unknown key, a wrong type.
pub(super) fn from_toml(name: &str, text: &str, error: &toml::de::Error) -> ConfigProblem {
    let span = error.span().unwrap_or(0..0);
    let (message, help) = explain(error.message());
    ConfigProblem::new(name, text, span, Shown::Blanked, message).with_help(help)
}

/// The parser's message without the value that it may quote.
fn explain(message: &str) -> (String, Option<String>) {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        return (format!("unknown key `{key}`"), Some(suggestion(key, &known)));
    }
    if message.starts_with("missing field") {
        return (format!("`{}` is missing", quoted.next().unwrap_or_default()), None);
    }
    if let Some(rest) = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: ")) {
        let found = rest.split([' ', ',']).next().unwrap_or("value");
        let wanted = rest.rsplit_once(", expected ").map_or("something else", |(_, wanted)| wanted);
        let wanted = wanted.strip_prefix("struct ").map_or(wanted.to_owned(), |_| "a table of keys".to_owned());
        return (format!("expected {wanted}, found a value of type {found}"), None);
    }
    if message.starts_with("duplicate key") {
        return ("this key is there twice".to_owned(), Some("keep one of them".to_owned()));
    }
    // Syntax: the message names what was expected, from a fixed list.
    (format!("this is not valid TOML: {message}"), None)
}

fn suggestion(key: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(key, known), known)).min();
    match near {
        Some((distance, near)) if distance <= 3 && distance * 2 <= near.len().max(2) => {
            format!("did you mean `{near}`?")
        }
        _ => format!("known keys here: {}", known.join(", ")),
    }
}

/// Overwrites everything that could be a value; offsets stay as they are.
fn blank(text: &str, keep: &Range<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let shown = if is_header(line) { line.len() } else { line.find('=').map_or(0, |at| at + 1) };
        let start = out.len();
        for (at, c) in line.char_indices() {
            if at < shown || c.is_whitespace() || keep.contains(&(start + at)) {
                out.push(c);
            } else {
                (0..c.len_utf8()).for_each(|_| out.push('*'));
            }
        }
    }
    out
}

/// `[credentials.github]`. With quotes it could be a line of an array.
fn is_header(line: &str) -> bool {
    let line = line.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']');
    line.starts_with('[') && line.ends_with(']') && line.chars().all(plain)
}
