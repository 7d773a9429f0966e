//! Groups: registered chats.

use policies::GroupName;
use rusqlite::{OptionalExtension, Row, params};

use super::{Millis, Store, StoreError, now};

/// A registered chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// `terminal`, `whatsapp`, …
    pub channel: String,
    /// The channel's id of the chat.
    pub chat: String,
    /// Whether the owner administers Doorward here.
    pub is_main: bool,
    /// When it was registered.
    pub created_at: Millis,
}

/// A group to register.
#[derive(Clone, Copy, Debug)]
pub struct NewGroup<'a> {
    /// Its name.
    pub name: &'a GroupName,
    /// `terminal`, `whatsapp`, …
    pub channel: &'a str,
    /// The channel's id of the chat.
    pub chat: &'a str,
    /// Whether the owner administers Doorward here; there is only one such group.
    pub is_main: bool,
}

/// What the owner writes in a chat for every group. A name is lower-case ASCII, so only some of these could be one.
pub const EVERY_GROUP: [&str; 6] = ["all", "--all", "everything", "alle", "alles", "الكل"];

/// Whether a name has a meaning of its own, so that no group can have it.
pub fn is_reserved(name: &GroupName) -> bool {
    name.as_str() == BASE || EVERY_GROUP.contains(&name.as_str())
}

const BASE: &str = "base";

/// Why a group was not registered.
#[derive(Debug, thiserror::Error)]
pub enum AddGroupError {
    /// `policies/base.toml` is not a group's file.
    #[error("no group can be called \"base\": policies/base.toml holds the denials that apply to all")]
    Reserved,
    /// `lock all` must not mean one group.
    #[error("no group can be called \"{0}\": `lock {0}` in the owner's chat means every group; choose another name")]
    EveryGroup(GroupName),
    /// The name is in use.
    #[error("there is a group {0} already; choose another name, or remove it first with `doorward group remove {0}`")]
    NameTaken(GroupName),
    /// The chat belongs to another group.
    #[error("this chat is the group {0} already; a chat is one group")]
    ChatTaken(GroupName),
    /// There is a main group already.
    #[error(
        "the main group is {main} already, and there is one at a time; add {new} without --main, then \
         `doorward group set {new} main` makes it the main group in the place of {main}"
    )]
    MainTaken {
        /// The present one.
        main: GroupName,
        /// The new one.
        new: GroupName,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The main group, if there is one.
    pub fn main_group(&self) -> Result<Option<Group>, StoreError> {
        Ok(self.groups()?.into_iter().find(|group| group.is_main))
    }

    /// Registers a chat.
    pub fn add_group(&self, new: &NewGroup<'_>) -> Result<Group, AddGroupError> {
        if is_reserved(new.name) {
            let is_base = new.name.as_str() == BASE;
            return Err(if is_base { AddGroupError::Reserved } else { AddGroupError::EveryGroup(new.name.clone()) });
        }
        self.write(|transaction| {
            let find = |what: &str, by: &[&dyn rusqlite::ToSql]| {
                let sql = format!("{SELECT} WHERE {what}");
                transaction.query_row(&sql, by, group_from).optional().map_err(|error| self.explain(&error))
            };
            if let Some(group) = find("name = ?1", &[&new.name.as_str()])? {
                return Err(AddGroupError::NameTaken(group.name));
            }
            if let Some(group) = find("channel = ?1 AND chat = ?2", &[&new.channel, &new.chat])? {
                return Err(AddGroupError::ChatTaken(group.name));
            }
            if let Some(group) = find("is_main AND ?1", &[&new.is_main])? {
                return Err(AddGroupError::MainTaken { main: group.name, new: new.name.clone() });
            }
            let group = Group {
                name: new.name.clone(),
                channel: new.channel.to_owned(),
                chat: new.chat.to_owned(),
                is_main: new.is_main,
                created_at: now(),
            };
            // groups/NAME.toml names the agent; the column is older.
            let insert =
                "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES (?1, ?2, ?3, '', ?4, ?5)";
            let values = params![group.name.as_str(), group.channel, group.chat, group.is_main, group.created_at];
            transaction.execute(insert, values).map_err(|error| self.explain(&error))?;
            Ok(group)
        })
    }

    /// Removes a group with its messages, runs and outgoing messages. Its folder stays for the owner to delete. `None`:
    /// there was no such group.
    pub fn remove_group(&self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        let removed = self.write(|transaction| {
            let sql = format!("DELETE FROM groups WHERE name = ?1 RETURNING {COLUMNS}");
            transaction.query_row(&sql, [name.as_str()], group_from).optional().map_err(|error| self.explain(&error))
        });
        // The write-ahead log still holds the deleted text. Readers can delay this; then the next removal or the last
        // close of the file does it.
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.read(|connection| connection.query_row(truncate, [], |_| Ok(())))?;
        removed
    }

    /// Makes a group the main group instead of the present one. Returns whether it exists.
    pub fn set_main(&self, name: &GroupName) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| self.explain(&error);
            let find = "SELECT 1 FROM groups WHERE name = ?1";
            let found = transaction.query_row(find, [name.as_str()], |_| Ok(())).optional().map_err(explain)?;
            if found.is_none() {
                return Ok(false);
            }
            transaction.execute("UPDATE groups SET is_main = 0 WHERE is_main", []).map_err(explain)?;
            transaction.execute("UPDATE groups SET is_main = 1 WHERE name = ?1", [name.as_str()]).map_err(explain)?;
            Ok(true)
        })
    }

    /// All groups by name, the main group first.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} ORDER BY is_main DESC, name"))?;
            select.query_map([], group_from)?.collect()
        })
    }

    /// One group.
    pub fn group(&self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?;
            select.query_row([name.as_str()], group_from).optional()
        })
    }

    /// The agent's session, to resume in the next sandbox.
    pub fn session(&self, name: &GroupName) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT session FROM groups WHERE name = ?1")?;
            select.query_row([name.as_str()], |row| row.get(0)).optional().map(Option::flatten)
        })
    }

    /// Stores the agent's session, or removes it. Returns whether that changed anything.
    pub fn set_session(&self, name: &GroupName, session: Option<&str>) -> Result<bool, StoreError> {
        let update = "UPDATE groups SET session = ?2 WHERE name = ?1 AND session IS NOT ?2";
        let changed = self.write(|transaction| {
            transaction.execute(update, params![name.as_str(), session]).map_err(|error| self.explain(&error))
        })?;
        Ok(changed == 1)
    }

    /// The group of a chat, if it has one.
    pub fn group_by_chat(&self, channel: &str, chat: &str) -> Result<Option<Group>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE channel = ?1 AND chat = ?2"))?;
            select.query_row([channel, chat], group_from).optional()
        })
    }
}

const COLUMNS: &str = "name, channel, chat, is_main, created_at";
const SELECT: &str = "SELECT name, channel, chat, is_main, created_at FROM groups";

fn group_from(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        name: group_name(row, 0)?,
        channel: row.get(1)?,
        chat: row.get(2)?,
        is_main: row.get(3)?,
        created_at: row.get(4)?,
    })
}

/// A group's name from a row.
pub(super) fn group_name(row: &Row<'_>, column: usize) -> rusqlite::Result<GroupName> {
    let text: String = row.get(column)?;
    GroupName::parse(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
}
