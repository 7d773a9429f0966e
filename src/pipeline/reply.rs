//! From what an agent says to what a chat gets: private thoughts are taken out, long
//! texts are split, and an answer has a size.

/// The most that one answer may hold; what is beyond is cut, and the chat is told.
pub const ANSWER_LIMIT: usize = 1 << 20;

/// The longest single message. A JSON line of it stays below the channel's limit
/// even where every character needs six.
pub const MESSAGE_LIMIT: usize = 100 << 10;

/// The most characters of an agent's error that a chat is told.
const ERROR_LIMIT: usize = 1000;

/// The answer to one message while it grows.
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

    /// The messages to send, in order; none where nothing was said.
    pub fn into_messages(self) -> Vec<String> {
        let shown = without_internal(&self.text);
        let mut messages = split(shown.trim_end_matches('\n'), MESSAGE_LIMIT);
        if self.cut {
            messages.push(format!("(The answer was longer than {} KiB; the rest was cut.)", ANSWER_LIMIT >> 10));
        }
        messages
    }
}

/// What an agent calls an error, as a chat is told: short, and without control
/// characters. It stands in the failure of every message that waits.
pub fn error(message: &str) -> String {
    let shown: String = message.chars().filter(|c| !c.is_control() || *c == '\n').take(ERROR_LIMIT).collect();
    if shown.len() < message.len() { format!("{shown} …") } else { shown }
}

/// Takes `<internal>…</internal>` out; one that is never closed hides all that follows.
fn without_internal(text: &str) -> String {
    const OPEN: &str = "<internal>";
    const CLOSE: &str = "</internal>";
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(OPEN) {
        shown.push_str(before);
        rest = inside.split_once(CLOSE).map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown
}

/// Splits after a line where there is one in the second half, else anywhere between
/// two characters.
fn split(text: &str, limit: usize) -> Vec<String> {
    let mut messages = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let most = rest.floor_char_boundary(limit);
        let at = rest[..most].rfind('\n').map_or(most, |newline| newline + 1);
        let at = if at * 2 < most { most } else { at };
        messages.push(rest[..at].trim_end_matches('\n').to_owned());
        rest = &rest[at..];
    }
    messages.push(rest.to_owned());
    messages.retain(|message| !message.trim().is_empty());
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(parts: &[&str]) -> Vec<String> {
        let mut answer = Answer::default();
        parts.iter().for_each(|part| answer.push(part));
        answer.into_messages()
    }

    #[test]
    fn parts_become_one_message() {
        assert_eq!(messages(&["two ", "parts\n"]), ["two parts"]);
        assert_eq!(messages(&[]), [] as [&str; 0]);
        assert_eq!(messages(&["\n\n"]), [] as [&str; 0]);
    }

    #[test]
    fn thoughts_stay_inside() {
        assert_eq!(messages(&["a<internal>secret</internal>b"]), ["ab"]);
        assert_eq!(messages(&["a<inter", "nal>secret"]), ["a"], "also across parts, also unclosed");
        assert_eq!(messages(&["<internal>all of it</internal>\n"]), [] as [&str; 0]);
    }

    #[test]
    fn long_texts_are_split_between_lines() {
        assert_eq!(split("aaaa\nbbbb\ncc", 8), ["aaaa", "bbbb\ncc"]);
        assert_eq!(split("\u{e9}\u{e9}\u{e9}", 3), ["\u{e9}", "\u{e9}", "\u{e9}"]);
        assert_eq!(split("a\nbbbbbbbbb", 8), ["a\nbbbbbb", "bbb"]);
    }

    #[test]
    fn an_answer_has_a_size() {
        let long = "x".repeat(ANSWER_LIMIT - 1);
        let sent = messages(&[&long, "\u{e9}", "more"]);
        assert!(sent.iter().all(|message| message.len() <= MESSAGE_LIMIT));
        assert!(sent.last().is_some_and(|last| last.contains("the rest was cut")));
    }
}
