//! What a question to the owner says, and what became of it, as it is listed.

use policies::{GroupName, SandboxId};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::asks::{self, AskId};
use super::{Millis, OutboxId, RunId, Store, StoreError, groups, outbox};

/// The most unanswered questions of a group that are kept, so that a group that asks a lot does not fill the disk. A
/// reply to a removed one is recognised by its mark.
pub(super) const UNANSWERED_AT_MOST: u32 = 1000;

/// A question's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskState {
    /// Its request waits at the door.
    Waiting,
    /// Its request was refused meanwhile, or its client has gone. An answer is for the same request sent again.
    Gone,
    /// The owner said yes.
    Yes,
    /// The owner said no.
    No,
    /// Nobody can answer it any more: it expired, its policy changed, or its daemon ended.
    Lost,
}

/// The owner's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// This request, once.
    Once,
    /// Requests like it, until this answer of the agent's is complete.
    Answer,
    /// From now on: a rule was written.
    Always,
    /// No, this once.
    No,
    /// No, from now on: a denial was written.
    Never,
}

/// A question to store.
#[derive(Clone, Copy, Debug)]
pub struct NewAsk<'a> {
    /// The code by which the owner names it.
    pub code: &'a str,
    /// The group whose agent asks.
    pub group: &'a GroupName,
    /// Its run.
    pub run: Option<RunId>,
    /// Its sandbox.
    pub sandbox: &'a SandboxId,
    /// The method.
    pub method: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// The path, as it may be shown.
    pub path: &'a str,
    /// The credential that would be put on.
    pub credential: Option<&'a str>,
    /// The hash of the whole request.
    pub exact: &'a str,
    /// The same without its body.
    pub shape: &'a str,
    /// What it would do, in a sentence.
    pub says: &'a str,
    /// The time.
    pub at: Millis,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its number.
    pub id: AskId,
    /// The code by which the owner names it.
    pub code: String,
    /// The group whose agent asks.
    pub group: GroupName,
    /// The method.
    pub method: String,
    /// Host and port.
    pub authority: String,
    /// The path.
    pub path: String,
    /// The credential that would be put on.
    pub credential: Option<String>,
    /// What it would do, in a sentence.
    pub says: String,
    /// Its state.
    pub state: AskState,
    /// The answer.
    pub answer: Option<Answered>,
    /// How it was answered, and by whom.
    pub how: Option<String>,
    /// When it was asked.
    pub asked_at: Millis,
    /// When it was answered.
    pub answered_at: Option<Millis>,
}

impl Store {
    /// The questions that a message of ours puts.
    pub fn asks_put_by(&self, message: OutboxId) -> Result<Vec<Ask>, StoreError> {
        let of = "id IN (SELECT ask FROM ask_messages WHERE outbox = ?1) ORDER BY id";
        self.read(|connection| select(connection, of, &[&outbox::key(message)]))
    }

    /// One question.
    pub fn ask(&self, ask: AskId) -> Result<Option<Ask>, StoreError> {
        Ok(self.read(|connection| select(connection, "id = ?1", &[&asks::key(ask)]))?.pop())
    }

    /// The questions that can be answered, oldest first.
    pub fn open_asks(&self) -> Result<Vec<Ask>, StoreError> {
        self.read(|connection| select(connection, "state IN ('waiting', 'gone') ORDER BY id", &[]))
    }
}

impl Answered {
    /// All of them.
    pub const ALL: [Answered; 5] = [Answered::Once, Answered::Answer, Answered::Always, Answered::No, Answered::Never];

    /// The spelling in the log, on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Answered::Once => "once",
            Answered::Answer => "answer",
            Answered::Always => "always",
            Answered::No => "no",
            Answered::Never => "never",
        }
    }

    pub(super) fn state(self) -> AskState {
        match self {
            Answered::Once | Answered::Answer | Answered::Always => AskState::Yes,
            Answered::No | Answered::Never => AskState::No,
        }
    }
}

impl AskState {
    const ALL: [AskState; 5] = [AskState::Waiting, AskState::Gone, AskState::Yes, AskState::No, AskState::Lost];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            AskState::Waiting => "waiting",
            AskState::Gone => "gone",
            AskState::Yes => "yes",
            AskState::No => "no",
            AskState::Lost => "lost",
        }
    }

    /// Whether an answer counts.
    pub fn is_open(self) -> bool {
        matches!(self, AskState::Waiting | AskState::Gone)
    }
}

/// Removes a group's oldest questions without an answer.
pub(super) fn forget_old(connection: &Connection, group: &GroupName) -> rusqlite::Result<usize> {
    let forget = "DELETE FROM asks WHERE group_name = ?1 AND state = 'lost' AND id <=
                  (SELECT id FROM asks WHERE group_name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    connection.execute(forget, params![group.as_str(), UNANSWERED_AT_MOST])
}

fn select(connection: &Connection, which: &str, by: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Ask>> {
    let sql = format!(
        "SELECT id, code, group_name, method, authority, path, credential, says, state, answer, how, asked_at,
                answered_at FROM asks WHERE {which}"
    );
    connection.prepare_cached(&sql)?.query_map(by, ask_from)?.collect()
}

fn ask_from(row: &Row<'_>) -> rusqlite::Result<Ask> {
    let unreadable = |column| rusqlite::Error::InvalidColumnType(column, "asks".into(), Type::Text);
    let (state, answer): (String, Option<String>) = (row.get(8)?, row.get(9)?);
    let known =
        |answer: String| Answered::ALL.into_iter().find(|known| known.as_str() == answer).ok_or_else(|| unreadable(9));
    Ok(Ask {
        id: asks::id_from(row)?,
        code: row.get(1)?,
        group: groups::group_name(row, 2)?,
        method: row.get(3)?,
        authority: row.get(4)?,
        path: row.get(5)?,
        credential: row.get(6)?,
        says: row.get(7)?,
        state: AskState::ALL.into_iter().find(|known| known.as_str() == state).ok_or_else(|| unreadable(8))?,
        answer: answer.map(known).transpose()?,
        how: row.get(10)?,
        asked_at: row.get(11)?,
        answered_at: row.get(12)?,
    })
}
