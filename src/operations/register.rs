//! `register_group`: a chat becomes a group if the owner says yes to exactly that. It reaches only its model; the owner
//! grants more in its policy.

use policies::{Code, GroupName, Refusal};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Beyond, Described};
use super::{Operations, Proof, unavailable, whole};
use crate::channels::terminal;
use crate::config::{Agent, Config, WHATSAPP};
use crate::images;
use crate::registration::{self, NotRegistered, whatsapp};
use crate::store::{NewGroup, is_reserved};

/// The agent that answers: a shell would run what people write.
const AGENT: Agent = Agent::Claude { model: None };

/// The longest chat id, in bytes.
const LONGEST_CHAT: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterGroup {
    /// The group's name.
    name: String,
    /// The channel's id of the chat.
    chat: String,
    /// The channel; the caller's by default.
    channel: Option<String>,
}

/// The same, parsed.
struct Wanted {
    name: GroupName,
    channel: String,
}

impl Asked for RegisterGroup {
    fn described() -> Described {
        Described {
            what:
                "Asks the owner to register a chat as a group, with an agent of its own that reaches nothing but its \
                   model. It is done only if the owner says yes, which may take a minute."
                    .to_owned(),
            properties: json!({
                "name": { "type": "string", "description": "The group's name: small letters, digits, - and _" },
                "chat": { "type": "string", "description": "The channel's id of the chat, like 120363012345678901@g.us" },
                "channel": { "type": "string", "enum": [terminal::CHANNEL, WHATSAPP], "description": "Your own where nothing is said" },
            }),
            required: &["name", "chat"],
        }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        let Wanted { name, channel } = self.read(operations, caller)?;
        let shown = format!("{name} {}", self.chat);
        operations.say.check(&caller.identity().group, &shown)?;
        Ok(Some(Beyond {
            about: name.to_string(),
            says: format!(
                "register the chat \u{201c}{}\u{201d} of {channel} as the group {name}, with {AGENT} as its agent and a policy \
                 that allows nothing else",
                whole(&self.chat)
            ),
            exactly: json!({ "name": name, "channel": channel, "chat": self.chat }),
        }))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let Wanted { name, channel } = self.read(operations, caller)?;
        let chats = operations.chats()?;
        let new = NewGroup { name: &name, channel: &channel, chat: &self.chat, is_main: false };
        match registration::register(&chats.home, &chats.store, &new, &AGENT) {
            Ok(_) => Ok(format!("{name} is a group now. Its agent answers who calls it in its chat.")),
            Err(NotRegistered::Group(error)) => Err(refuse(error.to_string())),
            Err(error) => {
                let why = "the group's folder and files cannot be made; the owner's log says why";
                Err(refuse(why.to_owned()).logged_as(error.to_string()))
            }
        }
    }
}

impl RegisterGroup {
    /// Parses the request and checks that it can be carried out: a yes must not be in vain.
    fn read(&self, operations: &Operations, caller: &Caller) -> Result<Wanted, Refusal> {
        let name = GroupName::parse(&self.name).map_err(|error| refuse(format!("`name`: {error}")))?;
        if images::is_policy_of_one(&name) {
            return Err(refuse(format!("`name`: {name} is the name of an image's policy; choose another")));
        }
        let chats = operations.chats()?;
        let channel = match self.channel.as_deref() {
            Some(channel) if [terminal::CHANNEL, WHATSAPP].contains(&channel) => channel.to_owned(),
            Some(_) => return Err(refuse(format!("`channel` is {} or {WHATSAPP}", terminal::CHANNEL))),
            None => operations.chat(caller, None)?.channel,
        };
        if self.chat.is_empty() || self.chat.len() > LONGEST_CHAT {
            return Err(refuse(format!("`chat` is the channel's id of the chat, at most {LONGEST_CHAT} bytes")));
        }
        if channel == WHATSAPP {
            let config = Config::load(&chats.home).unwrap_or_default();
            whatsapp::check(&self.chat, &config.channels.whatsapp).map_err(|why| refuse(format!("`chat`: {why}")))?;
        }
        // What an earlier group of the name was allowed must not come back unnoticed.
        let files = [chats.home.policy_file(&name), chats.home.group_file(&name), chats.home.skills_file(&name)];
        let old = files.iter().any(|path| path.exists());
        if is_reserved(&name) {
            return Err(refuse(format!("no group can be called {name}: the name has a meaning of its own")));
        }
        let taken = chats.store.group(&name).map_err(|error| unavailable(&error))?.is_some();
        if old || taken {
            return Err(refuse(format!("the name {name} is taken, or was by an earlier group; choose another one")));
        }
        if chats.store.group_by_chat(&channel, &self.chat).map_err(|error| unavailable(&error))?.is_some() {
            return Err(refuse("this chat is a group already".to_owned()));
        }
        Ok(Wanted { name, channel })
    }
}

fn refuse(why: String) -> Refusal {
    Refusal::new(Code::OperationRefused, why)
}
