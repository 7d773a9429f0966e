#![allow(clippy::unwrap_used)]

use notify::event::{CreateKind, DataChange, RemoveKind, RenameMode};

use super::*;

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
