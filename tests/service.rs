//! The daemon as a service. That it runs as one is tried where systemd runs: scripts/package-test.sh.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use support::Home;

#[test]
fn the_unit_is_shown_before_it_is_written() {
    let home = Home::without_engine();
    let shown = home.run(&["service", "install", "--dry-run"]).ok();
    let place = home.path().display();
    shown
        .prints("doorward.service:")
        .prints(&format!("Environment=\"DOORWARD_HOME={place}\""))
        .prints("/doorward\" up\nEnvironment")
        .prints("NoNewPrivileges=yes")
        .prints("Restart=on-failure");
    home.run(&["service", "install", "--for", "nobody-here", "--dry-run"]).code(2);
}

/// Nothing is written where it could not do anything.
#[test]
fn without_systemd_it_says_what_to_do() {
    if Path::new("/run/systemd/system").exists() {
        return;
    }
    let home = Home::without_engine();
    home.run(&["service", "install"]).code(3).says("systemd does not run here").says("setsid");
    home.run(&["service", "status"]).code(1).prints("There is no service").prints("No daemon serves");
    home.run(&["service", "remove"]).ok().prints("There is no service");
}
