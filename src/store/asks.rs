//! Questions to the owner and their answers. A question is answered once: its row changes in the same transaction that
//! stores the answer's grant.

use policies::{GrantId, GroupName};
use rusqlite::{OptionalExtension, Row, params};

use super::asked::{self, Answered, AskState, NewAsk};
use super::grants::{self, NewGrant};
use super::{Millis, NewOutgoing, OutboxId, Store, StoreError, outbox, runs};

/// The number of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

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
            asked::forget_old(transaction, new.group).map_err(|error| self.explain(&error))?;
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
    pub fn asks_of_message(&self, group: &GroupName, sent_as: &str) -> Result<Vec<AskId>, StoreError> {
        let of = "SELECT id FROM asks WHERE id IN (SELECT ask FROM ask_messages WHERE outbox IN
                         (SELECT id FROM outbox WHERE group_name = ?1 AND sent_as = ?2 AND instead IS NULL)) ORDER BY id";
        self.read(|connection| connection.prepare_cached(of)?.query_map([group.as_str(), sent_as], id_from)?.collect())
    }

    /// The question with this code.
    pub fn ask_of_code(&self, code: &str) -> Result<Option<AskId>, StoreError> {
        let of = "SELECT id FROM asks WHERE code = ?1";
        self.read(|connection| connection.prepare_cached(of)?.query_row([code], id_from).optional())
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
        self.leave_asks(&[ask], state).map(|changed| changed == 1)
    }

    /// The same for several, all at once. Returns how many were open.
    pub fn leave_asks(&self, asks: &[AskId], state: AskState) -> Result<usize, StoreError> {
        let update = "UPDATE asks SET state = ?2
                      WHERE id = ?1 AND state IN ('waiting', 'gone', iif(?2 = 'waiting', 'lost', 'gone'))";
        self.write(|transaction| {
            let mut each = asks.iter().map(|ask| transaction.execute(update, params![key(*ask), state.as_str()]));
            each.try_fold(0, |sum, changed| Ok(sum + changed?)).map_err(|error| self.explain(&error))
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

pub(super) fn key(ask: AskId) -> i64 {
    i64::try_from(ask.0).unwrap_or(i64::MAX)
}

pub(super) fn id_from(row: &Row<'_>) -> rusqlite::Result<AskId> {
    Ok(AskId(row.get::<_, i64>(0)?.unsigned_abs()))
}
