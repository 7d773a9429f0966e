//! An agent's answer in a turn, put together from pieces.

/// The text of the last message; text before the last use of a tool only led up to it.
#[derive(Debug, Default)]
pub(super) struct Answer {
    message: Option<String>,
    text: String,
    /// A tool was used since.
    done_with: bool,
    /// The longest earlier text, in case nothing follows.
    before: String,
}

/// A limit for an agent that writes without end.
const MOST: usize = 1 << 20;

impl Answer {
    /// Adds a piece of a message. Agents that name their messages start a new one with a new name.
    pub(super) fn push(&mut self, message: Option<String>, text: &str) {
        if self.done_with || self.message != message && self.message.is_some() && message.is_some() {
            self.before = std::mem::take(&mut self.text);
        }
        (self.done_with, self.message) = (false, message);
        let room = MOST.saturating_sub(self.text.len());
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
    }

    /// The agent uses a tool.
    pub(super) fn interlude(&mut self) {
        self.done_with = !self.text.is_empty();
    }

    /// The answer.
    pub(super) fn text(&self) -> String {
        if self.text.trim().is_empty() { self.before.clone() } else { self.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pieces: &[(&str, &str)]) -> String {
        let mut answer = Answer::default();
        for (message, text) in pieces {
            match *message {
                "tool" => answer.interlude(),
                "" => answer.push(None, text),
                name => answer.push(Some(name.to_owned()), text),
            }
        }
        answer.text()
    }

    #[test]
    fn the_last_message_is_the_answer() {
        assert_eq!(answer(&[]), "");
        assert_eq!(answer(&[("", "It is "), ("", "391.")]), "It is 391.");
        assert_eq!(answer(&[("", "Let me see."), ("tool", ""), ("", "It is "), ("", "391.")]), "It is 391.");
        assert_eq!(answer(&[("a", "Let me see."), ("b", "It is 391.")]), "It is 391.");
        assert_eq!(answer(&[("", "Sent."), ("tool", "")]), "Sent.");
        assert_eq!(answer(&[("", "Sent."), ("tool", ""), ("", " ")]), "Sent.");
    }

    #[test]
    fn an_answer_without_end_is_bounded() {
        let mut answer = Answer::default();
        for _ in 0..3 {
            answer.push(None, &"ä".repeat(MOST / 2));
        }
        assert!(answer.text().len() <= MOST);
    }
}
