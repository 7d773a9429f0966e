//! What is wrong with a policy file: where, why, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, Severity, SourceSpan};

/// One problem. Its `Display` is the bare message, as miette wants it for a
/// report with the source line; [`Problem::plain`] is the one-line form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Problem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: NamedSource<Arc<str>>,
    #[label]
    span: SourceSpan,
    #[diagnostic(severity)]
    severity: Severity,
    position: (usize, usize),
}

/// All problems, file by file and in the order of their lines. Never empty when
/// returned as an error. Its `Display` is one plain line per problem.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// A text with its name: what problems point into.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Where each line begins: a long file has as many rules as it has lines.
    starts: Arc<[usize]>,
}

impl Problem {
    pub(crate) fn new(text: &Text, span: Range<usize>, message: String, help: Option<String>) -> Self {
        let source_code = NamedSource::new(&*text.name, Arc::clone(&text.text));
        let position = text.position(span.start);
        Problem { message, help, source_code, span: span.into(), severity: Severity::Error, position }
    }

    pub(crate) fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The file, as its owner knows it.
    pub fn file(&self) -> &str {
        self.source_code.name()
    }

    /// Line and column, both counted from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        self.position
    }

    /// What to write instead, where that can be said.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// `file:line:column: message; help`.
    pub fn plain(&self) -> String {
        let (line, column) = self.position();
        let place = format!("{}:{line}:{column}", self.file());
        match &self.help {
            Some(help) => format!("{place}: {}; {help}", self.message),
            None => format!("{place}: {}", self.message),
        }
    }

    fn order(&self) -> (String, usize) {
        (self.file().to_owned(), self.span.offset())
    }
}

impl Problems {
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::order);
        Problems(problems)
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Text {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Text { name: name.into(), text: text.into(), starts }
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.position(offset).0).unwrap_or(u32::MAX)
    }

    /// Where a line begins.
    pub(crate) fn span_of_line(&self, line: u32) -> Range<usize> {
        let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or_default();
        start..start
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, self.text.get(start..offset).unwrap_or_default().chars().count() + 1)
    }
}

impl fmt::Display for Problems {
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
