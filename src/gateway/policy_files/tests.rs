#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::*;
use crate::store::ledger::{Events, Filter};

const BASE: &str = "[[deny]]\nhost = \"**.pastes.example\"\nwhy = \"never\"\n";
const ALLOW: &str = "[[allow]]\nhost = \"api.example.com\"\naccess = \"read\"\n";

struct Scene {
    _dir: tempfile::TempDir,
    home: Home,
    files: Arc<PolicyFiles>,
    family: GroupName,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let files = Arc::new(PolicyFiles::new(home.clone(), Arc::new(AuditLog::open(&home.audit_log()).unwrap())));
        Scene { _dir: dir, home, files, family: GroupName::parse("family").unwrap() }
    }

    fn write(&self, base: Option<&str>, family: &str) {
        match base {
            Some(text) => std::fs::write(self.home.base_policy_file(), text).unwrap(),
            None => std::fs::remove_file(self.home.base_policy_file()).unwrap(),
        }
        let file = self.home.policy_file(&self.family);
        std::fs::write(&file, family).unwrap();
        let base_is_whole = base.is_some_and(|base| !base.is_empty());
        let base = base_is_whole.then(|| self.home.base_policy_file());
        self.files.look(&[Some(file), base].into_iter().flatten().collect::<Vec<_>>());
    }

    fn in_force(&self) -> String {
        self.files.of(&self.family).load().hash().to_string()
    }
}

#[test]
fn a_base_that_is_away_takes_no_denial_with_it() {
    let scene = Scene::new();
    scene.write(Some(BASE), ALLOW);
    let with_base = scene.in_force();
    scene.write(None, ALLOW);
    assert_eq!(scene.in_force(), with_base, "an editor that saves by renaming removes it for an instant");
    scene.write(Some("[[deny]]\nhost = 1\n"), ALLOW);
    assert_eq!(scene.in_force(), with_base, "and what it writes then may not load");
    scene.write(Some(""), ALLOW);
    assert_eq!(scene.in_force(), with_base, "it may be about to be written");
    scene.files.look(&[scene.home.policy_file(&scene.family)]);
    assert_eq!(scene.in_force(), with_base, "that another file was saved says nothing about it");
    scene.files.look(&[scene.home.base_policy_file()]);
    assert_ne!(scene.in_force(), with_base, "the owner takes a denial back by saying so");
}

#[test]
fn a_policy_that_is_away_allows_nothing() {
    let scene = Scene::new();
    scene.write(Some(BASE), ALLOW);
    let allowed = scene.in_force();
    std::fs::remove_file(scene.home.policy_file(&scene.family)).unwrap();
    assert_ne!(scene.in_force(), allowed);
    scene.write(Some(BASE), ALLOW);
    assert_eq!(scene.in_force(), allowed);
}

/// Nothing is widened without a record of it; tightening waits for nothing.
#[test]
fn a_policy_that_may_allow_more_waits_for_the_log() {
    let scene = Scene::new();
    scene.write(Some(BASE), ALLOW);
    let narrow = scene.in_force();
    let (log, aside) = (scene.home.audit_log(), scene.home.audit_log().with_extension("aside"));
    std::fs::rename(&log, &aside).unwrap();
    let wide = format!("{ALLOW}[[allow]]\nhost = \"other.example.com\"\naccess = \"read\"\n");
    scene.write(Some(BASE), &wide);
    assert_eq!(scene.in_force(), narrow);
    scene.write(Some(BASE), "");
    let nothing = scene.in_force();
    assert_ne!(nothing, narrow, "tightening always works");
    scene.write(Some(BASE), &wide);
    assert_eq!(scene.in_force(), nothing);
    std::fs::rename(&aside, &log).unwrap();
    assert_ne!(scene.in_force(), nothing, "it is tried again");
}

