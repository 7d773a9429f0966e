//! One condition: a field, and what its values must or must not be.

use super::field::Field;
use crate::wildcard;

/// A field and the demand on its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Where it looks.
    pub field: Field,
    /// What its values must or must not be.
    pub words: Words,
    /// Compares without regard to ASCII case, because a match refuses.
    wide: bool,
    /// Follows another spelling of a key like the key itself (`fileUri` for `file_uri`), because
    /// what is found there refuses.
    pub(crate) follows: bool,
}

/// The demand on the values. A field that is missing (or null) has no values: `not` and `only`
/// hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// No value is one of these.
    Not(Vec<Wanted>),
    /// Every value is one of these.
    Only(Vec<Wanted>),
    /// At least one value is one of these.
    Any(Vec<Wanted>),
    /// There is no such field.
    Absent,
    /// There is one.
    Present,
}

/// A value as a policy writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A text; `*` stands for any characters.
    Text(String),
    /// true or false.
    Bool(bool),
}

/// Whether a rule gives or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An `[[allow]]`.
    Allow,
    /// A `[[deny]]`.
    Deny,
}

impl Condition {
    /// The rule's effect decides how widely it compares.
    pub fn new(field: Field, words: Words, effect: Effect) -> Self {
        let wide = match effect {
            Effect::Allow => matches!(words, Words::Not(_)),
            Effect::Deny => matches!(words, Words::Any(_) | Words::Only(_)),
        };
        let follows = match effect {
            Effect::Allow => matches!(words, Words::Not(_) | Words::Only(_) | Words::Absent),
            Effect::Deny => matches!(words, Words::Any(_) | Words::Present),
        };
        Condition { field, words, wide, follows }
    }

    /// Whether a text is one of those wanted; `None` if no text is wanted at all.
    pub(crate) fn matches_text(&self, text: &str) -> Option<bool> {
        let mut patterns = self.wanted().iter().filter_map(|wanted| match wanted {
            Wanted::Text(pattern) => Some(pattern),
            Wanted::Bool(_) => None,
        });
        let first = patterns.next()?;
        Some(self.fits(first, text) || patterns.any(|pattern| self.fits(pattern, text)))
    }

    /// The same for true and false.
    pub(crate) fn matches_bool(&self, value: bool) -> Option<bool> {
        let is_bool = |wanted: &Wanted| matches!(wanted, Wanted::Bool(_));
        self.wanted().iter().any(is_bool).then(|| self.wanted().contains(&Wanted::Bool(value)))
    }

    fn wanted(&self) -> &[Wanted] {
        match &self.words {
            Words::Not(wanted) | Words::Only(wanted) | Words::Any(wanted) => wanted,
            Words::Absent | Words::Present => &[],
        }
    }

    fn fits(&self, pattern: &str, text: &str) -> bool {
        let same = |p: &u8, t: &u8| if self.wide { p.eq_ignore_ascii_case(t) } else { p == t };
        wildcard::matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |_| true, same)
    }
}
