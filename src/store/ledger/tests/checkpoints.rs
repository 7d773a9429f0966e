//! Signed checkpoints, what is removed up to them, and that no tampering goes unnoticed.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::retention::{Retention, keep};
use super::*;
use crate::store::Millis;

const DAY: Millis = 24 * 3600 * 1000;

impl Scene {
    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// As if so many days had gone by: all but the last record are older than a day.
    fn after(&self, days: Millis, retention: Retention) -> Option<u64> {
        let pruned = keep(&self.connection(), &self.log.shared.key, &retention, now() + days * DAY).unwrap();
        pruned.map(|pruned| pruned.seq)
    }

    fn requests(&self, count: usize) {
        for _ in 0..count {
            self.log.decided(&allowed("GET")).unwrap();
        }
    }

    fn bad(&self) -> BadRecord {
        match self.verified() {
            Err(VerifyError::Bad(bad)) => bad,
            other => panic!("{other:?}"),
        }
    }
}

fn older_than(days: u64) -> Retention {
    Retention { age: Some(Duration::from_hours(24 * days)), size: None }
}

fn pruned_sql(scene: &Scene, sql: &str) {
    let drop = "DROP TRIGGER IF EXISTS checkpoints_update; DROP TRIGGER IF EXISTS checkpoints_delete;";
    scene.connection().execute_batch(drop).unwrap();
    scene.tamper(sql);
}

#[test]
fn what_had_its_time_goes_up_to_a_signed_checkpoint() {
    let scene = Scene::new();
    scene.requests(5);
    let head = scene.verified().unwrap().head;
    assert_eq!(scene.after(5, older_than(10)), None, "nothing is that old");
    assert_eq!(scene.verified().unwrap().checkpoints, 1, "a day has gone by");
    assert_eq!(scene.after(12, older_than(10)), Some(5), "the last record stays");
    scene.requests(3);
    let whole = scene.verified().unwrap();
    assert_eq!((whole.removed, whole.records, whole.checkpoints), (5, 4, 2));
    assert_eq!(scene.all().len(), 4);
    let ask = |head: &str| AuditReader::open(&scene.path()).unwrap().verify(Some(head)).unwrap().holds_head;
    assert_eq!((ask(&head), ask(&whole.head)), (Some(true), Some(true)));
    // And a daemon that starts anew goes on.
    let path = scene.path();
    let Scene { dir, log } = scene;
    drop(log);
    let log = AuditLog::open(&path).unwrap();
    log.decided(&denied()).unwrap();
    assert_eq!(AuditReader::open(&path).unwrap().verify(None).unwrap().records, 6);
    drop(dir);
}

#[test]
fn what_is_too_much_goes_but_never_the_last_day() {
    let scene = Scene::new();
    scene.requests(300);
    let small = Retention { age: None, size: Some(100_000) };
    assert_eq!(scene.after(0, small), None, "the day's budgets are counted from it");
    let removed = scene.after(2, small).unwrap();
    assert!((30..300).contains(&removed), "{removed}");
    assert_eq!(scene.verified().unwrap().records, 301 - removed);
}

