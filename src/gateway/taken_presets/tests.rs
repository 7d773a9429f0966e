#![allow(clippy::unwrap_used)]

use crate::gateway::policy_files::PolicyFiles;

use super::*;
use crate::store::ledger::AuditLog;

/// As an earlier version might have shipped it.
const NARROWER: &str = "[[allow]]\nhost = \"api.open-meteo.com\"\ndo = [\"GET /v1/forecast\"]\n";

struct Scene {
    _dir: tempfile::TempDir,
    home: Home,
    files: PolicyFiles,
    family: GroupName,
}

impl Scene {
    /// A group that uses the preset `weather`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let family = GroupName::parse("family").unwrap();
        std::fs::write(home.policy_file(&family), "use = [\"weather\"]\n").unwrap();
        Scene {
            _dir: dir,
            files: PolicyFiles::new(home.clone(), Arc::new(AuditLog::open(&home.audit_log()).unwrap())),
            home,
            family,
        }
    }

    fn taken(&self) -> TakenPresets {
        TakenPresets::of(&self.home)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.taken().file("weather"), text).unwrap();
    }

    fn kept(&self) -> Option<String> {
        read(&self.taken().file("weather")).unwrap()
    }

    /// The requests that the policy in force allows, one per rule.
    fn in_force(&self) -> Vec<String> {
        policy_file::summaries(&self.files.of(&self.family).load()).into_iter().flat_map(|rule| rule.requests).collect()
    }
}

#[test]
fn what_is_used_is_taken_as_it_ships() {
    let scene = Scene::new();
    assert_eq!(scene.kept(), None, "nobody uses it yet");
    let shipped = scene.in_force();
    assert_eq!(scene.kept().as_deref(), presets::get("weather"));
    assert!(scene.taken().waiting().unwrap().is_empty());
    assert!(read(&scene.taken().file("claude")).unwrap().is_none(), "the others are not");
    scene.write(NARROWER);
    assert_ne!(scene.in_force(), shipped);
}

#[test]
fn an_upgrade_that_would_allow_more_waits_for_a_yes() {
    let scene = Scene::new();
    scene.write(NARROWER);
    assert_eq!(scene.in_force(), ["GET /v1/forecast"]);
    let waiting = scene.taken().waiting().unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.name).collect::<Vec<_>>(), ["weather"]);
    assert_eq!(scene.kept().as_deref(), Some(NARROWER), "to look at it takes nothing");
    scene.taken().accept("weather").unwrap();
    assert_eq!(scene.kept().as_deref(), presets::get("weather"));
    assert_ne!(scene.in_force(), ["GET /v1/forecast"]);
}

#[test]
fn an_upgrade_that_allows_nothing_more_is_taken_at_once() {
    let scene = Scene::new();
    let wider =
        format!("{}\n[[allow]]\nhost = \"weather.example\"\naccess = \"read\"\n", presets::get("weather").unwrap());
    scene.write(&wider);
    assert!(scene.taken().waiting().unwrap().is_empty());
    scene.in_force();
    assert_eq!(scene.kept().as_deref(), presets::get("weather"));
}

#[test]
fn one_that_does_not_load_any_more_allows_nothing_and_waits() {
    let scene = Scene::new();
    scene.write("[[allow]]\nhost = 1\n");
    assert_eq!(scene.in_force(), Vec::<String>::new());
    let waiting = scene.taken().waiting().unwrap();
    assert!(waiting.iter().all(|waiting| waiting.change.is_none()) && waiting.len() == 1);
}
