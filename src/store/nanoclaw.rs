//! The database of NanoClaw 1 (`store/messages.db`), opened read-only.
//!
//! Its columns were added over time, so each table is asked for its columns; a missing one has its earlier meaning.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row};

use super::{Millis, StoreError};

/// The open database.
#[derive(Debug)]
pub struct NanoClaw {
    path: PathBuf,
    connection: Connection,
}

/// A registered chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The chat's id.
    pub jid: String,
    /// Its name for people.
    pub name: String,
    /// Its folder below `groups/`.
    pub folder: String,
    /// What calls the assistant there, `@Andy`; NanoClaw took it as a word, not as a pattern.
    pub trigger: String,
    /// Whether only messages that call are answered.
    pub requires_trigger: bool,
    /// Whether it is the owner's.
    pub is_main: bool,
    /// JSON, with its mounts.
    pub container_config: Option<String>,
}

/// A message in a chat, other than the assistant's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The network's id.
    pub id: String,
    /// The sender's id.
    pub sender: String,
    /// The sender's name.
    pub sender_name: String,
    /// The text.
    pub text: String,
    /// The time; `None` if it cannot be read.
    pub at: Option<Millis>,
}

/// A scheduled task that is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The folder of its group.
    pub folder: String,
    /// The prompt.
    pub prompt: String,
    /// `cron`, `interval` or `once`.
    pub kind: String,
    /// A cron line, milliseconds, or a local time.
    pub value: String,
    /// `group` or `isolated`.
    pub context: String,
    /// The chat that got its answers.
    pub chat: String,
    /// A script that decided whether there was anything to do.
    pub script: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
}

impl NanoClaw {
    /// Opens the database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::sqlite(path, &error))?;
        Ok(NanoClaw { path: path.to_owned(), connection })
    }

    /// The registered chats.
    pub fn registered(&self) -> Result<Vec<Registered>, StoreError> {
        let config = self.column("registered_groups", "container_config", "NULL")?;
        let requires = self.column("registered_groups", "requires_trigger", "1")?;
        let main = self.column("registered_groups", "is_main", "0")?;
        let sql = format!(
            "SELECT jid, name, folder, coalesce(trigger_pattern, ''), coalesce({requires}, 1) <> 0, coalesce({main}, 0) <> 0 OR folder = 'main', {config}
             FROM registered_groups ORDER BY folder"
        );
        self.all(&sql, &[], |row| {
            Ok(Registered {
                jid: row.get(0)?,
                name: row.get(1)?,
                folder: row.get(2)?,
                trigger: row.get(3)?,
                requires_trigger: row.get(4)?,
                is_main: row.get(5)?,
                container_config: row.get(6)?,
            })
        })
    }

    /// The messages in a chat, in order. `assistant` is its name, by which its own are recognised in older rows.
    pub fn messages(&self, jid: &str, assistant: &str) -> Result<Vec<Said>, StoreError> {
        let of_the_assistant = match self.has("messages", "is_bot_message")? {
            true => "coalesce(is_bot_message, 0) <> 0",
            false => "is_from_me <> 0 AND substr(content, 1, length(?2)) = ?2",
        };
        let sql = format!(
            "SELECT id, coalesce(sender, ''), coalesce(sender_name, ''), content, timestamp FROM messages
             WHERE chat_jid = ?1 AND ?2 IS NOT NULL AND coalesce(content, '') <> '' AND NOT ({of_the_assistant})
             ORDER BY timestamp, rowid"
        );
        let own = format!("{assistant}:");
        self.all(&sql, &[&jid, &own], |row| {
            let at: String = row.get(4)?;
            Ok(Said {
                id: row.get(0)?,
                sender: row.get(1)?,
                sender_name: row.get(2)?,
                text: row.get(3)?,
                at: at.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
            })
        })
    }

    /// The tasks still to come.
    pub fn tasks(&self) -> Result<Vec<Scheduled>, StoreError> {
        let context = self.column("scheduled_tasks", "context_mode", "'isolated'")?;
        let script = self.column("scheduled_tasks", "script", "NULL")?;
        let sql = format!(
            "SELECT group_folder, prompt, schedule_type, schedule_value, {context}, chat_jid, {script}, status = 'paused'
             FROM scheduled_tasks WHERE status IN ('active', 'paused') ORDER BY created_at, id"
        );
        self.all(&sql, &[], |row| {
            Ok(Scheduled {
                folder: row.get(0)?,
                prompt: row.get(1)?,
                kind: row.get(2)?,
                value: row.get(3)?,
                context: row.get(4)?,
                chat: row.get(5)?,
                script: row.get(6)?,
                paused: row.get(7)?,
            })
        })
    }

    /// A column, or its substitute in a database from before it.
    fn column(&self, table: &str, name: &'static str, otherwise: &'static str) -> Result<&'static str, StoreError> {
        Ok(if self.has(table, name)? { name } else { otherwise })
    }

    fn has(&self, table: &str, column: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        let found = self.connection.prepare(sql).and_then(|mut select| select.exists([table, column]));
        found.map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    fn all<T>(
        &self,
        sql: &str,
        by: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.connection.prepare(sql).and_then(|mut select| select.query_map(by, read)?.collect());
        rows.map_err(|error| StoreError::sqlite(&self.path, &error))
    }
}
