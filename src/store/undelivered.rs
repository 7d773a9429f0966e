//! Undelivered texts, for the owner to read after all.

use policies::GroupName;
use rusqlite::{Row, params};
use serde::Serialize;

use super::{Millis, Store, StoreError, groups};

/// A text that its chat did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undelivered {
    /// Its number in the outbox.
    pub id: u64,
    /// The group.
    pub group: GroupName,
    /// When it was written.
    pub at: Millis,
    /// Why it was given up.
    pub why: String,
    /// Whether its chat was told about it.
    pub chat_was_told: bool,
    /// The text.
    pub text: String,
    /// The name of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Store {
    /// The undelivered texts of one group or of all, oldest first.
    pub fn undelivered(&self, group: Option<&GroupName>) -> Result<Vec<Undelivered>, StoreError> {
        self.read(|connection| {
            let select =
                "SELECT id, group_name, created_at, coalesce(error, ''), state = 'sent', text, name FROM outbox
                          LEFT JOIN outbox_files ON outbox_files.outbox = outbox.id
                          WHERE (instead IS NOT NULL OR state = 'failed') AND (text <> '' OR name IS NOT NULL)
                          AND (?1 IS NULL OR group_name = ?1) ORDER BY id";
            connection.prepare_cached(select)?.query_map(params![group.map(GroupName::as_str)], from)?.collect()
        })
    }
}

fn from(row: &Row<'_>) -> rusqlite::Result<Undelivered> {
    Ok(Undelivered {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        group: groups::group_name(row, 1)?,
        at: row.get(2)?,
        why: row.get(3)?,
        chat_was_told: row.get(4)?,
        text: row.get(5)?,
        file: row.get(6)?,
    })
}
