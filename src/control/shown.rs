//! Database rows in the form of the control protocol.

use policies::GroupName;

use super::protocol::{OpenAsk, PausedGroup, PolicyInForce};
use crate::store::{Ask, AskState, Pause};

/// An open question, with what leaves and what `always` covers.
pub(super) fn open_ask(ask: Ask, in_full: Option<(String, Option<String>)>) -> OpenAsk {
    let (leaves, always_covers) = in_full.map_or((None, None), |(leaves, covers)| (Some(leaves), covers));
    let waits = ask.state == AskState::Waiting;
    let Ask { code, group, says, method, authority, path, credential, asked_at, .. } = ask;
    let group = group.to_string();
    OpenAsk { code, group, says, method, authority, path, credential, leaves, always_covers, waits, asked_at }
}

/// A policy in force.
pub(super) fn in_force((group, hash): (GroupName, String)) -> PolicyInForce {
    PolicyInForce { group: group.to_string(), hash }
}

/// A pause; `*` for all.
pub(super) fn paused(Pause { group, until }: Pause) -> PausedGroup {
    let group = group.map_or_else(|| "*".to_owned(), |group| group.to_string());
    PausedGroup { group, until }
}
