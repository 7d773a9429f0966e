//! Questions to the owner and their answers. A question is answered once: its row changes in the same transaction that
//! stores the answer's grant.

use policies::{GrantId, GroupName, SandboxId};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::grants::{self, NewGrant};
use super::{Millis, NewOutgoing, OutboxId, RunId, Store, StoreError, groups, outbox, runs};

/// The most unanswered questions of a group that are kept, so that a group that asks a lot does not fill the disk. A
/// reply to a removed one is recognised by its mark.
pub(super) const UNANSWERED_AT_MOST: u32 = 1000;

/// The number of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

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
    /// Stores a question whose request starts to wait.
    pub fn begin_ask(&self, new: &NewAsk<'_>) -> Result<AskId, StoreError> {
        self.write(|transaction| {
            let insert = "INSERT INTO asks (code, group_name, run, sandbox, method, authority, path, credential,
                                            exact, shape, says, state, asked_at)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'waiting', ?12)";
            let values = params![
                new.code,
                new.group.as_str(),
                new.run.map(runs::key),
                new.sandbox.as_str(),
                new.method,
                new.authority,
                new.path,
                new.credential,
                new.exact,
                new.shape,
                new.says,
                new.at
            ];
            transaction.execute(insert, values).map_err(|error| self.explain(&error))?;
            let forget = "DELETE FROM asks WHERE group_name = ?1 AND state = 'lost' AND id <=
                          (SELECT id FROM asks WHERE group_name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            let old = params![new.group.as_str(), UNANSWERED_AT_MOST];
            transaction.execute(forget, old).map_err(|error| self.explain(&error))?;
            Ok(AskId(transaction.last_insert_rowid().unsigned_abs()))
        })
    }

    /// Queues the message that puts these questions.
    pub fn put_asks(&self, to: &GroupName, new: &NewOutgoing, asks: &[AskId]) -> Result<OutboxId, StoreError> {
        self.write(|transaction| {
            let put = || -> rusqlite::Result<OutboxId> {
                let message = outbox::enqueue(transaction, to, None, new)?;
                let mut link = transaction.prepare_cached("INSERT INTO ask_messages (outbox, ask) VALUES (?1, ?2)")?;
                for ask in asks {
                    link.execute(params![outbox::key(message), key(*ask)])?;
                }
                Ok(message)
            };
            put().map_err(|error| self.explain(&error))
        })
    }

    /// The questions that a message put, by its id on the network. None if it put none, or if another text replaced it,
    /// since nobody has read them there.
    pub fn asks_of_message(&self, group: &GroupName, sent_as: &str) -> Result<Vec<Ask>, StoreError> {
        let of = "id IN (SELECT ask FROM ask_messages WHERE outbox IN
                         (SELECT id FROM outbox WHERE group_name = ?1 AND sent_as = ?2 AND instead IS NULL)) ORDER BY id";
        self.read(|connection| select(connection, of, &[&group.as_str(), &sent_as]))
    }

    /// The questions that a message of ours puts.
    pub fn asks_put_by(&self, message: OutboxId) -> Result<Vec<Ask>, StoreError> {
        let of = "id IN (SELECT ask FROM ask_messages WHERE outbox = ?1) ORDER BY id";
        self.read(|connection| select(connection, of, &[&outbox::key(message)]))
    }

    /// The question with this code.
    pub fn ask_of_code(&self, code: &str) -> Result<Option<Ask>, StoreError> {
        Ok(self.read(|connection| select(connection, "code = ?1", &[&code]))?.pop())
    }

    /// One question.
    pub fn ask(&self, ask: AskId) -> Result<Option<Ask>, StoreError> {
        Ok(self.read(|connection| select(connection, "id = ?1", &[&key(ask)]))?.pop())
    }

    /// The questions that can be answered, oldest first.
    pub fn open_asks(&self) -> Result<Vec<Ask>, StoreError> {
        self.read(|connection| select(connection, "state IN ('waiting', 'gone') ORDER BY id", &[]))
    }

    /// Answers a question and stores the resulting grant. `None`: somebody was faster, or it has expired, and nothing
    /// changed.
    pub fn answer_ask(
        &self,
        ask: AskId,
        answer: Answered,
        how: &str,
        at: Millis,
        grant: Option<&NewGrant<'_>>,
    ) -> Result<Option<Option<GrantId>>, StoreError> {
        self.write(|transaction| {
            let update = "UPDATE asks SET state = ?2, answer = ?3, how = ?4, answered_at = ?5
                          WHERE id = ?1 AND state IN ('waiting', 'gone')";
            let settle = || -> rusqlite::Result<Option<Option<GrantId>>> {
                let values = params![key(ask), answer.state().as_str(), answer.as_str(), how, at];
                if transaction.execute(update, values)? == 0 {
                    return Ok(None);
                }
                grant.map(|grant| grants::insert(transaction, ask, at, grant)).transpose().map(Some)
            };
            settle().map_err(|error| self.explain(&error))
        })
    }

    /// A question's request waits no longer, or it expired; or it waits again, perhaps under a new policy. `false`: it
    /// was answered, or removed with its group.
    pub fn leave_ask(&self, ask: AskId, state: AskState) -> Result<bool, StoreError> {
        let update = "UPDATE asks SET state = ?2
                      WHERE id = ?1 AND state IN ('waiting', 'gone', iif(?2 = 'waiting', 'lost', 'gone'))";
        self.write(|transaction| {
            let changed = transaction.execute(update, params![key(ask), state.as_str()]);
            changed.map(|changed| changed == 1).map_err(|error| self.explain(&error))
        })
    }

    /// The daemon starts: earlier questions and grants no longer count. Returns how many questions were open.
    pub fn lose_asks(&self) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let lose = || {
                grants::end_all(transaction, "Doorward was started anew")?;
                transaction.execute("UPDATE asks SET state = 'lost' WHERE state IN ('waiting', 'gone')", [])
            };
            lose().map_err(|error| self.explain(&error))
        })
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

    fn state(self) -> AskState {
        match self {
            Answered::Once | Answered::Answer | Answered::Always => AskState::Yes,
            Answered::No | Answered::Never => AskState::No,
        }
    }
}

impl AskState {
    const ALL: [AskState; 5] = [AskState::Waiting, AskState::Gone, AskState::Yes, AskState::No, AskState::Lost];

    fn as_str(self) -> &'static str {
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

pub(super) fn key(ask: AskId) -> i64 {
    i64::try_from(ask.0).unwrap_or(i64::MAX)
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
        id: AskId(row.get::<_, i64>(0)?.unsigned_abs()),
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
