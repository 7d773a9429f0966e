//! `send_message`: the agent says something in its own group's chat before its answer
//! is complete. Which chat that is, nothing in the request can say.

use policies::{Code, Refusal};
use proxy::ports::Caller;

use super::request::SendMessage;
use super::{Operations, Proof, unavailable};
use crate::channels::protocol::OutgoingKind;
use crate::pipeline::reply;
use crate::store::{NewOutgoing, NotSaid, RunId, Text};

/// The most messages that one run may send.
pub(super) const MESSAGES_AT_MOST: u32 = 20;

/// The longest message, in bytes: one that every channel takes whole.
pub(super) const LONGEST: usize = 8 << 10;

impl Operations {
    pub(super) fn send_message(&self, caller: &Caller, _: Proof<'_>, message: &SendMessage) -> Result<String, Refusal> {
        let refuse = |why: String| Refusal::new(Code::OperationRefused, why);
        let chats = self.chats()?;
        let group = &caller.identity().group;
        let Some(run) = caller.run() else {
            return Err(refuse("nothing is being answered now; a message belongs to an answer".to_owned()));
        };
        if message.text.len() > LONGEST {
            return Err(refuse(format!("a message is at most {LONGEST} bytes long; say it shorter, or in several")));
        }
        let Some(text) = reply::shown(&message.text) else {
            return Err(refuse("there is nothing to say in this message".to_owned()));
        };
        let text = self.say.say(group, Text::Message(text))?;
        let new = NewOutgoing { kind: OutgoingKind::Reply, text, in_reply_to: None };
        chats.store.say_in_run(group, RunId(run), &new, MESSAGES_AT_MOST).map_err(|error| match error {
            NotSaid::NotRunning => refuse("what was being answered has ended meanwhile".to_owned()),
            NotSaid::TooMany => {
                let why = format!("one answer sends at most {MESSAGES_AT_MOST} messages; put the rest into the answer");
                Refusal::new(Code::LimitExceeded, why)
            }
            NotSaid::Store(error) => unavailable(&error),
        })?;
        chats.outbox.wake();
        Ok("The message is on its way to the chat.".to_owned())
    }
}
