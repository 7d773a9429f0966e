//! Rows of the database, as the control protocol shows them.

use policies::GroupName;

use super::protocol::{OpenAsk, PausedGroup, PolicyInForce};
use crate::store::{Ask, AskState, Pause};

/// A question that the owner can answer.
pub(super) fn open_ask(ask: Ask) -> OpenAsk {
    let waits = ask.state == AskState::Waiting;
    let Ask { code, group, says, method, authority, path, credential, asked_at, .. } = ask;
    OpenAsk { code, group: group.to_string(), says, method, authority, path, credential, waits, asked_at }
}

/// A policy that judges now.
pub(super) fn in_force((group, hash): (GroupName, String)) -> PolicyInForce {
    PolicyInForce { group: group.to_string(), hash }
}

/// What is paused; `*` for all.
pub(super) fn paused(Pause { group, until }: Pause) -> PausedGroup {
    let group = group.map_or_else(|| "*".to_owned(), |group| group.to_string());
    PausedGroup { group, until }
}
