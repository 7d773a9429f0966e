//! One table of a policy file, as its readers see it.

use std::ops::Range;

use desk::ValueError;
use policies::{At, Facts, Origin, PatternError, RuleRef};

/// One table, and the file that it belongs to.
pub(crate) type Block<'a, 'i> = desk::toml::Block<'a, 'i, Origin>;

/// A `[[test]]`.
pub(crate) struct Test {
    pub(crate) span: Range<usize>,
    pub(crate) request: String,
    pub(crate) facts: Facts,
    /// The request's body; without one, conditions on bodies are not checked.
    pub(crate) body: Option<String>,
    /// The time of the request; without one, time does not matter.
    pub(crate) at: Option<At>,
    pub(crate) want: Want,
}

/// What a `[[test]]` wants; a later variant lets more through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    Deny,
    Ask,
    Allow,
}

impl Want {
    const ALL: [Want; 3] = [Want::Allow, Want::Ask, Want::Deny];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|want| want.as_str() == text)
    }

    /// The word in a test.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Want::Deny => "deny",
            Want::Ask => "ask",
            Want::Allow => "allow",
        }
    }
}

/// A rule's place.
pub(crate) fn rule_ref(block: &Block<'_, '_>, span: &Range<usize>) -> RuleRef {
    let text = &block.reader.text;
    RuleRef { file: text.name.clone(), line: text.line(span.start) }
}

/// The problem for a pattern that cannot be read.
pub(crate) fn unreadable(error: PatternError) -> ValueError {
    ValueError::new(error.message, error.help)
}
