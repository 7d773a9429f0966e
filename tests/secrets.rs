//! `doorward secret add`, `rotate` and `remove`: values come from standard input, are
//! for their owner alone, and are never shown.

#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Home, Ran, Running};

const SECRET: &str = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
const LATER: &str = "ghp_9876543210zYxWvUtSrQpOnMlKjIhGfEdCbA";

fn given(home: &Home, args: &[&str], value: &str) -> Ran {
    Running::start(home.command(args), value).wait()
}

#[test]
fn a_secret_is_added_replaced_and_removed() {
    let home = Home::without_engine();
    let file = home.at("secrets/github");
    let added = given(&home, &["secret", "add", "github"], &format!("{SECRET}\n")).ok();
    added
        .prints("[credentials.github]")
        .prints("secret = \"file:secrets/github\"")
        .prints("GITHUB_TOKEN")
        .never_says(SECRET);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SECRET);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(home.at("secrets")).unwrap().permissions().mode() & 0o777, 0o700);

    given(&home, &["secret", "add", "github"], LATER).code(1).says("secret rotate github").never_says(LATER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SECRET);
    given(&home, &["secret", "rotate", "github"], LATER).ok().never_says(LATER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), LATER);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let home = home.config("[credentials.github]\nsecret = \"file:secrets/github\"\nhosts = [\"api.github.com\"]\n");
    home.run(&["secret", "test", "github"]).ok();
    home.run(&["secret", "remove", "github"]).ok();
    assert!(!file.exists());
    home.run(&["secret", "remove", "github"]).code(1).says("there is no secret github");
}

#[test]
fn what_is_no_secret_is_not_written() {
    let home = Home::without_engine();
    for value in ["", "short", "two lines of\ntext", "with an escape \u{1b}[2J", &"x".repeat(20_000)] {
        given(&home, &["secret", "add", "github"], value).code(1).says("nothing was written");
    }
    for name in ["../policies/main", "Git-Hub", "", "a/b"] {
        given(&home, &["secret", "add", name], SECRET).code(2).never_says(SECRET);
    }
    given(&home, &["secret", "rotate", "github"], SECRET).code(1).says("there is no secret github");
    assert!(!home.at("secrets/github").exists());
}
