//! A database next to another one's write-ahead log, and how that is detected.

use rusqlite::Connection;

use super::*;

/// A database with many rows, the last of them only in its write-ahead log, as a killed daemon leaves it, and a good
/// earlier copy of it.
struct Killed {
    dir: tempfile::TempDir,
}

impl Killed {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, record TEXT)").unwrap();
        let fill = |from: u32, to: u32| {
            connection.execute_batch("BEGIN").unwrap();
            for seq in from..to {
                connection
                    .execute("INSERT INTO events VALUES (?1, ?2)", rusqlite::params![seq, "x".repeat(400)])
                    .unwrap();
            }
            connection.execute_batch("COMMIT").unwrap();
        };
        let put_away = || connection.execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
        fill(0, 200);
        put_away();
        std::fs::copy(&path, dir.path().join("older")).unwrap();
        for round in 1..3 {
            fill(round * 1000, round * 1000 + 1000);
            put_away();
        }
        fill(5000, 5050);
        for suffix in ["", "-wal"] {
            let from = dir.path().join(format!("{name}{suffix}"));
            std::fs::copy(&from, dir.path().join(format!("left{suffix}"))).unwrap();
        }
        drop(connection);
        Killed { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn an_older_copy_beside_a_newer_log_is_refused_and_neither_is_changed() {
    let killed = Killed::new("doorward.db");
    assert!(place::goes_with_its_wal(&killed.path("left")).is_ok(), "what a killed daemon leaves is whole");
    std::fs::copy(killed.path("older"), killed.path("left")).unwrap();
    let files = || ["left", "left-wal"].map(|name| std::fs::read(killed.path(name)).unwrap());
    let before = files();
    let refused = place::goes_with_its_wal(&killed.path("left")).unwrap_err();
    assert!(matches!(refused, StoreError::OtherWal { .. }) && !refused.may_pass(), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("left-wal") && words.contains("older copy") && words.contains("move"), "{words}");
    assert!(files() == before, "to look changes nothing");
    // By itself the copy is fine; so is one next to an empty log.
    std::fs::write(killed.path("left-wal"), "").unwrap();
    assert!(place::goes_with_its_wal(&killed.path("left")).is_ok());
    std::fs::remove_file(killed.path("left-wal")).unwrap();
    assert!(place::goes_with_its_wal(&killed.path("left")).is_ok());
    assert!(place::goes_with_its_wal(&killed.path("none")).is_ok());
}

#[test]
fn no_database_is_served_with_anothers_log() {
    let killed = Killed::new("doorward.db");
    let path = killed.path("doorward.db");
    std::fs::copy(killed.path("older"), &path).unwrap();
    std::fs::copy(killed.path("left-wal"), beside(&path)).unwrap();
    let refused = Store::serve(&path).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::OtherWal { .. }), "{refused}");
    assert!(beside(&path).exists(), "its log is still there to be put right");
}

/// A truncated file: reported when a daemon starts, not when a message arrives.
#[test]
fn a_store_that_was_cut_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let store = Store::open(&path).unwrap();
    for group in 0..300 {
        let name = GroupName::parse(&format!("g{group}")).unwrap();
        store.add_group(&NewGroup { name: &name, channel: "terminal", chat: name.as_str(), is_main: false }).unwrap();
    }
    assert_eq!(store.quick_check().unwrap(), None);
    drop(store);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let refused = Store::serve(&path).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

/// A large one is served at once, and checked in the background.
#[test]
fn a_large_store_that_is_damaged_is_told() {
    use std::os::unix::fs::FileExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    drop(Store::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE large AS SELECT zeroblob(80000000) AS bytes").unwrap();
    drop(connection);
    assert!(look_through(&path).is_ok());
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4096], 40 << 20).unwrap();
    assert!(Store::serve(&path).is_ok());
    let told = look_through(&path).unwrap_err();
    assert!(told.to_string().contains("doorward.db"), "{told}");
}

fn beside(path: &std::path::Path) -> PathBuf {
    place::wal_of(path)
}
