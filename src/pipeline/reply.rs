//! From an agent's answer to a chat's messages: private thoughts are removed, long texts are split, and the length is
//! bounded.

use icu_segmenter::GraphemeClusterSegmenter;

use super::thoughts::without_internal;
use crate::channels::terminal;
use crate::phrases::Phrases;
use crate::store::Sayable;

/// The most bytes kept of one growing answer.
pub const ANSWER_LIMIT: usize = 1 << 20;

/// The limits of a channel's chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest single message, in bytes.
    pub message: usize,
    /// The most messages of one answer.
    pub messages: usize,
}

impl Bounds {
    /// The limits of this channel. A message's JSON line stays below the protocol's limit even if every character takes
    /// six bytes.
    pub fn of(channel: &str) -> Self {
        match channel {
            terminal::CHANNEL => Bounds { message: 100 << 10, messages: 20 },
            // Nobody reads more on a phone, and networks ban accounts that send hundreds.
            _ => Bounds { message: 8 << 10, messages: 8 },
        }
    }
}

/// The most characters of an agent's error that a chat gets.
const ERROR_LIMIT: usize = 1000;

/// A growing answer to one message.
#[derive(Debug, Default)]
pub struct Answer {
    text: String,
    cut: bool,
}

impl Answer {
    /// Adds a part.
    pub fn push(&mut self, part: &str) {
        let room = ANSWER_LIMIT.saturating_sub(self.text.len());
        if part.len() > room {
            self.cut = true;
        }
        self.text.push_str(&part[..part.floor_char_boundary(room)]);
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The messages to send, in order; none if nothing was said. `say` gets the whole text before it is split, since a
    /// secret could straddle a split.
    pub fn into_messages(
        self,
        bounds: Bounds,
        say: impl FnOnce(String) -> Sayable,
        own: impl FnOnce(Phrases) -> Sayable,
    ) -> Vec<Sayable> {
        let shown = without_internal(&self.text);
        if shows_nothing(&shown) && !self.cut {
            return Vec::new();
        }
        let mut messages = say(shown).parts(|text| split(text.trim_end_matches('\n'), bounds.message));
        if self.cut || messages.len() > bounds.messages {
            messages.truncate(bounds.messages);
            messages.push(own(Phrases::new("answer-cut")));
        }
        messages
    }
}

/// An agent's message without private thoughts; `None` if nothing else is in it.
pub fn shown(text: &str) -> Option<String> {
    let shown = without_internal(text);
    (!shows_nothing(&shown)).then(|| shown.trim_end_matches('\n').to_owned())
}

/// Whether a chat would show an empty message: only blanks, control characters, and characters without a glyph.
fn shows_nothing(text: &str) -> bool {
    let draws_nothing = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().all(draws_nothing)
}

/// An agent's error as a chat gets it: short, and without control characters. The failure notice of every waiting
/// message contains it.
pub fn error(message: &str) -> String {
    let shown: String = message.chars().filter(|c| !c.is_control() || *c == '\n').take(ERROR_LIMIT).collect();
    if shown.len() < message.len() { format!("{shown} …") } else { shown }
}

/// Splits after a paragraph, a line or a word that ends in the second half, else between two
/// characters as people see them (grapheme clusters).
fn split(text: &str, limit: usize) -> Vec<&str> {
    let mut messages = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let at = border(&rest[..rest.floor_char_boundary(limit + 1)], limit);
        messages.push(rest[..at].trim_end());
        rest = rest[at..].trim_start_matches('\n');
    }
    messages.push(rest);
    messages.retain(|message| !shows_nothing(message));
    messages
}

