//! What reaches the disk, and when.

use super::*;
use crate::store::ledger::keeper::Alarms;

#[test]
fn a_disk_that_does_not_take_it_closes_the_door() {
    let scene = Scene::new();
    scene.is_not_taken();
    let error = scene.log.decided(&denied()).unwrap_err().to_string();
    assert!(error.contains("the disk does not take it"), "{error}");
    scene.log.shared.sync_now().unwrap();
    let mut alarm = denied();
    alarm.alarm = true;
    scene.log.decided(&alarm).unwrap();
    scene.is_not_taken();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(scene.log.decided_together(&allowed("GET"))).unwrap_err().to_string();
    assert!(error.contains("the disk does not take it"), "{error}");
}

/// A process without free descriptors, which a sandbox may cause, keeps its log: without it all doors would close. The
/// test starts itself as a child, since the limit is per process.
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
    child.args(["--exact", name]).env("DOORWARD_TEST_DESCRIPTORS", dir.path().join("audit"));
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
}

/// One at once, a flood together: no alarm waits for another's fsync.
#[test]
fn alarms_share_their_fsyncs() {
    let (mut alarms, now) = (Alarms::default(), Instant::now());
    assert!(alarms.comes(now) && !alarms.waited());
    assert!((0..1000).all(|_| !alarms.comes(now)), "seen to by the thread");
    assert!(alarms.waited() && !alarms.waited(), "once for all");
    assert!(alarms.comes(now + std::time::Duration::from_secs(1)), "a second later it is one again");
}

/// The thread writes waiting outcomes and syncs everything.
#[test]
fn a_tick_writes_what_waits() {
    let scene = Scene::new();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    scene.log.ended(seq, &outcome(None)).unwrap();
    scene.log.shared.tick();
    assert_eq!(verify(&scene.path(), None).unwrap().records, FIRST + 2);
    assert_eq!(scene.log.synced(), Seq(FIRST + 2));
}
