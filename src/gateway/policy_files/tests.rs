#![allow(clippy::unwrap_used)]

use notify::event::{CreateKind, DataChange, RemoveKind, RenameMode};

use super::*;
use crate::store::ledger::{Events, Filter};

const BASE: &str = "[[deny]]\nhost = \"**.pastes.example\"\nwhy = \"never\"\n";
const ALLOW: &str = "[[allow]]\nhost = \"api.example.com\"\naccess = \"read\"\n";

struct Scene {
    _dir: tempfile::TempDir,
    home: Home,
    files: PolicyFiles,
    family: GroupName,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let files = PolicyFiles::new(home.clone(), Arc::new(AuditLog::open(&home.audit_db()).unwrap()));
        Scene { _dir: dir, home, files, family: GroupName::parse("family").unwrap() }
    }

    fn write(&self, base: Option<&str>, family: &str) {
        match base {
            Some(text) => std::fs::write(self.home.base_policy_file(), text).unwrap(),
            None => std::fs::remove_file(self.home.base_policy_file()).unwrap(),
        }
        std::fs::write(self.home.policy_file(&self.family), family).unwrap();
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
    scene.files.refresh_all();
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

#[test]
fn a_file_counts_when_it_is_written_to_its_end() {
    for saved in [
        EventKind::Access(AccessKind::Close(AccessMode::Write)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        EventKind::Remove(RemoveKind::File),
    ] {
        assert!(is_saved(&saved), "{saved:?}");
    }
    for not_yet in [
        EventKind::Create(CreateKind::File),
        EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        EventKind::Access(AccessKind::Close(AccessMode::Read)),
    ] {
        assert!(!is_saved(&not_yet), "{not_yet:?}");
    }
}

/// Nothing is widened without evidence of it; tightening waits for nothing.
#[test]
fn a_policy_that_may_allow_more_waits_for_the_log() {
    let scene = Scene::new();
    scene.write(Some(BASE), ALLOW);
    let narrow = scene.in_force();
    let (log, aside) = (scene.home.audit_db(), scene.home.audit_db().with_extension("aside"));
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

/// A file that stays wrong is told once, whoever asks for the policy.
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
