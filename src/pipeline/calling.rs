//! Whether a message calls the assistant: `@Name` at its start, in any case and script, as people and their phones
//! write it.
//!
//! What it is not: it knows no chats and no settings. Whether a chat needs a call is for the router to decide.

use icu_normalizer::DecomposingNormalizerBorrowed;

use crate::config::Trigger;

/// How many times longer than its folded form a written name may be.
const LONGEST: usize = 16;

/// The assistant's folded names: its own, and its others in a chat.
#[derive(Clone, Debug)]
pub struct Name(Vec<String>);

impl Name {
    /// Takes the name as its owner writes it, with or without `@`.
    pub fn new(name: &str) -> Self {
        Name(vec![fold(name.trim().trim_start_matches(is_at))])
    }

    /// The names that call it in a chat with this trigger.
    pub fn in_chat(&self, trigger: Option<&Trigger>) -> Self {
        let mut names = self.clone();
        if let Some(Trigger::Called(other)) = trigger {
            names.0.extend(Name::new(other).0);
        }
        names
    }

    /// The text after `@Name` at its start; `None` if it does not call.
    pub fn called<'t>(&self, text: &'t str) -> Option<&'t str> {
        let after_at = skip_unseen(text).strip_prefix(is_at)?;
        let end = self.0.iter().find_map(|name| ends_at(name, after_at))?;
        // Skips marks that belong to the name (a phone closes its bidi isolate there).
        Some(skip_unseen(skip_unseen(&after_at[end..]).trim_start_matches([',', ':', ';'])))
    }
}

/// Where the name at the start of a text ends.
fn ends_at(name: &str, text: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    let mut read = String::new();
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        // A text may contain any number of invisible marks.
        if end > LONGEST * name.len() {
            return None;
        }
        read.push(c);
        let folded = fold(&read);
        if folded.len() > name.len() || !name.starts_with(&folded) {
            return None;
        }
        let rest = &text[end..];
        // A mark that folds away may still follow: it belongs to the last letter.
        let complete =
            folded == name && rest.chars().next().is_none_or(|next| !fold(next.encode_utf8(&mut [0; 4])).is_empty());
        if complete {
            return (!goes_on(rest)).then_some(end);
        }
    }
    None
}

/// Ignores case, composition, width, diacritics and invisible marks. Lower-upper-lower is the full case folding: ß is
/// ss, ς is σ, İ and ı are i.
pub(in crate::pipeline) fn fold(text: &str) -> String {
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    let plain = |text: &str| -> String {
        decomposed.normalize(text).chars().filter(|c| !is_diacritic(*c) && !is_unseen(*c)).collect()
    };
    let lower = |text: &str| -> String { text.chars().flat_map(char::to_lowercase).collect() };
    plain(&lower(&lower(&plain(text)).to_uppercase()))
}

/// Whether the word continues in `rest`. In scripts without spaces between words, and in Hangul with its particles, it
/// may end anywhere.
fn goes_on(rest: &str) -> bool {
    let mut next = rest.chars().filter(|c| !is_unseen(*c));
    match next.next() {
        Some('_') => true,
        Some('-') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() && !is_unspaced(c),
        None => false,
    }
}

fn is_at(c: char) -> bool {
    matches!(c, '@' | '\u{ff20}' | '\u{fe6b}')
}

fn skip_unseen(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || is_unseen(c))
}

/// Combining diacritical marks, which people leave out.
fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Invisible marks that control direction, joining or presentation.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Thai to Tibetan, Myanmar, Hangul, Khmer, kana, Han.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff65}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn calls(name: &str, text: &str, rest: &str) {
        assert_eq!(Name::new(name).called(text), Some(rest), "{name:?} in {text:?}");
    }

    #[track_caller]
    fn silent(name: &str, text: &str) {
        assert_eq!(Name::new(name).called(text), None, "{name:?} in {text:?}");
    }

    #[test]
    fn the_name_at_the_start_calls() {
        calls("Doorward", "@Doorward hello", "hello");
        calls("@Doorward", "  @doorWARD, hello", "hello");
        calls("Doorward", "@Doorward", "");
        calls("Doorward", "@Doorward: a\nb", "a\nb");
        calls("Doorward", "\u{ff20}\u{ff24}\u{ff4f}orward\u{ff1f}", "\u{ff1f}");
        calls("Door Ward", "@door ward open", "open");
    }

    #[test]
    fn another_name_of_a_chat_calls_as_well() {
        let name = Name::new("Doorward").in_chat(Some(&Trigger::Called("Bob".to_owned())));
        assert_eq!((name.called("@BOB: hi"), name.called("@doorward hi")), (Some("hi"), Some("hi")));
        assert_eq!(name.called("@Bobby hi"), None);
        assert_eq!(Name::new("Doorward").in_chat(Some(&Trigger::Name)).called("@Bob hi"), None);
    }

    #[test]
    fn anything_else_does_not() {
        for text in [
            "Doorward hello",
            "hello @Doorward",
            "@Doorwarden hello",
            "@Door",
            "@",
            "",
            "@Doorward_2 x",
            "@Doorward-two",
        ] {
            silent("Doorward", text);
        }
        silent("", "@ hello");
        silent("Doorward", "mail me@Doorward");
    }

    #[test]
    fn marks_that_phones_insert_make_no_difference() {
        calls("Doorward", "\u{200e}@Doorward hi", "hi");
        calls("Doorward", "\u{feff}\u{200f} @\u{2068}Doorward\u{2069} hi", "hi");
        calls("Doorward", "@\u{2068}Door\u{ad}ward\u{2069}\u{fe0f}, hi", "hi");
        silent("Doorward", "@\u{2068}Doorward\u{2069}en hi");
    }

    #[test]
    fn any_case_of_any_script() {
        calls("\u{130}ris", "@iris merhaba", "merhaba");
        calls("\u{130}ris", "@\u{130}R\u{130}S merhaba", "merhaba");
        calls("Iris", "@\u{131}ris merhaba", "merhaba");
        calls("Stra\u{df}e", "@STRASSE los", "los");
        calls("STRASSE", "@stra\u{1e9e}e los", "los");
        calls(
            "\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}",
            "@\u{3a3}\u{399}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3} \u{3ba}",
            "\u{3ba}",
        );
        calls("\u{416}\u{443}\u{43a}", "@\u{436}\u{423}\u{41a} \u{434}\u{430}", "\u{434}\u{430}");
    }

    #[test]
    fn composed_or_not() {
        calls("Zo\u{eb}", "@Zoe\u{308} hi", "hi");
        calls("Zoe\u{308}", "@ZO\u{cb} hi", "hi");
        calls("Zo\u{eb}", "@zoe hi", "hi");
        calls("\u{ac00}\u{c774}", "@\u{1100}\u{1161}\u{110b}\u{1175} hi", "hi");
        silent("\u{304b}", "@\u{304c} hi");
    }

    #[test]
    fn a_name_in_a_heap_of_marks_is_no_work() {
        silent("Doorward", &format!("@{}Doorward", "\u{2060}".repeat(1 << 20)));
    }

    #[test]
    fn scripts_without_spaces() {
        calls("\u{5c0f}\u{95e8}", "@\u{5c0f}\u{95e8}\u{4f60}\u{597d}", "\u{4f60}\u{597d}");
        calls("Doorward", "@Doorward\u{4f60}\u{597d}", "\u{4f60}\u{597d}");
    }
}
