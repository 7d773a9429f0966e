//! The drill on a real installation: refused as it stands, and red for each way in
//! which it is deliberately weakened.

use crate::support::{Home, Ran};
use serde_json::Value;

/// A drill of a home's group. Whatever came of it, it leaves nothing behind.
#[track_caller]
fn drill(more: &[&str]) -> Ran {
    let home = Home::new().group("family");
    let ran = home.run(&[&["drill", "--group", "family"], more].concat());
    assert_eq!(home.containers(), Vec::<String>::new());
    let mut left: Vec<_> =
        std::fs::read_dir(home.group_folder("family")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["AGENTS.md", "CLAUDE.md"], "the group's memory, and nothing of the drill");
    ran
}

/// The names of the attacks that got out of a weakened sandbox.
#[track_caller]
fn got_out(weakening: &str) -> Vec<String> {
    let report = drill(&["--weaken", weakening, "--json"]).code(1).json();
    assert_eq!((&report["passed"], &report["weakened"]), (&false.into(), &weakening.into()), "{report:#}");
    names(&report["got_out"])
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_attack_is_refused_and_every_control_works() {
    let report = drill(&["--json"]).ok().json();
    assert_eq!(report["passed"], true);
    assert!(report["attacks"].as_array().unwrap().len() >= 15, "{report:#}");
    assert_eq!((names(&report["got_out"]), names(&report["unproven"])), (vec![], vec![]), "{report:#}");
    let tried: Vec<_> = report["attacks"].as_array().unwrap().iter().map(|attack| &attack["id"]).collect();
    for beside in ["lock", "room", "names", "aio", "disk"] {
        assert!(tried.contains(&&beside.into()), "{beside} is not in {tried:?}");
    }
}

#[test]
fn a_network_is_noticed_and_the_attacks_are_named() {
    let ran = drill(&["--weaken", "network"]).code(1);
    ran.prints("GOT OUT").prints("The drill FAILED").prints("attacks got out: tcp, udp");
}

#[test]
fn the_engines_own_system_call_filter_is_noticed() {
    let names = got_out("seccomp");
    assert!(["vsock", "io-uring", "aio"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
}

#[test]
fn an_open_proxy_is_noticed() {
    let names = got_out("proxy");
    assert!(names.contains(&"https".to_owned()) && !names.contains(&"tcp".to_owned()), "{names:?}");
}

#[test]
fn an_unknown_group_or_weakening_is_no_drill() {
    let home = Home::new().group("family");
    home.run(&["drill", "--group", "famly"]).code(1).says("famly");
    home.run(&["drill", "--weaken", "everything"]).code(2).says("network");
}
