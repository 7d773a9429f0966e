//! A text that a person wrote, with its name; problems point into it.

use std::ops::Range;
use std::sync::Arc;

/// A file's text and where its lines begin.
#[derive(Clone)]
pub struct Text {
    /// The file's name, as its owner knows it.
    pub name: Arc<str>,
    /// The content.
    pub text: Arc<str>,
    /// The part that a problem may show.
    shown: Arc<str>,
    /// Where each line begins. Precomputed, because a long file has as many rules as lines.
    starts: Arc<[usize]>,
}

impl Text {
    /// A text whose problems show every line they are about.
    pub fn new(name: &str, text: &str) -> Self {
        let text: Arc<str> = text.into();
        Self::shown_as(name, Arc::clone(&text), text)
    }

    /// A text into which somebody may have pasted a secret: problems show its keys and no value,
    /// except the one that a problem is about, if it says so.
    pub fn with_secrets(name: &str, text: &str) -> Self {
        Self::shown_as(name, text.into(), blank(text).into())
    }

    fn shown_as(name: &str, text: Arc<str>, shown: Arc<str>) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Text { name: name.into(), text, shown, starts }
    }

    /// The line of a byte offset, counted from 1.
    pub fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.position(offset).0).unwrap_or(u32::MAX)
    }

    /// Where a line begins.
    pub fn span_of_line(&self, line: u32) -> Range<usize> {
        let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or_default();
        start..start
    }

    /// Line and column, both counted from 1; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, self.text.get(start..offset).unwrap_or_default().chars().count() + 1)
    }

    /// The text to show for a problem about a span.
    pub(crate) fn shown_with(&self, span: &Range<usize>) -> Arc<str> {
        let about = self.text.get(span.clone());
        if about == self.shown.get(span.clone()) {
            return self.shown();
        }
        match (self.shown.get(..span.start), about, self.shown.get(span.end..)) {
            (Some(before), Some(about), Some(after)) => [before, about, after].concat().into(),
            _ => self.shown(),
        }
    }

    /// The text to show for a problem that may be about a secret.
    pub(crate) fn shown(&self) -> Arc<str> {
        Arc::clone(&self.shown)
    }
}

/// Overwrites everything that may be a value; offsets stay the same.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let shown = if is_header(line) { line.len() } else { line.find('=').map_or(0, |at| at + 1) };
        for (at, c) in line.char_indices() {
            if at < shown || c.is_whitespace() {
                out.push(c);
            } else {
                (0..c.len_utf8()).for_each(|_| out.push('*'));
            }
        }
    }
    out
}

/// `[credentials.github]`. With quotes it may be a line of an array.
fn is_header(line: &str) -> bool {
    let line = line.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']');
    line.starts_with('[') && line.ends_with(']') && line.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_lines_and_columns() {
        let text = Text::new("a.toml", "one\nzwö three\n");
        for (offset, position) in [(0, (1, 1)), (3, (1, 4)), (4, (2, 1)), (8, (2, 4)), (99, (3, 1))] {
            assert_eq!(text.position(offset), position, "{offset}");
        }
        assert_eq!((text.line(5), text.span_of_line(2)), (2, 4..4));
    }

    #[test]
    fn a_text_with_secrets_shows_keys_and_one_value() {
        let written = "[a.b]\nsecret = \"s3crét\" # x\n\"s3cret\"\nidle = \"soon\"\n";
        let text = Text::with_secrets("a.toml", written);
        assert_eq!(&*text.shown(), "[a.b]\nsecret = ********* * *\n********\nidle = ******\n");
        let start = written.find("\"soon\"").unwrap_or_default();
        let shown = text.shown_with(&(start..start + 6));
        assert!(shown.ends_with("idle = \"soon\"\n") && !shown.contains("s3cr"), "{shown}");
        assert!(!text.shown_with(&(0..1000)).contains("s3cr"), "a span outside shows nothing");
    }
}
