//! A log that cannot be written, for whatever reason, and how it comes back.

use super::*;

#[test]
fn a_full_disk_closes_the_door_and_passes() {
    let scene = Scene::new();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    lock(&scene.log.shared.writer).limit_pages(1);
    let mut big = denied();
    big.raw_target = Some("x".repeat(100_000));
    let error = scene.log.decided(&big).unwrap_err().to_string();
    assert!(error.contains("the audit log cannot be written: the disk is full"), "{error}");
    let mut large = outcome(None);
    large.why = Some("y".repeat(100_000));
    scene.log.ended(seq, &large).unwrap();
    assert_eq!(scene.log.entry(seq).unwrap().unwrap().outcome, None);
    lock(&scene.log.shared.writer).limit_pages(1_000_000);
    scene.log.decided(&big).unwrap();
    let entry = scene.log.entry(seq).unwrap().unwrap();
    assert_eq!(entry.outcome.unwrap().why.unwrap().len(), 100_000, "the outcome that waited was written first");
    assert_eq!(scene.verified().unwrap().records, 4);
}

#[test]
fn a_locked_log_closes_the_door_and_passes() {
    let scene = Scene::new();
    let other = Connection::open(scene.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = scene.log.decided(&denied()).unwrap_err().to_string();
    assert!(error.contains("locked by another program"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    scene.log.decided(&denied()).unwrap();
}

#[test]
fn a_removed_log_closes_the_door_until_it_is_back() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    let aside = scene.dir.path().join("aside.db");
    std::fs::rename(scene.path(), &aside).unwrap();
    let error = scene.log.decided(&denied()).unwrap_err().to_string();
    assert!(error.contains("is gone") && error.contains("put it back"), "{error}");
    scene.log.decided(&denied()).unwrap_err();
    assert!(!scene.path().exists(), "a log is not begun anew behind its owner's back");
    std::fs::rename(&aside, scene.path()).unwrap();
    scene.log.decided(&denied()).unwrap();
    assert_eq!(scene.verified().unwrap().records, 3);
    assert_eq!(scene.all().len(), 2);
}

/// What is written goes there first: without it SQLite writes into nowhere.
#[test]
fn a_write_ahead_log_that_was_removed_closes_the_door_too() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    let wal = scene.dir.path().join("audit.db-wal");
    std::fs::rename(&wal, scene.dir.path().join("aside-wal")).unwrap();
    let went_on = scene.log.decided(&denied()).is_ok();
    // Unless all of it had been copied into the database in this very moment.
    let there = AuditReader::open(&scene.path()).and_then(|reader| reader.last()).map(|last| last.0);
    assert_eq!(went_on, matches!(there, Ok(3)), "{there:?}");
}

#[test]
fn another_file_in_its_place_is_not_the_log() {
    let scene = Scene::new();
    let older = scene.dir.path().join("older.db");
    let backup = format!("VACUUM INTO '{}'", older.display());
    Connection::open(scene.path()).unwrap().execute_batch(&backup).unwrap();
    scene.log.decided(&denied()).unwrap();
    std::fs::remove_file(scene.path()).unwrap();
    let refused = || {
        let error = scene.log.decided(&denied()).unwrap_err().to_string();
        assert!(error.contains("removed or replaced"), "{error}");
    };
    std::fs::write(scene.path(), "").unwrap();
    refused();
    std::fs::rename(&older, scene.path()).unwrap();
    refused();
}

#[test]
fn outcomes_that_were_lost_are_counted_in_the_log() {
    let scene = Scene::new();
    lock(&scene.log.shared.writer).lose(3);
    scene.log.decided(&denied()).unwrap();
    let connection = Connection::open(scene.path()).unwrap();
    let record: String = connection.query_row("SELECT record FROM events WHERE seq = 2", [], |row| row.get(0)).unwrap();
    assert!(record.contains("3 outcomes or counts were lost"), "{record}");
}
