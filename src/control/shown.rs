//! Rows of the database, as the control protocol shows them.

use super::protocol::OpenAsk;
use crate::store::{Ask, AskState};

/// A question that the owner can answer.
pub(super) fn open_ask(ask: Ask) -> OpenAsk {
    let waits = ask.state == AskState::Waiting;
    let Ask { code, group, says, method, authority, path, credential, asked_at, .. } = ask;
    OpenAsk { code, group: group.to_string(), says, method, authority, path, credential, waits, asked_at }
}
