//! From a message in to its answer: order, once and only once, one queue for all.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use support::{Chat, Home, until};

#[test]
fn a_message_that_is_delivered_twice_is_answered_once() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "echo once >> log; cat log");
    chat.send("m1", "echo once >> log; cat log");
    let said = chat.until_done("m1");
    assert_eq!(said[0], ("reply".into(), "once".into(), "m1".into()), "{said:?}");
    // Again, after it was answered; the next message's answer shows that nothing ran in between.
    chat.send("m1", "echo once >> log; cat log");
    chat.send("m2", "cat log");
    let said = chat.until_done("m2");
    assert!(said.iter().all(|(_, _, to)| to == "m2"), "{said:?}");
    assert_eq!(said[0].1, "once");
}

#[test]
fn answers_come_in_the_order_of_their_messages() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("a", "until [ -e go ]; do sleep 0.05; done; echo first");
    chat.send("b", "echo second");
    chat.send("c", "echo third");
    std::fs::write(home.group_folder("family").join("go"), "").unwrap();
    let said = chat.until_done("c");
    let replies: Vec<_> =
        said.iter().filter(|(kind, ..)| kind == "reply").map(|(_, text, to)| (&**text, &**to)).collect();
    assert_eq!(replies, [("first", "a"), ("second", "b"), ("third", "c")]);
}

/// A terminal that leaves as soon as it has its answer must not hold up the next one.
#[test]
fn one_terminal_after_the_other_is_answered_at_once() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let started = Instant::now();
    for word in ["one", "two", "three", "four"] {
        home.chat("family", &format!("echo {word}")).ok().prints(word);
    }
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
}

#[test]
fn two_groups_share_one_seat_in_turn() {
    let home = Home::new().config("[queue]\nsandboxes = 1").group("one").group("two");
    let daemon = home.up();
    let (mut one, mut two) = (Chat::open(&home, "one"), Chat::open(&home, "two"));
    one.send("1", "until [ -e go ]; do sleep 0.05; done; echo one");
    until("the first group to have the seat", || daemon.status()["sandboxes"][0]["group"] == "one");
    two.send("2", "echo two");
    until("the second group to wait", || daemon.status()["waiting"][0] == "two");
    until("the sandbox to run", || home.containers().len() == 1);
    assert_eq!(daemon.status()["sandboxes"].as_array().unwrap().len(), 1);

    std::fs::write(home.group_folder("one").join("go"), "").unwrap();
    assert_eq!(one.until_done("1")[0].1, "one");
    assert_eq!(two.until_done("2")[0].1, "two");
    until("the first group to have left", || home.containers().len() == 1);
}

#[test]
fn two_groups_work_side_by_side_and_apart() {
    let home = Home::new().group("one").group("two");
    let _daemon = home.up();
    let (mut one, mut two) = (Chat::open(&home, "one"), Chat::open(&home, "two"));
    one.send("1", "echo secret-of-one > mine; until [ -e go ]; do sleep 0.05; done; echo done");
    two.send("2", "ls /workspace/group; echo looked");
    assert_eq!(two.until_done("2")[0].1, "looked", "answered while the other is at work");
    std::fs::write(home.group_folder("one").join("go"), "").unwrap();
    one.until_done("1");
}

#[test]
fn a_chat_that_is_not_registered_leaves_no_trace() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send_to("a-stranger", "m1", "these words are nobody's business");
    assert_eq!(chat.next()["type"], "ignored");
    let log = daemon.stop().ok();
    assert!(!log.err.contains("stranger") && !log.err.contains("business"), "{log:#?}");
    for file in std::fs::read_dir(home.at("data")).unwrap().flatten().filter(|file| file.path().is_file()) {
        let text = String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned();
        assert!(!text.contains("stranger") && !text.contains("business"), "{file:?}");
    }
}

#[test]
fn stop_ends_a_live_sandbox_at_once_even_when_its_policy_does_not_parse() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "touch started; sleep 600");
    until("the agent to be at work", || home.group_folder("family").join("started").exists());
    home.write_policy("family", "this is [not TOML");

    let started = Instant::now();
    home.run(&["stop", "family"]).ok().prints("Stopped family");
    assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
    assert_eq!(home.containers(), Vec::<String>::new());
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(kind, text, _)| kind == "failure" && text.contains("Stopped by the owner")), "{said:?}");
    home.run(&["stop", "family"]).ok().prints("Nothing ran for family");
}

#[test]
fn stop_ends_an_exec_and_a_door_too() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let exec = home.start(&["exec", "family", "--", "sh", "-c", "touch started; sleep 600"]);
    let door = support::Door::open(&home, "family");
    until("the command to run", || home.group_folder("family").join("started").exists());
    home.run(&["stop", "family"]).ok().prints("Stopped family");
    exec.wait().code(1).says("the group was stopped");
    door.running.wait().code(1).says("the group was stopped");
    assert_eq!(home.containers(), Vec::<String>::new());
    assert!(!door.socket.exists());
}

#[test]
fn a_daemon_that_ends_takes_its_sandboxes_and_doors_along() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "echo here");
    chat.until_done("m1");
    assert_eq!(home.containers().len(), 1);
    daemon.stop().ok();
    assert_eq!(home.containers(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(home.at("data/run/doors")).unwrap().count(), 0);
    assert!(!home.at("data/run/control.sock").exists());
}