/// Where to split a window that is a little longer than the limit.
fn border(window: &str, limit: usize) -> usize {
    let most = window.floor_char_boundary(limit);
    let late = |at: &usize| *at * 2 >= most && *at > 0;
    let after = |what: &str| window[..most].rfind(what).map(|at| at + what.len()).filter(late);
    let word = || window[..most].char_indices().rev().find(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
    after("\n\n").or_else(|| after("\n")).or_else(|| word().filter(late)).unwrap_or_else(|| {
        // The window may end inside a character or word: only boundaries before its end are known.
        let borders =
            GraphemeClusterSegmenter::new().segment_str(window).filter(|at| *at <= most && *at < window.len());
        borders.last().filter(|at| *at > 0).unwrap_or(most.max(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Bounds = Bounds { message: 100 << 10, messages: 20 };

    fn in_english(words: Phrases) -> Sayable {
        Sayable::unchecked(words.in_english())
    }

    fn messages(parts: &[&str]) -> Vec<String> {
        let mut answer = Answer::default();
        parts.iter().for_each(|part| answer.push(part));
        let said = answer.into_messages(ROOMY, Sayable::unchecked, in_english);
        said.iter().map(Sayable::to_string).collect()
    }

    #[test]
    fn parts_become_one_message() {
        assert_eq!(messages(&["two ", "parts\n"]), ["two parts"]);
        assert_eq!(messages(&[]), [] as [&str; 0]);
        for nothing in
            ["\n\n", " \t\r\n", "\0\0", "\u{200b}\u{200b}", "\u{feff}", "\u{2800}\n\u{3164}", "\u{e0001}\u{200d}"]
        {
            assert_eq!(messages(&[nothing]), [] as [&str; 0], "{nothing:?}");
            assert_eq!(shown(nothing), None, "{nothing:?}");
        }
        for something in [".", "\u{200b}a", "👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "می\u{200c}خواهم"] {
            assert_eq!(messages(&[something]), [something]);
        }
    }

    #[test]
    fn thoughts_stay_inside() {
        assert_eq!(messages(&["a<internal>secret</internal>b"]), ["ab"]);
        assert_eq!(messages(&["a<inter", "nal>secret"]), ["a"], "also across parts, also unclosed");
        assert_eq!(messages(&["<internal>all of it</internal>\n"]), [] as [&str; 0]);
        assert_eq!(messages(&["a<INTERNAL>s</Internal>b<internal>t</ internal >c"]), ["abc"]);
        assert_eq!(messages(&["a<internal>s<internal>t</internal>u</internal>b"]), ["ab"]);
        assert_eq!(messages(&["a< internal why=\"x\">s</internal\n>b"]), ["ab"]);
        assert_eq!(messages(&["a<internal"]), ["a"]);
        assert_eq!(messages(&["a</internal>b"]), ["ab"]);
        assert_eq!(messages(&["<internal>a < b <</internal>c"]), ["c"]);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in ["a < b", "<internals>", "<internal-note>x</internal-note>", "<<", "<int\u{e9}rnal>", "vec<u8>"] {
            assert_eq!(messages(&[text]), [text]);
        }
    }

    #[test]
    fn long_texts_are_split_where_people_would() {
        assert_eq!(split("aaaa\nbbbb\ncc", 9), ["aaaa", "bbbb\ncc"]);
        assert_eq!(split("aa\nbb\n\ncc\ndd", 11), ["aa\nbb", "cc\ndd"], "a paragraph before a line");
        assert_eq!(split("aaaa bbbb cccc", 10), ["aaaa bbbb", "cccc"]);
        assert_eq!(split("a\nbbbbbbbbb", 8), ["a\nbbbbbb", "bbb"], "nothing tiny for the sake of a border");
        assert_eq!(split("    aaaaaa\n    bb", 12), ["    aaaaaa", "    bb"], "what is set in stays so");
    }

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(split("\u{e9}\u{e9}\u{e9}", 3), ["\u{e9}", "\u{e9}", "\u{e9}"]);
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(split(&family.repeat(2), family.len() + 5), [family, family]);
        assert_eq!(split("aaae\u{301}b", 5), ["aaa", "e\u{301}b"]);
        assert_eq!(split("\u{1f1e9}\u{1f1ea}\u{1f1eb}\u{1f1f7}", 12), ["\u{1f1e9}\u{1f1ea}", "\u{1f1eb}\u{1f1f7}"]);
        let heap = format!("a{}", "\u{301}".repeat(40));
        assert_eq!(split(&heap, 11).concat(), heap, "one that fits nowhere is");
    }

    #[test]
    fn an_answer_has_a_size() {
        let long = "x".repeat(ANSWER_LIMIT - 1);
        for bounds in [Bounds::of(terminal::CHANNEL), Bounds::of("whatsapp")] {
            let mut answer = Answer::default();
            [&long, "\u{e9}", "more"].iter().for_each(|part| answer.push(part));
            let sent = answer.into_messages(bounds, Sayable::unchecked, in_english);
            assert!(
                sent.len() <= bounds.messages + 1
                    && sent.iter().all(|message| message.as_str().len() <= bounds.message)
            );
            assert!(sent.last().is_some_and(|last| last.as_str().contains("the rest was cut")));
        }
    }
}
