//! One table of a policy file, as its readers see it.

use std::ops::Range;

use desk::ValueError;
use policies::{At, Facts, Origin, PatternError, RuleRef};

/// One table, and the file that it is of.
pub(crate) type Block<'a, 'i> = desk::toml::Block<'a, 'i, Origin>;

/// A `[[test]]`.
pub(crate) struct Test {
    pub(crate) span: Range<usize>,
    pub(crate) request: String,
    pub(crate) facts: Facts,
    /// The body it comes with; where none is said, conditions on bodies are not asked.
    pub(crate) body: Option<String>,
    /// When it is asked; where none is said, time does not count.
    pub(crate) at: Option<At>,
    pub(crate) want_allow: bool,
}

/// A rule's place.
pub(crate) fn rule_ref(block: &Block<'_, '_>, span: &Range<usize>) -> RuleRef {
    let text = &block.reader.text;
    RuleRef { file: text.name.clone(), line: text.line(span.start) }
}

/// A pattern that cannot be read, as a problem of the file.
pub(crate) fn unreadable(error: PatternError) -> ValueError {
    ValueError::new(error.message, error.help)
}
