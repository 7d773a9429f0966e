//! The owner's lock: a download under way is cut, a restart opens nothing, and only the command
//! line unlocks.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Home, Response, Upstream};

const POLICY: &str = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";

fn asks(home: &Home) -> String {
    home.exec("family", "curl -sS https://news.example/today").ok().out
}

#[test]
fn what_is_locked_stays_locked_until_the_owner_unlocks_it_here() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("the town has a new bridge\n"));
    let home = Home::new().host("news.example", &news).group("family").policy("family", POLICY);
    let daemon = home.up();
    assert!(asks(&home).contains("new bridge"));
    home.run(&["lock", "famliy"]).code(1).says("did you mean family?");
    home.run(&["lock", "family"]).ok().prints("every door of family is shut");
    assert!(asks(&home).contains("\"code\": \"locked\""));
    home.run(&["status"]).ok().prints("family is locked");
    drop(daemon);
    let daemon = home.up();
    assert!(asks(&home).contains("\"code\": \"locked\""), "a restart opens nothing");
    // What the sandbox or its chat says opens nothing either.
    home.chat("family", "echo unlock").ok();
    assert!(asks(&home).contains("\"code\": \"locked\""));
    home.run(&["unlock", "family"]).ok().prints("family is unlocked");
    assert!(asks(&home).contains("new bridge"));
    home.run(&["unlock"]).ok().prints("Nothing of that was locked");
    drop(daemon);

    // Without a daemon it is kept all the same; a file that nobody can read locks everything.
    home.run(&["lock"]).ok();
    let daemon = home.up();
    assert!(asks(&home).contains("\"code\": \"locked\""));
    home.run(&["unlock", "family"]).code(1).says("every group is locked");
    drop(daemon);
    std::fs::write(home.at("data/lock.json"), "{").unwrap();
    let _daemon = home.up();
    assert!(asks(&home).contains("\"code\": \"locked\""));
    home.run(&["unlock"]).ok();
    assert!(asks(&home).contains("new bridge"));
    let log = home.audit();
    assert!(log.events("locked").len() >= 2 && log.events("unlocked").len() == 2, "{log:#?}");
}
