//! Words of a text as names are compared: case, accents and what cannot be seen make no difference.

use crate::pipeline::calling;

/// A text, and where its words are.
pub(super) struct Letters<'t>(&'t str);

/// A word: letters and digits, with what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) folded: String,
}

impl<'t> Letters<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Letters(text)
    }

    /// Its words, in order. An apostrophe ends one: what follows is a case and no part of a name.
    pub(super) fn words(&self) -> impl Iterator<Item = Word> + use<'t> {
        let text = self.0;
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let start = at + text[at..].find(is_of_a_word)?;
                let length = text[start..].find(|c: char| !is_of_a_word(c)).unwrap_or(text.len() - start);
                at = start + length;
                let folded = calling::fold(&text[start..at]);
                if !folded.is_empty() {
                    return Some(Word { start, end: at, folded });
                }
            }
        })
    }

    /// Whether what stands between two words leaves them one name.
    pub(super) fn is_one_name(&self, from: usize, to: usize) -> bool {
        let between = &self.0[from..to];
        between.len() <= 24 && !between.contains(['\n', '.', '!', '?', ',', ';', ':', '<', '>', '"', '@'])
    }
}

/// Letters, digits, and the marks that belong to them.
fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}')
}

/// What people write in a telephone number.
pub(super) fn is_number_letter(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '/' | '(' | ')' | '.' | '\u{a0}' | '\u{2011}')
}

/// The digits of a text.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
