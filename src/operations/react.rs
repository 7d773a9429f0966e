//! `react`: a reaction to a message that somebody wrote in the group's own chat. Doorward's own messages, its questions
//! above all, cannot be named.

use policies::{Code, Refusal};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::message::{MESSAGES_AT_MOST, not_said};
use super::{Operations, Proof};
use crate::store::{MARK, RunId, Text};

/// The longest reaction, in characters: a family emoji with skin tones has ten.
const LONGEST: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct React {
    /// The emoji.
    emoji: String,
    /// The message's id; by default the last one being answered.
    message: Option<String>,
}

impl Asked for React {
    fn described() -> Described {
        Described {
            what:
                "Puts an emoji on a message of the chat that you are answering in. It counts as one of the messages of \
                   this answer."
                    .to_owned(),
            properties: json!({
                "emoji": { "type": "string", "description": "One emoji" },
                "message": { "type": "string", "description": "The `id` of the message; the last one where nothing is said" },
            }),
            required: &["emoji"],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let refuse = |why: &str| Refusal::new(Code::OperationRefused, why);
        let (chats, group) = (operations.chats()?, &caller.identity().group);
        let Some(run) = caller.run() else {
            return Err(refuse("nothing is being answered now; a reaction belongs to an answer"));
        };
        if !is_sign(&self.emoji) {
            return Err(refuse("`emoji` is one emoji, and no text"));
        }
        let sign = operations.say.say(group, Text::Message(self.emoji.clone()))?;
        let message = self.message.as_deref();
        let queued = chats.store.react_in_run(group, RunId(run), message, &sign, MESSAGES_AT_MOST);
        queued.map_err(|error| not_said(&error))?;
        chats.outbox.wake();
        Ok("The reaction is on its way to the chat.".to_owned())
    }
}

/// Whether a text is an emoji and nothing to read. Which ones a network accepts is up to it.
fn is_sign(text: &str) -> bool {
    let is_part = |c: char| !c.is_alphabetic() && !c.is_whitespace() && !c.is_control() && c != MARK;
    let has_picture = !text.is_ascii();
    has_picture && text.chars().count() <= LONGEST && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::is_sign;

    #[test]
    fn a_sign_is_no_text() {
        for sign in
            ["\u{1f44d}", "\u{1f44d}\u{1f3fd}", "\u{2764}\u{fe0f}", "1\u{fe0f}\u{20e3}", "\u{1f468}\u{200d}\u{1f467}"]
        {
            assert!(is_sign(sign), "{sign}");
        }
        for text in ["", "ok", "1", ":)", "\u{1f44d} yes", "\u{1f6c2}", "\u{e9}", "\u{1f44d}\n", "\u{7}\u{1f44d}"] {
            assert!(!is_sign(text), "{text:?}");
        }
        assert!(!is_sign(&"\u{1f44d}".repeat(13)));
    }
}