/// A file that stays wrong is reported once, whoever asks for the policy.
#[test]
fn what_is_wrong_with_a_policy_is_told_once() {
    let scene = Scene::new();
    scene.write(Some(BASE), "[[allow]]\nhost = 1\n");
    (0..3).for_each(|_| drop(scene.in_force()));
    std::fs::remove_file(scene.home.policy_file(&scene.family)).unwrap();
    std::fs::create_dir(scene.home.policy_file(&scene.family)).unwrap();
    (0..3).for_each(|_| drop(scene.in_force()));
    let filter = Filter { events: Events::Alone, group: Some(scene.family.clone()), ..Filter::default() };
    let events = scene.files.ledger.entries(&filter).unwrap();
    let texts: Vec<_> = events.iter().filter_map(|entry| Some(entry.event.as_ref()?.text.as_str())).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("policies/family.toml:2") && texts[1].contains("cannot be read"), "{texts:?}");
}

/// Waits for a change of the policy in force, as long as it takes.
fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An open door, with the files watched.
fn watched(scene: &Scene) -> (Watching, DoorOpen, InForce) {
    let policy = scene.files.of(&scene.family);
    (scene.files.watch(), scene.files.door_open(), policy)
}

fn allows(policy: &InForce) -> bool {
    let facts = policies::Facts::parse("GET", "https://api.example.com/x").unwrap();
    matches!(policy.load().at(policies::Moment::FAR).decide(facts), policies::Verdict::Allow(_))
}

/// The target of a path is in force, under whatever name it is written.
#[test]
fn what_a_path_resolves_to_is_watched() {
    type Tighten = fn(&std::path::Path);
    let emptied: Tighten = |dir| std::fs::write(dir.join("own.toml"), "# nothing\n").unwrap();
    let replaced: Tighten = |dir| {
        std::fs::write(dir.join("new"), "").unwrap();
        std::fs::rename(dir.join("new"), dir.join("own.toml")).unwrap();
    };
    let gone: Tighten = |dir| std::fs::remove_file(dir.join("own.toml")).unwrap();
    let kept_times: Tighten = |dir| {
        let own = dir.join("own.toml");
        let modified = std::fs::metadata(&own).unwrap().modified().unwrap();
        let size = std::fs::metadata(&own).unwrap().len();
        let file = std::fs::File::options().write(true).truncate(true).open(&own).unwrap();
        (&file).write_all(&vec![b'#'; usize::try_from(size).unwrap()]).unwrap();
        file.set_modified(modified).unwrap();
    };
    for (link, tighten) in [
        ("symbolic", emptied),
        ("symbolic", replaced),
        ("symbolic", gone),
        ("symbolic", kept_times),
        ("two symbolic", emptied),
        ("two symbolic", replaced),
        ("folder", emptied),
        ("folder", replaced),
        ("hard", emptied),
        ("hard", kept_times),
    ] {
        let scene = Scene::new();
        let elsewhere = tempfile::tempdir().unwrap();
        let (own, file) = (elsewhere.path().join("own.toml"), scene.home.policy_file(&scene.family));
        std::fs::write(&own, ALLOW).unwrap();
        match link {
            "hard" => std::fs::hard_link(&own, &file).unwrap(),
            "symbolic" => symlink(&own, &file).unwrap(),
            "two symbolic" => {
                let between = scene.home.policies_dir().join("between");
                symlink(&own, &between).unwrap();
                symlink(&between, &file).unwrap();
            }
            _ => {
                let folder = elsewhere.path().join("folder");
                symlink(elsewhere.path(), &folder).unwrap();
                symlink(folder.join("own.toml"), &file).unwrap();
            }
        }
        let (_watching, _door, policy) = watched(&scene);
        assert!(allows(&policy), "{link}");
        tighten(elsewhere.path());
        until(&format!("{link}: a tightening comes into force"), || !allows(&policy));
    }
}

