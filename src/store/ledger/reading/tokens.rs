//! Model usage from the log: a request counts as what it reserved until it ends, and then as what its answer reported.
//! One that a dead daemon left open stays at its reservation.

use policies::GroupName;
use proxy::audit::Tokens;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use serde::Deserialize;

use super::AuditReader;
use super::entries::{Entry, to_row};
use crate::store::{Millis, StoreError};

/// One group's usage of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelUse {
    /// The group.
    pub group: String,
    /// Requests that used anything.
    pub requests: u64,
    /// Their total, under the model's name.
    pub tokens: Tokens,
}

/// Tokens as a line has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Used {
    model: Option<String>,
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    estimated: bool,
}

/// The change to a request's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum TokensRow {
    /// No row.
    #[default]
    Nothing,
    /// An existing row stays.
    Stored,
    Row(Used),
    /// An existing row is removed.
    Gone,
}

impl TokensRow {
    /// For a decision that reserves this much.
    pub(super) fn of(reserves: Option<Used>) -> Self {
        reserves.map_or(TokensRow::Nothing, TokensRow::Row)
    }

    /// Its request has ended with this usage.
    pub(super) fn end(&mut self, tokens: Option<Used>) {
        *self = match (tokens, &self) {
            (Some(used), _) => TokensRow::Row(used),
            (None, TokensRow::Stored | TokensRow::Gone) => TokensRow::Gone,
            (None, TokensRow::Nothing | TokensRow::Row(_)) => TokensRow::Nothing,
        };
    }

    pub(super) fn write(&self, index: &Connection, entry: &Entry) -> rusqlite::Result<()> {
        let seq = to_row(entry.seq);
        match self {
            TokensRow::Nothing | TokensRow::Stored => Ok(()),
            TokensRow::Gone => index.prepare_cached("DELETE FROM tokens WHERE seq = ?1")?.execute([seq]).map(drop),
            TokensRow::Row(used) => index
                .prepare_cached("INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
                .execute(params![
                    seq,
                    entry.at,
                    &*entry.names.group,
                    used.model.as_deref().unwrap_or_default(),
                    to_row(used.input),
                    to_row(used.cache_read),
                    to_row(used.cache_write),
                    to_row(used.output),
                    used.estimated
                ])
                .map(drop),
        }
    }
}

impl AuditReader {
    /// What models have used for a group, or for each, since a moment.
    pub fn tokens_since(&self, group: Option<&GroupName>, since: Millis) -> Result<Vec<ModelUse>, StoreError> {
        let sql = "SELECT group_name, model, count(*), sum(input), sum(cache_read), sum(cache_write), sum(output), \
                   max(estimated) FROM tokens WHERE at_ms >= ?1 AND (?2 = '' OR group_name = ?2) GROUP BY 1, 2 \
                   ORDER BY 1, 2";
        let of = group.map_or_else(String::new, ToString::to_string);
        self.rows(sql, vec![Value::Integer(since), Value::Text(of)], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let model: String = row.get(1)?;
            Ok(ModelUse {
                group: row.get(0)?,
                requests: number(2)?,
                tokens: Tokens {
                    model: Some(model).filter(|model| !model.is_empty()),
                    input: number(3)?,
                    cache_read: number(4)?,
                    cache_write: number(5)?,
                    output: number(6)?,
                    estimated: row.get(7)?,
                },
            })
        })
    }
}
