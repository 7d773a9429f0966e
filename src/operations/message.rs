//! `send_message`: the agent says something before its answer is complete, in its own group's chat or, if its owner
//! says yes to exactly that, in another group's.

use policies::{Code, Refusal};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Beyond, Described};
use super::{Operations, Proof, unavailable, whole};
use crate::channels::protocol::OutgoingKind;
use crate::pipeline::reply;
use crate::store::{Group, NewOutgoing, NotSaid, REACTIONS_REACH, RunId, Text};

/// The most messages that one run may send.
pub(super) const MESSAGES_AT_MOST: u32 = 20;

/// The longest message, in bytes: every channel takes it whole.
pub(super) const LONGEST: usize = 8 << 10;

/// The longest text for another group, in characters: its owner reads all of it.
pub(super) const LONGEST_ELSEWHERE: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessage {
    pub(super) text: String,
    /// Another group, by its name; its own by default.
    pub(super) chat: Option<String>,
}

impl Asked for SendMessage {
    fn described() -> Described {
        Described {
            what: format!(
                "Sends a message to the chat you are answering in, at once, before your answer is complete: for \
                 progress on something that takes long. At most {MESSAGES_AT_MOST} messages per answer. To another \
                 group's chat only if the owner says yes to this very message, which may take a minute."
            ),
            properties: json!({
                "text": { "type": "string", "maxLength": LONGEST, "description": "What to say" },
                "chat": { "type": "string", "description": "Another group, by its name; your own where nothing is said" },
            }),
            required: &["text"],
        }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        let to = operations.chat(caller, self.chat.as_deref())?;
        if to.name == caller.identity().group {
            return Ok(None);
        }
        let text = operations.with_names(&caller.identity().group, &self.shown()?);
        if text.chars().count() > LONGEST_ELSEWHERE {
            return Err(refuse(format!("a message to another group is at most {LONGEST_ELSEWHERE} characters long")));
        }
        // What may not be said is not shown to the owner either.
        operations.say.check(&to.name, &text)?;
        Ok(Some(Beyond {
            about: to.name.to_string(),
            says: format!("say in the chat of {}: \u{201c}{}\u{201d}", to.name, whole(&text)),
            exactly: json!({ "group": to.name, "channel": to.channel, "chat": to.chat, "text": text }),
        }))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let to = operations.chat(caller, self.chat.as_deref())?;
        let (chats, group) = (operations.chats()?, &caller.identity().group);
        let Some(run) = caller.run() else {
            return Err(refuse("nothing is being answered now; a message belongs to an answer".to_owned()));
        };
        let text = operations.with_names(group, &self.shown()?);
        let text = operations.say.say(&to.name, Text::Message(text))?;
        let new = NewOutgoing { kind: OutgoingKind::Reply, text, in_reply_to: None };
        let said = chats.store.say_in_run(group, RunId(run), &to.name, &new, MESSAGES_AT_MOST);
        said.map_err(|error| not_said(&error))?;
        chats.outbox.wake();
        let own = to.name == *group;
        let where_to = if own { "the chat".to_owned() } else { format!("the chat of {}", to.name) };
        Ok(format!("The message is on its way to {where_to}."))
    }
}

impl SendMessage {
    /// The text without private thoughts.
    fn shown(&self) -> Result<String, Refusal> {
        if self.text.len() > LONGEST {
            return Err(refuse(format!("a message is at most {LONGEST} bytes long; say it shorter, or in several")));
        }
        reply::shown(&self.text).ok_or_else(|| refuse("there is nothing to say in this message".to_owned()))
    }
}

impl Operations {
    /// The group whose chat is meant: its own, unnamed, by its name or its chat's; or another by its name.
    pub(super) fn chat(&self, caller: &Caller, named: Option<&str>) -> Result<Group, Refusal> {
        let (store, own) = (&self.chats()?.store, &caller.identity().group);
        let known = |found: Result<Option<Group>, _>| found.map_err(|error| unavailable(&error));
        let own = known(store.group(own))?.ok_or_else(|| refuse("this group is not registered any more".to_owned()))?;
        let Some(named) = named.filter(|named| *named != own.name.as_str() && *named != own.chat) else {
            return Ok(own);
        };
        let other = policies::GroupName::parse(named).ok().map(|name| known(store.group(&name))).transpose()?;
        other.flatten().ok_or_else(|| refuse("there is no such group; `chat` is a group's name".to_owned()))
    }

    /// Whether the caller means its own chat.
    pub(super) fn is_own_chat(&self, caller: &Caller, named: &str) -> bool {
        self.chat(caller, Some(named)).is_ok_and(|chat| chat.name == caller.identity().group)
    }
}

/// Why nothing was queued.
pub(super) fn not_said(error: &NotSaid) -> Refusal {
    match error {
        NotSaid::NotRunning => refuse("what was being answered has ended meanwhile".to_owned()),
        NotSaid::TooMany => {
            let why = format!("one answer sends at most {MESSAGES_AT_MOST} messages; put the rest into the answer");
            Refusal::new(Code::LimitExceeded, why)
        }
        NotSaid::NoMessage => refuse("nobody wrote such a message in this chat".to_owned()),
        NotSaid::TooOld => refuse(format!(
            "this message is too old: a reaction reaches the last {REACTIONS_REACH} messages of all chats; answer it instead"
        )),
        NotSaid::Store(error) => unavailable(error),
    }
}

pub(super) fn refuse(why: String) -> Refusal {
    Refusal::new(Code::OperationRefused, why)
}
