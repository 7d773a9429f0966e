//! What is wrong with a file: where, why, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, Severity, SourceSpan};

use crate::Text;

/// One problem. Its `Display` is the bare message, as miette needs it for a report with the source
/// line; [`Problem::plain`] is the one-line form.
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

/// All problems, by file and line. Never empty when returned as an error. Its `Display` is one
/// plain line per problem.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// Why a value cannot be read, without its place, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ValueError {
    /// In a few words.
    pub message: String,
    /// What to write instead, if that is known.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that shows the text it is about.
    pub fn new(text: &Text, span: Range<usize>, message: String, help: Option<String>) -> Self {
        let shown = text.shown_with(&span);
        Self::showing(shown, text, span, message, help)
    }

    /// A problem about what may be a secret: in a text with secrets, it shows no value.
    pub fn hidden(text: &Text, span: Range<usize>, message: String, help: Option<String>) -> Self {
        Self::showing(text.shown(), text, span, message, help)
    }

    fn showing(shown: Arc<str>, text: &Text, span: Range<usize>, message: String, help: Option<String>) -> Self {
        let source_code = NamedSource::new(&*text.name, shown);
        let position = text.position(span.start);
        Problem { message, help, source_code, span: span.into(), severity: Severity::Error, position }
    }

    /// The same as a warning: the file works all the same.
    pub fn into_warning(mut self) -> Self {
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

    /// What to write instead, if that is known.
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
}

impl Problems {
    /// Sorted in the order of the report.
    pub fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.file(), a.span.offset()).cmp(&(b.file(), b.span.offset())));
        Problems(problems)
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ValueError {
    /// A message, and what to write instead.
    pub fn new(message: impl Into<String>, help: Option<String>) -> Self {
        ValueError { message: message.into(), help }
    }
}

impl From<String> for ValueError {
    fn from(message: String) -> Self {
        ValueError { message, help: None }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.help {
            Some(help) => write!(f, "{}; {help}", self.message),
            None => f.write_str(&self.message),
        }
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