/// It is reported, the previous policy stays, and nothing waits for a read that never ends.
#[test]
fn what_is_no_text_in_a_policys_place_changes_nothing() {
    type Put = fn(&std::path::Path);
    let put: [(&str, Put); 9] = [
        ("a folder", |file| std::fs::create_dir(file).unwrap()),
        ("a pipe", |file| {
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
            rustix::fs::mknodat(rustix::fs::CWD, file, kind, mode, 0).unwrap();
        }),
        ("a device without an end", |file| symlink("/dev/zero", file).unwrap()),
        ("a device", |file| symlink("/dev/null", file).unwrap()),
        ("a link to itself", |file| symlink(file, file).unwrap()),
        ("a file of the kernel", |file| symlink("/proc/self/mem", file).unwrap()),
        ("letters of another charset", |file| std::fs::write(file, b"[[allow]]\nhost = \"\xe4.example\"\n").unwrap()),
        ("more than anybody wrote", |file| std::fs::File::create(file).unwrap().set_len(1 << 40).unwrap()),
        ("a link into a file", |file| symlink("/etc/hosts/x", file).unwrap()),
    ];
    for (what, put) in put {
        let scene = Scene::new();
        scene.write(Some(BASE), ALLOW);
        let before = scene.in_force();
        let file = scene.home.policy_file(&scene.family);
        std::fs::remove_file(&file).unwrap();
        put(&file);
        scene.files.look(std::slice::from_ref(&file));
        assert_eq!(scene.in_force(), before, "{what}");
        assert!(PolicyFiles::compile(&scene.home, &scene.family).is_err(), "{what}: commands say so too");
        std::fs::remove_file(&file).or_else(|_| std::fs::remove_dir(&file)).unwrap();
        scene.write(Some(BASE), "");
        assert_ne!(scene.in_force(), before, "{what}: and what comes after it counts");
    }
}

/// The same for `base.toml`, and for a link whose target changes.
#[test]
fn a_denial_behind_a_link_comes_into_force() {
    let scene = Scene::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let deny = "[[deny]]\nhost = \"api.example.com\"\n";
    for (folder, text) in [("one", "# none\n"), ("two", deny)] {
        std::fs::create_dir(elsewhere.path().join(folder)).unwrap();
        std::fs::write(elsewhere.path().join(folder).join("base.toml"), text).unwrap();
    }
    let data = elsewhere.path().join("..data");
    symlink("one", &data).unwrap();
    symlink(data.join("base.toml"), scene.home.base_policy_file()).unwrap();
    std::fs::write(scene.home.policy_file(&scene.family), ALLOW).unwrap();
    let (_watching, _door, policy) = watched(&scene);
    assert!(allows(&policy));
    symlink("two", elsewhere.path().join("..next")).unwrap();
    std::fs::rename(elsewhere.path().join("..next"), &data).unwrap();
    until("a link in the middle was switched", || !allows(&policy));
    std::fs::write(elsewhere.path().join("two/base.toml"), "# none\n").unwrap();
    until("what it leads to now was written", || allows(&policy));
    std::fs::write(elsewhere.path().join("one/base.toml"), deny).unwrap();
    symlink("one", elsewhere.path().join("..next")).unwrap();
    std::fs::rename(elsewhere.path().join("..next"), &data).unwrap();
    until("and switched back", || !allows(&policy));
}

/// An editor empties a file before it writes it. Neither events for its neighbours nor, for denials, the passing of
/// time puts the empty file in force.
#[test]
fn a_file_that_is_being_written_is_not_taken_for_its_neighbour() {
    let scene = Scene::new();
    scene.write(Some("[[deny]]\nhost = \"api.example.com\"\n"), ALLOW);
    let (_watching, _door, policy) = watched(&scene);
    assert!(!allows(&policy));
    let mut editor = std::fs::File::create(scene.home.base_policy_file()).unwrap();
    let beside = |name: &str| scene.home.policies_dir().join(name);
    let other = GroupName::parse("other").unwrap();
    let theirs = scene.files.of(&other);
    for neighbour in ["notes.txt", "other.toml", "base.toml.swp"] {
        std::fs::write(beside(neighbour), ALLOW).unwrap();
    }
    std::fs::rename(beside("notes.txt"), beside("moved.txt")).unwrap();
    std::fs::remove_file(beside("moved.txt")).unwrap();
    let hash = |group: &GroupName| scene.files.in_force().into_iter().find(|(name, _)| name == group).unwrap().1;
    let (before, family) = (hash(&other), hash(&scene.family));
    // The neighbour's event has arrived, so all earlier ones have.
    std::fs::write(beside("other.toml"), format!("{ALLOW}# again\n")).unwrap();
    until("the neighbour is in force", || hash(&other) != before);
    assert!(!allows(&theirs) && !allows(&policy), "base.toml holds");
    // Longer than a file must be quiet: it is seen unchanged by a check each second.
    let began = Instant::now();
    until("looked at twice and more", || began.elapsed() > Duration::from_millis(2500));
    assert_eq!(hash(&scene.family), family, "an emptied base.toml is taken by its own close alone");
    editor.write_all(b"# none\n").unwrap();
    drop(editor);
    until("closed", || allows(&policy));
}

