//! Which parts of a home are in a backup.

use crate::store;

/// How a name in the data folder is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A file, or a folder that only the owner writes.
    Plain,
    /// A folder that an agent may change meanwhile.
    Agents,
    /// An SQLite database.
    Database,
    /// The audit log.
    Log,
    /// Included only with secrets; so is anything unknown.
    Secret,
    /// Bound to this machine or moment, or rebuilt.
    Left,
}

/// The names in the data folder. `audit.key` opens nothing: it signs the log, which could not continue as the same log
/// without it.
const DATA: &[(&str, Way)] = &[
    ("absence.json", Way::Left),
    ("agents", Way::Agents),
    ("audit", Way::Log),
    ("audit.db", Way::Database),
    ("audit.key", Way::Plain),
    ("ballast", Way::Left),
    ("channels", Way::Secret),
    ("chat-history", Way::Plain),
    ("doorward.db", Way::Database),
    ("doorward.lock", Way::Left),
    ("drill.json", Way::Plain),
    ("edit.lock", Way::Left),
    ("etags.key", Way::Left),
    ("global", Way::Plain),
    ("groups", Way::Agents),
    ("inbox", Way::Agents),
    ("installation-id", Way::Left),
    ("installation-lock", Way::Left),
    ("installation-of", Way::Left),
    ("lock.json", Way::Plain),
    ("log", Way::Left),
    ("presets", Way::Plain),
    ("received", Way::Plain),
    ("run", Way::Left),
    ("set-aside", Way::Plain),
    ("skills", Way::Plain),
    ("version", Way::Plain),
];

/// The parts of the configuration that can hold no secret; besides them, the files that `[upstream]` names.
pub(super) const SETTINGS: [&str; 5] = ["doorward.toml", "policies", "groups", "skills", "images"];

/// How a name in the data folder is treated.
pub(super) fn way(name: &str) -> Way {
    // A database's companion files are in its copy; the index is derived from the log.
    if store::is_beside_a_database(name) || name.starts_with("audit-index") {
        return Way::Left;
    }
    DATA.iter().find(|(known, _)| *known == name).map_or(Way::Secret, |(_, way)| *way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_taken_for_a_secret() {
        assert_eq!(["tokens", "channels", "doorward.db.old"].map(way), [Way::Secret; 3]);
        assert_eq!(["run", "doorward.db-wal", "audit-index.db", "audit-index.db-shm"].map(way), [Way::Left; 4]);
        assert_eq!(["doorward.db.schema-4", "log"].map(way), [Way::Left; 2]);
        assert_eq!((way("doorward.db"), way("groups")), (Way::Database, Way::Agents));
    }
}
