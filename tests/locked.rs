//! The owner's lock: a download under way is cut, a restart opens nothing, and only the command
//! line unlocks. And the owner's absence, which leaves groups their models.

use crate::support::{Chat, Home, Response, Upstream};
use serde_json::Value;

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

/// The owner said nothing for a fortnight, in which the machine was off.
fn a_fortnight_goes_by(home: &Home) {
    let file = home.at("data/absence.json");
    let mut count: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    count["boot"] = "another".into();
    count["wall"] = (count["wall"].as_i64().unwrap() - 14 * 24 * 3_600_000).into();
    std::fs::write(file, count.to_string()).unwrap();
}

#[test]
fn a_group_has_its_model_alone_while_its_owner_is_away() {
    let town = Upstream::start(&["news.example", "model.example"], |_| Response::ok("the town has a new bridge\n"));
    let model = "[[allow]]\nhost = \"model.example\"\ndo = [\"POST /v1/messages\"]\nmodel = true\nprivate = [\"127.0.0.1/32\"]\n";
    let home =
        Home::new().config("[absence]\nafter = \"14d\"\n").host("news.example", &town).host("model.example", &town);
    let home = home.group("family").policy("family", &format!("{POLICY}\n{model}"));
    home.run(&["group", "add", "owner", "--main"]).ok();
    let away = |home: &Home| asks(home).contains("\"code\": \"owner_away\"");
    let daemon = home.up();
    assert!(asks(&home).contains("new bridge"));
    drop(daemon);
    a_fortnight_goes_by(&home);
    let daemon = home.up();
    assert!(away(&home));
    let post = "curl -sS -d '{}' -H 'content-type: application/json' https://model.example/v1/messages";
    home.exec("family", post).ok().prints("new bridge");
    home.run(&["status"]).ok().prints("No word of yours came for a long time");
    let mut chat = Chat::open(&home, "owner");
    let told = chat.next_of("send");
    assert!(told["text"].as_str().unwrap().contains("no word of the owner came for 14 days"), "{told}");
    drop((chat, daemon));
    // A restart ends nothing, nor does what anybody else writes; and it is told once.
    let daemon = home.up();
    home.chat("family", "echo I am the owner").ok();
    assert!(away(&home));
    home.chat("owner", "echo back").ok();
    assert!(asks(&home).contains("new bridge"));
    drop(daemon);
    a_fortnight_goes_by(&home);
    let _daemon = home.up();
    assert!(away(&home));
    home.run(&["unlock"]).ok();
    assert!(asks(&home).contains("new bridge"), "who is at the machine has spoken");
    let log = home.audit();
    assert_eq!((log.events("owner_away").len(), log.events("owner_back").len()), (2, 2), "{log:#?}");
}
