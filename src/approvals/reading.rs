//! Parses the owner's answers. A yes is one of a few words and nothing else; a no may be followed by a reason.

use crate::store::Answered;

/// An answer in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub what: Answered,
    /// The reason for a no, for the agent.
    pub because: Option<String>,
    /// Whether it answers all questions of one message.
    pub all: bool,
}

/// An answer that names its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// The code, as stored.
    pub code: String,
    /// The rest of the words.
    pub words: String,
}

const ONCE: [&str; 9] = ["1", "yes", "y", "ok", "okay", "once", "ja", "si", "oui"];
const OF_ANSWER: [&str; 3] = ["2", "answer", "for this answer"];
const ALWAYS: [&str; 3] = ["3", "always", "immer"];
const NEVER: [&str; 3] = ["never", "nie", "0 never"];
const NO: [&str; 6] = ["no", "n", "nein", "non", "nope", "0"];

/// The longest reason, in characters.
const LONGEST_REASON: usize = 300;

/// The letters and digits of codes: none that look alike, and no vowels, so that no code is a word.
pub(super) const ALPHABET: &[u8; 27] = b"23456789bcdfghjkmnpqrstvwxz";

/// The length of a code.
pub(super) const LENGTH: usize = 6;

/// Parses an answer. `None`: it is none.
pub fn answer(text: &str) -> Option<Answer> {
    let plain = folded(text);
    let (words, all) = match plain.strip_suffix(" all") {
        Some(words) => (words, true),
        None => (plain.as_str(), false),
    };
    let is = |known: &[&str]| known.contains(&words);
    let what = match () {
        () if is(&ONCE) => Answered::Once,
        () if is(&OF_ANSWER) => Answered::Answer,
        () if is(&ALWAYS) => Answered::Always,
        () if is(&NEVER) => Answered::Never,
        () => return no(text),
    };
    Some(Answer { what, because: None, all })
}

/// Parses a reaction. Other signs are none.
pub fn reaction(sign: &str) -> Option<Answer> {
    // Without skin tones and the emoji variation selector.
    let plain: String = sign.chars().filter(|c| !matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{fe0f}')).collect();
    let what = match plain.trim() {
        "\u{1f44d}" => Answered::Once,
        "\u{1f44e}" => Answered::No,
        _ => return None,
    };
    Some(Answer { what, because: None, all: false })
}

/// `no`, `no: because …`. Whatever follows a no is its reason, however it is separated.
fn no(text: &str) -> Option<Answer> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if !NO.contains(&folded(word).as_str()) {
        return None;
    }
    let because =
        rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '.' | '-' | '!')).trim();
    let all = matches!(folded(because).as_str(), "all" | "to all");
    let because = Some(because).filter(|because| !because.is_empty() && !all);
    let because = because.map(|because| because.chars().take(LONGEST_REASON).collect());
    Some(Answer { what: Answered::No, because, all })
}

/// Normalises words before they are compared.
fn folded(text: &str) -> String {
    let unseen = |c: &char| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let text: String = text.chars().filter(unseen).collect();
    let text = text.trim().trim_end_matches(['.', '!']);
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Words that include something in the form of a code: `yes k7q2mx`, `k7q2mx no: because`, and what the command line
/// shows (`ask yes k7q2mx`).
pub fn coded(text: &str) -> Option<Coded> {
    let text = text.trim();
    let text = text.strip_prefix("doorward ").unwrap_or(text);
    let text = text.strip_prefix("ask ").unwrap_or(text).trim_start();
    let tokens = text.split_whitespace().take(4);
    let bare = |token: &str| token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let (token, code) = tokens.map(|token| (token, bare(token))).find(|(_, code)| is_code(code))?;
    let at = token.as_ptr() as usize - text.as_ptr() as usize;
    let (before, after) = (&text[..at], &text[at + token.len()..]);
    Some(Coded { code, words: format!("{} {}", before.trim(), after.trim()).trim().to_owned() })
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == LENGTH && bytes.iter().all(|byte| ALPHABET.contains(byte)) && bytes.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn what(text: &str) -> Option<Answered> {
        answer(text).map(|answer| answer.what)
    }

    #[test]
    fn a_yes_is_one_of_a_few_words_and_nothing_else() {
        for text in ["1", "yes", " Yes! ", "OK.", "\u{200e}ja", "once"] {
            assert_eq!(what(text), Some(Answered::Once), "{text:?}");
        }
        assert_eq!(what("2"), Some(Answered::Answer));
        assert_eq!(what("Always."), Some(Answered::Always));
        assert_eq!(what("never"), Some(Answered::Never));
        for text in ["", "yes, but only today", "1 or 2?", "yes no", "11", "\u{ff11}", "yes\u{301}", "say yes"] {
            assert_eq!(what(text), None, "{text:?}");
        }
        assert!(answer("yes all").unwrap().all && !answer("yes").unwrap().all);
    }

    #[test]
    fn a_no_may_have_a_reason() {
        let because = |text: &str| answer(text).unwrap().because;
        for text in ["no: not on Sundays", "No, not on Sundays", "no not on Sundays", "nein - not on Sundays"] {
            assert_eq!(
                (what(text), because(text).as_deref()),
                (Some(Answered::No), Some("not on Sundays")),
                "{text:?}"
            );
        }
        assert_eq!(because("no."), None);
        assert!(answer("no to all").unwrap().all && because("no to all").is_none());
        assert_eq!(because(&format!("no: {}", "x".repeat(4000))).unwrap().chars().count(), LONGEST_REASON);
        for text in ["not now", "nobody", "note: 1"] {
            assert_eq!(what(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sign_counts_in_any_skin() {
        let sign = |sign| reaction(sign).map(|answer| answer.what);
        assert_eq!(sign("\u{1f44d}"), Some(Answered::Once));
        assert_eq!(sign("\u{1f44d}\u{1f3fd}"), Some(Answered::Once));
        assert_eq!(sign("\u{1f44e}\u{fe0f}"), Some(Answered::No));
        for other in ["", "\u{2764}", "\u{1f44d}\u{1f44e}", "1", "yes"] {
            assert_eq!(sign(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_code_stands_anywhere_among_a_few_words() {
        for (text, words) in [
            ("yes k7q2mx", "yes"),
            ("K7Q2MX: yes", "yes"),
            ("no k7q2mx: not on Sundays", "no not on Sundays"),
            ("ask never k7q2mx", "never"),
            ("k7q2mx", ""),
        ] {
            let coded = coded(text).unwrap();
            assert_eq!((&*coded.code, &*coded.words), ("k7q2mx", words), "{text:?}");
        }
        for text in ["yes", "the rhythm of it", "k7q2m", "k7q2mxx", "a b c d k7q2mx", "bcdfgh"] {
            assert_eq!(coded(text), None, "{text:?}");
        }
    }
}