/// Attack L07: old records go up to a checkpoint and no further.
#[test]
fn only_what_a_checkpoint_covers_can_be_removed() {
    let scene = Scene::new();
    scene.requests(5);
    scene.after(12, older_than(10));
    scene.requests(1);
    for sql in ["DELETE FROM events", "DELETE FROM checkpoints", "UPDATE checkpoints SET seq = 7"] {
        let error = scene.connection().execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}

#[test]
fn a_checkpoint_that_is_not_ours_is_found() {
    for (sql, what) in [
        ("UPDATE checkpoints SET seq = 6 WHERE id = 2", "signature is wrong"),
        ("UPDATE checkpoints SET at_ms = 1 WHERE id = 1", "signature is wrong"),
        ("UPDATE checkpoints SET hash = zeroblob(32) WHERE id = 2", "signature is wrong"),
        ("UPDATE checkpoints SET pruned = 1 WHERE id = 1", "signature is wrong"),
        ("UPDATE checkpoints SET key = zeroblob(32) WHERE id = 1", "another key"),
        ("DELETE FROM checkpoints WHERE id = 1", "another one is missing"),
        ("DELETE FROM checkpoints WHERE id = 2", "is missing"),
        ("DELETE FROM checkpoints; DELETE FROM events WHERE seq <= 7", "is missing"),
        ("DELETE FROM events WHERE seq >= 6", "is missing"),
    ] {
        let scene = Scene::new();
        scene.requests(5);
        scene.after(2, Retention::default());
        scene.after(12, older_than(10));
        scene.requests(2);
        if sql.contains("seq >= 6") {
            scene.after(14, Retention::default());
        }
        scene.verified().unwrap();
        pruned_sql(&scene, sql);
        let bad = scene.bad();
        assert!(bad.what.contains(what), "{sql}: {bad}");
    }
}

/// Somebody who has the file but not the key writes another past, with a key of their own.
#[test]
fn a_past_that_was_written_anew_needs_the_key() {
    let (ours, theirs) = (Scene::new(), Scene::new());
    for scene in [&ours, &theirs] {
        scene.requests(3);
        scene.after(2, Retention::default());
    }
    drop(ours.log);
    std::fs::remove_file(ours.dir.path().join("audit.db")).unwrap();
    let copy = format!("VACUUM INTO '{}'", ours.dir.path().join("audit.db").display());
    theirs.connection().execute_batch(&copy).unwrap();
    let reader = AuditReader::open(&ours.dir.path().join("audit.db")).unwrap();
    let VerifyError::Bad(bad) = reader.verify(None).unwrap_err() else { panic!("it is not whole") };
    assert!(bad.what.contains("another key"), "{bad}");
}

#[test]
fn the_key_is_made_once_and_is_private() {
    let scene = Scene::new();
    let path = scene.dir.path().join("audit.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).unwrap();
    let again = AuditLog::open(&scene.path()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    drop(again);
    std::fs::write(&path, "no key").unwrap();
    let error = AuditLog::open(&scene.path()).unwrap_err().to_string();
    assert!(error.contains("audit.key: is no signing key; restore it"), "{error}");
}

/// One way to tamper with a record, and where it must be found at the latest.
fn tampering(how: u8, at: u64, last: u64) -> (String, u64) {
    let edit = |change: &str| (format!("UPDATE events SET {change} WHERE seq = {at}"), at);
    match how {
        0 => edit("record = record || ' '"),
        1 => edit("at_ms = at_ms - 1"),
        2 => edit("kind = iif(kind = 'notice', 'decision', 'notice')"),
        3 => edit("about = iif(about IS NULL, 1, NULL)"),
        4 => edit("hash = randomblob(32)"),
        5 => (format!("DELETE FROM events WHERE seq = {at}"), at),
        6 => (format!("DELETE FROM events WHERE seq >= {at}"), at),
        7 => (
            format!(
                "INSERT INTO events (seq, at_ms, kind, about, record, hash) \
                 SELECT {}, at_ms, kind, about, record, hash FROM events WHERE seq = {at}",
                last + 1
            ),
            last + 1,
        ),
        // Left out, and what follows moved up.
        8 => (format!("DELETE FROM events WHERE seq = {at}; UPDATE events SET seq = seq - 1 WHERE seq > {at}"), at),
        // Two in the wrong order; the last one has nobody to change places with.
        _ if at == last => edit("record = '{}'"),
        _ => (
            format!(
                "UPDATE events SET seq = -1 WHERE seq = {at}; UPDATE events SET seq = {at} WHERE seq = {at} + 1; \
                 UPDATE events SET seq = {at} + 1 WHERE seq = -1"
            ),
            at,
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to whichever record, `verify` with the last head finds it,
    /// and names the first bad record where one is left to name.
    #[test]
    fn no_tampering_goes_unnoticed(
        how in 0u8..10, place in 0.0f64..1.0, before in 0usize..8, after in 1usize..12, checkpoint in any::<bool>()
    ) {
        let scene = Scene::new();
        scene.requests(before);
        let pruned = scene.after(12, older_than(10)).unwrap_or(0);
        for _ in 0..after {
            let seq = scene.log.decided(&allowed("GET")).unwrap();
            scene.log.ended(seq, &outcome(None)).unwrap();
        }
        scene.all();
        if checkpoint {
            scene.after(14, Retention::default());
        }
        let whole = scene.verified().unwrap();
        let last = pruned + whole.records;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = (pruned + 1 + (place * whole.records as f64) as u64).min(last);
        let (sql, expected) = tampering(how, at, last);
        scene.tamper(&sql);
        match AuditReader::open(&scene.path()).unwrap().verify(Some(&whole.head)) {
            Err(VerifyError::Bad(bad)) => prop_assert_eq!(bad.seq, expected, "{}", sql),
            // A tail that is gone leaves no record to name.
            Ok(cut) => {
                prop_assert_eq!(cut.holds_head, Some(false), "{}", sql);
                prop_assert_eq!(cut.removed + cut.records, at - 1, "{}", sql);
            }
            Err(VerifyError::Store(error)) => panic!("{sql}: {error}"),
        }
    }
}
