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

/// What people write in a telephone number, and what cannot be seen there.
pub(super) fn is_number_letter(c: char) -> bool {
    digit(c).is_some()
        || matches!(c, '+' | ' ' | '-' | '/' | '(' | ')' | '.' | '_' | '\u{a0}' | '\u{2000}'..='\u{2015}' | '\u{202a}'..='\u{202f}'
            | '\u{2060}' | '\u{2066}'..='\u{2069}')
}

/// A digit as such: people write Arabic, Indian and wide ones, too.
pub(super) fn digit(c: char) -> Option<char> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    let value =
        zeros.into_iter().find_map(|zero| u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

/// The digits of a text.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter_map(digit).collect()
}
