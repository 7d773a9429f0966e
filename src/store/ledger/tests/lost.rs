//! A log that cannot be written, for any reason, and how it recovers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// A file that cannot grow is like a full disk, in the middle of a line too. The limit is per process, so the test
/// starts itself as a child that ignores the signal.
#[test]
#[expect(clippy::disallowed_methods, reason = "a limit on a file's size is a process's, so it has one of its own")]
fn a_full_disk_closes_the_door_and_passes() {
    if let Some(path) = std::env::var_os("DOORWARD_TEST_FULL") {
        return fills_its_disk(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "store::ledger::tests::lost::a_full_disk_closes_the_door_and_passes";
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\""]).arg(std::env::current_exe().unwrap()).arg(name);
    let done = child.env("DOORWARD_TEST_FULL", dir.path().join("audit")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
}

fn fills_its_disk(path: &Path) {
    let log = AuditLog::open(path).unwrap();
    let seq = log.decided(&allowed("GET")).unwrap();
    // The index can still be written: it is smaller than the limit.
    log.entry(seq).unwrap();
    let length = || std::fs::metadata(newest(path)).unwrap().len();
    let limit = getrlimit(Resource::Fsize);
    let full = |bytes| setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), ..limit }).unwrap();
    for room in [0, 1, 200] {
        let before = length();
        full(before + room);
        let error = log.decided(&allowed("GET")).unwrap_err().to_string();
        assert!(error.contains("the audit log cannot be written: the disk is full"), "{error}");
        assert_eq!(length(), before, "what was written in part is taken back");
        full(1 << 30);
    }
    full(length());
    let long = Outcome { why: Some("y".repeat(100_000)), ..outcome(None) };
    log.ended(seq, &long).unwrap();
    assert!(log.decided(&allowed("GET")).is_err());
    full(1 << 30);
    log.decided(&allowed("GET")).unwrap();
    let entry = log.entry(seq).unwrap().unwrap();
    assert_eq!(entry.outcome.unwrap().why.unwrap().len(), 100_000, "the outcome that waited was written first");
    assert_eq!(verify(path, None).unwrap().records, FIRST + 3);
}

#[test]
fn a_removed_log_closes_the_door_until_it_is_back() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    for removed in [scene.newest(), scene.path()] {
        let aside = scene.dir.path().join("aside");
        std::fs::rename(&removed, &aside).unwrap();
        let error = scene.log.decided(&denied()).unwrap_err().to_string();
        assert!(error.contains("is gone") && error.contains("put it back"), "{error}");
        scene.log.decided(&denied()).unwrap_err();
        assert!(!removed.exists(), "a log is not begun anew behind its owner's back");
        std::fs::rename(&aside, &removed).unwrap();
        scene.log.decided(&denied()).unwrap();
    }
    assert_eq!(scene.verified().records, FIRST + 3);
    assert_eq!(scene.all().len(), 3);
}

#[test]
fn another_file_in_its_place_is_not_the_log() {
    let scene = Scene::new();
    let (file, older) = (scene.newest(), scene.dir.path().join("older"));
    std::fs::copy(&file, &older).unwrap();
    scene.log.decided(&denied()).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let refused = || {
        let error = scene.log.decided(&denied()).unwrap_err().to_string();
        assert!(error.contains("removed or replaced"), "{error}");
    };
    // Emptied, cut, or with something after its end.
    for text in [&[][..], &whole[..whole.len() - 1], &[&whole[..], b"{}\n"].concat()] {
        std::fs::write(&file, text).unwrap();
        refused();
    }
    std::fs::write(&file, &whole).unwrap();
    scene.log.decided(&denied()).unwrap();
    std::fs::rename(&older, &file).unwrap();
    refused();
}

#[test]
fn outcomes_that_were_lost_are_counted_in_the_log() {
    let scene = Scene::new();
    scene.log.shared.lost.store(3, Ordering::Release);
    scene.log.decided(&denied()).unwrap();
    let text = std::fs::read_to_string(scene.newest()).unwrap();
    assert!(text.lines().nth(3).unwrap().contains("3 outcomes or counts were lost"), "{text}");
}

/// The remains of a line after a power cut are reported.
#[test]
fn a_torn_end_is_put_aside_and_told() {
    let Scene { dir, log } = Scene::new();
    let path = dir.path().join("audit");
    log.decided(&allowed("GET")).unwrap();
    drop(log);
    let mut file = std::fs::OpenOptions::new().append(true).open(newest(&path)).unwrap();
    file.write_all(b"{\"seq\":5,\"at\":\"20").unwrap();
    let log = AuditLog::open(&path).unwrap();
    let told = log.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap().pop().unwrap();
    assert_eq!(told.event.as_ref().unwrap().what, "torn_end");
    assert!(told.why().unwrap().contains("behind record 4 stood 17 bytes"), "{told:?}");
    assert!(path.join("torn-000000000004-1").exists());
    assert_eq!(verify(&path, None).unwrap().torn, 0);
}

/// An altered line is no torn end, but looks like one if no checkpoint follows: that is an alarm.
#[test]
fn whole_records_behind_one_that_was_changed_are_an_alarm() {
    let Scene { dir, log } = Scene::new();
    let path = dir.path().join("audit");
    for method in ["GET", "PUT", "GET"] {
        log.decided(&allowed(method)).unwrap();
    }
    drop(log);
    let file = newest(&path);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"PUT\"", "\"GET\"")).unwrap();
    let log = AuditLog::open(&path).unwrap();
    let told = log.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap().pop().unwrap();
    let event = told.event.as_ref().unwrap();
    assert_eq!((&*event.what, told.is_alarm()), ("torn_end", true));
    assert!(told.why().unwrap().contains("was not as it was written, and the 2 whole records behind it"), "{told:?}");
    let aside = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.into_iter().find(|path| path.to_string_lossy().contains("torn-")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(aside).unwrap().permissions()) & 0o777,
        0o600
    );
}
