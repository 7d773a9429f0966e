//! Who answers: the owner, in the main chat or on the machine.

use super::{Approvals, Around};
use crate::channels::protocol::Incoming;
use crate::channels::terminal;
use crate::store::Group;

/// An owner's answer: how it was given, and where. Only what makes sure of that makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct By<'a>(How<'a>);

#[derive(Clone, Copy, Debug)]
enum How<'a> {
    Chat(Way, &'a Group, &'a str),
    Command,
}

/// How an answer is given in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a reply to the question.
    Reply,
    /// As a reaction to it.
    Reaction,
    /// By its code.
    Code,
}

/// Why an answer does not count.
#[derive(Clone, Copy)]
pub(super) enum Not {
    Approver,
    Bound,
    Understood,
}

impl Approvals {
    /// Whether the owner wrote it: whoever sits at the machine, or the only other person in the owner's own chat. Where
    /// several people write, only the configured identities are the owner.
    pub fn is_owner(&self, main: &Group, message: &Incoming) -> bool {
        let named = |around: &Around| around.owners.contains(&message.sender.id);
        main.channel == terminal::CHANNEL || !message.group || self.around().is_some_and(named)
    }

    /// Makes sure that a message is the owner's own, as it was first sent, in the main chat.
    pub(super) fn said_by_owner<'a>(&self, way: Way, group: &'a Group, message: &'a Incoming) -> Result<By<'a>, Not> {
        match way {
            Way::Reply | Way::Code if !group.is_main || message.forwarded || message.edits.is_some() => Err(Not::Bound),
            _ if !group.is_main || !self.is_owner(group, message) => Err(Not::Approver),
            way => Ok(By(How::Chat(way, group, &message.sender.id))),
        }
    }
}

impl<'a> By<'a> {
    /// The owner's, on the command line.
    pub(super) fn command() -> Self {
        By(How::Command)
    }

    #[cfg(test)]
    pub(super) fn reply(main: &'a Group, sender: &'a str) -> Self {
        By(How::Chat(Way::Reply, main, sender))
    }

    /// In words, for the log and the policy.
    pub(super) fn how(self) -> String {
        match self.0 {
            How::Chat(Way::Reply, main, sender) => format!("by a reply in the chat of {} ({sender})", main.name),
            How::Chat(Way::Reaction, main, sender) => format!("by a reaction in the chat of {} ({sender})", main.name),
            How::Chat(Way::Code, main, sender) => format!("by its code in the chat of {} ({sender})", main.name),
            How::Command => "on the command line".to_owned(),
        }
    }

    /// The chat; a yes ends when it is no longer the main chat. `None`: on the machine.
    pub(super) fn main(self) -> Option<&'a Group> {
        match self.0 {
            How::Chat(_, main, _) => Some(main),
            How::Command => None,
        }
    }
}
