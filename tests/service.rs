//! The daemon as a service. That it runs as one is tried where systemd runs: scripts/package-test.sh.

use std::path::Path;

use crate::support::{self, Home};

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

/// Where systemd does not run, nothing is written; where it does, nothing is there before it was asked for.
#[test]
fn without_systemd_it_says_what_to_do() {
    let home = Home::without_engine();
    if !Path::new("/run/systemd/system").exists() {
        home.run(&["service", "install"]).code(3).says("systemd does not run here").says("setsid");
    }
    let run = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        support::Running::start(command, "").wait()
    };
    run(&["service", "status"]).code(1).prints("There is no service").prints("No daemon serves");
    run(&["service", "remove"]).ok().prints("There is no service");
}
