//! The drill on a real installation: refused as it stands, and red for each way in
//! which it is deliberately weakened.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::Home;

/// A drill of a home's group: the exit code, and what it says as JSON.
#[track_caller]
fn drill(more: &[&str], code: i32) -> Value {
    let home = Home::new().group("family");
    let report = home.run(&[&["drill", "--group", "family", "--json"], more].concat()).code(code).json();
    assert_eq!(home.containers(), Vec::<String>::new(), "a drill leaves nothing behind");
    report
}

/// The names of the attacks that got out.
fn got_out(report: &Value) -> Vec<&str> {
    let attacks = report["attacks"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    assert!(attacks.len() >= 15, "{report:#}");
    let out = attacks.iter().filter(|attack| attack["refused"] == false);
    out.map(|attack| attack["id"].as_str().unwrap()).collect()
}

#[test]
fn every_attack_is_refused_and_every_control_works() {
    let report = drill(&[], 0);
    assert_eq!(got_out(&report), [""; 0], "{report:#}");
}

#[test]
fn a_network_is_noticed() {
    let report = drill(&["--weaken", "network"], 1);
    assert!(!got_out(&report).is_empty(), "{report:#}");
}

#[test]
fn the_engines_own_system_call_filter_is_noticed() {
    let report = drill(&["--weaken", "seccomp"], 1);
    assert!(!got_out(&report).is_empty(), "{report:#}");
}

#[test]
fn an_open_proxy_is_noticed() {
    let report = drill(&["--weaken", "proxy"], 1);
    assert!(!got_out(&report).is_empty(), "{report:#}");
}
