//! What reaches the disk, and when.

use super::*;
use crate::store::ledger::durable::{Alarms, KEPT, TOO_LONG, length, tick};

#[test]
fn a_disk_that_does_not_take_it_closes_the_door() {
    let scene = Scene::new();
    *lock(&scene.log.shared.unsynced) = Some("the disk does not take it".into());
    scene.log.shared.sync_failed.store(true, Ordering::Release);
    let error = scene.log.decided(&denied()).unwrap_err().to_string();
    assert!(error.contains("the disk does not take it"), "{error}");
    scene.log.shared.sync_now().unwrap();
    let mut alarm = denied();
    alarm.alarm = true;
    scene.log.decided(&alarm).unwrap();
}

/// A process without descriptors, as one sandbox may make it, keeps its log: all doors
/// would close without. The test starts itself as a child, for a limit is a process's.
#[test]
#[expect(clippy::disallowed_methods, reason = "a limit on descriptors is a process's, so it has one of its own")]
fn a_log_needs_no_more_descriptors_than_it_has() {
    if let Some(path) = std::env::var_os("DOORWARD_TEST_DESCRIPTORS") {
        let log = AuditLog::open(Path::new(&path)).unwrap();
        log.shared.sync_now().unwrap();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let few = rustix::process::Rlimit { current: Some(64), ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(!all.is_empty() && std::fs::File::open("/dev/null").is_err());
        log.decided(&Decision { alarm: true, ..denied() }).unwrap();
        log.shared.sync_now().unwrap();
        let seq = log.decided(&allowed("GET")).unwrap();
        log.ended(seq, &outcome(None)).unwrap();
        drop(all);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "store::ledger::tests::durable::a_log_needs_no_more_descriptors_than_it_has";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env("DOORWARD_TEST_DESCRIPTORS", dir.path().join("audit.db"));
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
}

/// One at once, a flood of them together: no alarm waits for another's disk.
#[test]
fn alarms_share_their_fsyncs() {
    let (mut alarms, now) = (Alarms::default(), Instant::now());
    assert!(alarms.comes(now) && !alarms.waited());
    assert!((0..1000).all(|_| !alarms.comes(now)), "seen to by the thread");
    assert!(alarms.waited() && !alarms.waited(), "once for all");
    assert!(alarms.comes(now + std::time::Duration::from_secs(1)), "a second later it is one again");
}

/// The thread writes what waits and empties the write-ahead log by itself.
#[test]
fn a_tick_writes_what_waits_and_checkpoints() {
    let scene = Scene::new();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    let event = scene.log.event("outcome", Some(seq), &outcome(None)).unwrap();
    lock(&scene.log.shared.writer).keep(event);
    let mut connection = None;
    tick(&scene.log.shared, &mut connection);
    assert_eq!(scene.log.entry(seq).unwrap().unwrap().ending, Ending::Ended);
    let (busy, pages, copied): (i64, i64, i64) = connection
        .unwrap()
        .1
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!((busy, pages), (0, copied));
}

/// The write-ahead log is emptied when nobody reads an older state, also where nothing more
/// is asked; where somebody does, that it grows is told.
#[test]
fn the_write_ahead_log_does_not_stay_long() {
    let scene = Scene::new();
    let (shared, mut connection) = (&scene.log.shared, None);
    let reader = Connection::open(scene.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let long = Decision { why: Some("x".repeat(60_000)), ..denied() };
    let fill =
        || lock(&shared.writer).append((0..250).map(|_| scene.log.event("decision", None, &long).unwrap())).unwrap();
    fill();
    shared.dirty.store(true, Ordering::Release);
    tick(shared, &mut connection);
    assert!(length(&scene.path()) > KEPT && !shared.long.load(Ordering::Acquire));
    (0..6).for_each(|_| assert!(fill() > Seq(0)));
    shared.dirty.store(true, Ordering::Release);
    // The log's own thread looks as well, and one of the two gives way.
    let mut comes_to = |long: bool, fits: fn(u64) -> bool| {
        (0..1000).any(|_| {
            tick(shared, &mut connection);
            fits(length(&scene.path())) && shared.long.load(Ordering::Acquire) == long
        })
    };
    assert!(comes_to(true, |bytes| bytes > TOO_LONG));
    reader.execute_batch("COMMIT").unwrap();
    // Nothing more was written.
    assert!(comes_to(false, |bytes| bytes <= KEPT));
    scene.log.decided(&denied()).unwrap();
    assert_eq!(scene.verified().unwrap().records, 2 + 7 * 250);
}
