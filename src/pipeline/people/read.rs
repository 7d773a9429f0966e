//! The words of a text as names are compared: ignoring case, accents and invisible characters.

use crate::pipeline::calling;

/// A text and its words.
pub(super) struct Letters<'t>(&'t str);

/// A word: letters and digits, with their marks.
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

    /// Its words, in order. An apostrophe ends one: a case ending follows, not part of the name.
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

    /// Whether the characters between two words leave them one name.
    pub(super) fn is_one_name(&self, from: usize, to: usize) -> bool {
        let between = &self.0[from..to];
        between.len() <= 24 && !between.contains(['\n', '.', '!', '?', ',', ';', ':', '<', '>', '"', '@'])
    }
}

/// Letters, digits, and the marks that belong to them.
fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}')
}

/// The characters in a telephone number, invisible ones included.
pub(super) fn is_number_letter(c: char) -> bool {
    digit(c).is_some()
        || matches!(c, '+' | ' ' | '-' | '/' | '(' | ')' | '.' | '_' | '\u{a0}' | '\u{2000}'..='\u{2015}' | '\u{202a}'..='\u{202f}'
            | '\u{2060}' | '\u{2066}'..='\u{2069}')
}

/// A digit's value: Arabic, Indian and full-width ones, too.
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