/// While no door is open nothing is checked; the first one to open finds the changes.
#[test]
fn a_door_that_opens_finds_what_is_written() {
    let scene = Scene::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let own = elsewhere.path().join("own.toml");
    std::fs::write(&own, ALLOW).unwrap();
    std::fs::hard_link(&own, scene.home.policy_file(&scene.family)).unwrap();
    let policy = scene.files.of(&scene.family);
    let _watching = scene.files.watch();
    std::fs::write(&own, "# nothing\n").unwrap();
    std::thread::sleep(Duration::from_millis(10));
    let _door = scene.files.door_open();
    until("a door opened", || !allows(&policy));
}

/// The cost grows with the file, and others do not wait.
#[test]
fn a_long_file_keeps_nobody_waiting() {
    let scene = Scene::new();
    let other = GroupName::parse("other").unwrap();
    let long: String =
        (0..20_000).map(|n| format!("[[allow]]\nhost = \"h{n}.example.org\"\ndo = [\"GET /p{n}/**\"]\n")).collect();
    std::fs::write(scene.home.policy_file(&other), &long).unwrap();
    std::fs::write(scene.home.policy_file(&scene.family), ALLOW).unwrap();
    let group = scene.files.group(&other);
    // As if it were being compiled, for as long as needed.
    let compiling = lock(&group.state);
    let policy = scene.files.of(&scene.family);
    assert!(allows(&policy));
    std::fs::write(scene.home.policy_file(&scene.family), "# nothing\n").unwrap();
    scene.files.look(&[scene.home.policy_file(&scene.family)]);
    assert!(!allows(&policy), "a tightening waits for no other file");
    drop(compiling);
    assert_eq!(scene.files.of(&other).load().rules().count(), 20_000);
}

/// A file that cannot be watched is polled.
#[test]
fn without_a_watcher_files_are_looked_at() {
    let scene = Scene::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let own = elsewhere.path().join("own.toml");
    std::fs::write(&own, ALLOW).unwrap();
    symlink(&own, scene.home.policy_file(&scene.family)).unwrap();
    let policy = scene.files.of(&scene.family);
    let _watching = scene.files.watch_by(|_| Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)));
    let _door = scene.files.door_open();
    std::fs::write(&own, "# nothing\n").unwrap();
    until("it was looked at", || !allows(&policy));
}

/// A tightened policy is tighter for helpers at once, and one that does not load changes nothing.
#[test]
fn what_helpers_have_follows_the_policy() {
    let scene = Scene::new();
    let other = "[[allow]]\nhost = \"other.example.com\"\naccess = \"read\"\n";
    scene.write(Some(BASE), &format!("{ALLOW}{other}"));
    let part = policies::Part {
        host: policies::HostPattern::for_allow("api.example.com").unwrap(),
        requests: vec![policies::RequestPattern::any_read()],
    };
    let helper = scene.files.narrowed(&scene.family, &Narrow::new(vec![part]));
    let may = |url: &str| {
        let facts = policies::Facts::parse("GET", url).unwrap();
        matches!(helper.load().at(policies::Moment::FAR).decide(facts), policies::Verdict::Allow(_))
    };
    assert!(may("https://api.example.com/") && !may("https://other.example.com/"));
    scene.write(Some(BASE), "[[allow]]");
    assert!(may("https://api.example.com/"), "the last good one stays");
    scene.write(Some(BASE), other);
    assert!(!may("https://api.example.com/") && !may("https://other.example.com/"));
    scene.write(Some(BASE), &format!("{ALLOW}{other}"));
    assert!(may("https://api.example.com/") && !may("https://other.example.com/"), "and is still a part alone");
}
