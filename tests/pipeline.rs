//! From a message in to its answer: order, once and only once, one queue for all.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{self, Chat, Home, Phone, Shown, until};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

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

/// Longer than Linux takes one argument (`MAX_ARG_STRLEN`), and with a byte that ends one.
#[test]
fn a_command_may_have_any_length_and_one_that_cannot_be_started_fails_alone() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let mut answer = |id: &str, text: &str| -> Vec<(String, String)> {
        chat.send(id, text);
        let behind = format!("{id}-behind");
        chat.send(&behind, "echo behind it");
        let said = chat.until_done(&behind);
        assert!(said.iter().any(|(_, text, to)| *to == behind && text == "behind it"), "{said:?}");
        said.into_iter()
            .filter(|(kind, _, to)| to == id && kind != "done")
            .map(|(kind, text, _)| (kind, text))
            .collect()
    };
    for length in [100 << 10, (100 << 10) + 1, 131_050, 131_072, 150_000] {
        let padding = "a".repeat(length - "printf %s  | wc -c".len());
        let said = answer(&format!("m{length}"), &format!("printf %s {padding} | wc -c"));
        assert_eq!(said, [("reply".to_owned(), padding.len().to_string())], "{length}");
    }
    let said = answer("nul", "echo 'a\0b'");
    assert!(matches!(&said[..], [(kind, why)] if kind == "failure" && why.contains("NUL")), "{said:?}");
    let said = answer("ls", "ls /tmp/command-* 2>/dev/null; pwd");
    assert_eq!(said, [("reply".to_owned(), "/workspace/group".to_owned())], "nothing is left behind");
    assert_eq!(home.containers().len(), 1);
}

/// What the group works in then is no folder of the host's any more.
#[test]
fn a_folder_that_was_removed_under_a_sandbox_is_taken_up_anew() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    home.chat("family", "touch old").ok();
    std::fs::remove_dir_all(home.group_folder("family")).unwrap();
    home.chat("family", "touch new; ls").ok().prints("removed or replaced").prints("new");
    assert!(home.group_folder("family").join("new").exists());
}

#[test]
fn status_says_who_is_answered_and_who_waits() {
    let home = Home::new().config("[queue]\nsandboxes = 1").group("one").group("two");
    home.run(&["status"]).code(1).says("no daemon runs");
    let _daemon = home.up();
    let (mut one, mut two) = (Chat::open(&home, "one"), Chat::open(&home, "two"));
    one.send("1", "touch began; until [ -e go ]; do sleep 0.05; done");
    until("it has begun", || home.group_folder("one").join("began").exists());
    two.send("2", "echo two");
    two.next_of("accepted");
    until("two waits", || home.run(&["status", "--json"]).json()["waiting"] == json!(["two"]));
    home.run(&["status"]).ok().prints("one is being answered").prints("two waits for a free sandbox");
    std::fs::write(home.group_folder("one").join("go"), "").unwrap();
    assert!(two.until_done("2").iter().any(|(_, text, _)| text == "two"));
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
    assert_eq!(two.until_done("2")[0].1, "AGENTS.md\nCLAUDE.md\nlooked", "answered while the other is at work");
    std::fs::write(home.group_folder("one").join("go"), "").unwrap();
    one.until_done("1");
}

/// Invariant 15, and what an agent reads first.
#[test]
fn each_group_has_a_memory_and_its_own_copy_of_the_one_for_all() {
    let home = Home::new().group("one").group("two");
    let global = home.at("data/global");
    std::fs::create_dir_all(&global).unwrap();
    std::fs::write(global.join("CLAUDE.md"), "we speak German\n").unwrap();
    std::os::unix::fs::symlink(home.at("data/doorward.db"), global.join("link")).unwrap();
    let _daemon = home.up();
    let (mut one, mut two) = (Chat::open(&home, "one"), Chat::open(&home, "two"));
    let look = "ls /workspace/global; cat /workspace/global/AGENTS.md; echo x > /workspace/global/CLAUDE.md || \
                rm /workspace/global/CLAUDE.md || chmod 666 /workspace/global/CLAUDE.md || stat -c 'inode %i' /workspace/global/CLAUDE.md";
    one.send("1", look);
    two.send("2", look);
    let (said_one, said_two) = (one.until_done("1")[0].1.clone(), two.until_done("2")[0].1.clone());
    for said in [&said_one, &said_two] {
        assert!(said.starts_with("AGENTS.md\nCLAUDE.md\nwe speak German\n"), "{said}");
        assert_eq!(said.matches("Read-only file system").count(), 3, "{said}");
    }
    let inode = |said: &str| said.lines().find_map(|line| line.strip_prefix("inode ").map(str::to_owned)).unwrap();
    assert_ne!(inode(&said_one), inode(&said_two));

    one.send("3", "head -1 CLAUDE.md; echo likes tea >> AGENTS.md; tail -1 CLAUDE.md; readlink AGENTS.md");
    assert_eq!(one.until_done("3")[0].1, "# Memory of one\nlikes tea\nCLAUDE.md");
    two.send("4", "grep -c tea CLAUDE.md");
    assert!(two.until_done("4")[0].1.starts_with('0'), "no group reads another's");
    // The owner's file is read anew by each new sandbox.
    std::fs::write(global.join("CLAUDE.md"), "we speak Greek\n").unwrap();
    home.run(&["group", "reset", "one"]).ok().prints("begins one");
    one.send("5", "cat /workspace/global/CLAUDE.md; tail -1 CLAUDE.md");
    assert_eq!(one.until_done("5")[0].1, "we speak Greek\nlikes tea");
}

/// A thousand messages in five groups, over a connection that is cut at random: each is
/// answered once, in order.
#[test]
fn a_thousand_messages_over_a_bad_line() {
    const GROUPS: [&str; 5] = ["one", "two", "three", "four", "five"];
    let mut home = Home::new().config("[queue]\nsandboxes = 5\n\n[channels.whatsapp]\nprogram = \"/bin/phone\"   # ids are its own; it dials by itself");
    for group in GROUPS {
        home = home.chat_group(group);
    }
    let (seed, phone) = (rand::random::<u64>(), Phone::new());
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    phone.cut_after((0..100).map(|_| random.random_range(1..120)).collect());
    let daemon = home.up();
    phone.dial(&home);
    for number in 0..200 {
        for group in GROUPS {
            // The numbers of a chat's messages are its own.
            phone.write(group, &format!("{group}-{number}"), &format!("echo {number}"));
        }
    }
    for group in GROUPS {
        phone.until_done(group, &format!("{group}-199"));
    }
    let connections =
        phone.until("the line to have been cut", |state| (state.connections > 20).then_some(state.connections));
    for group in GROUPS {
        let shown: Vec<Shown> =
            phone.shown().into_iter().filter(|shown| shown.chat == group && shown.kind == "reply").collect();
        let mut answers: Vec<(u64, &str, &str)> =
            shown.iter().map(|shown| (shown.id, &*shown.to, &*shown.text)).collect();
        // What was cut off before it was confirmed comes again under the same id.
        answers.dedup();
        let wanted: Vec<(String, String)> =
            (0..200).map(|number| (format!("{group}-{number}"), number.to_string())).collect();
        let got: Vec<(String, String)> =
            answers.iter().map(|(_, to, text)| ((*to).to_owned(), (*text).to_owned())).collect();
        assert_eq!(got, wanted, "seed {seed}, {connections} connections");
        assert!(answers.is_sorted_by_key(|(id, ..)| *id));
    }
    daemon.stop().ok();
}

/// Invariant 14, over everything that could keep something: the databases with their
/// write-ahead logs, every other file, and the daemon's log when it says all it can.
#[test]
fn a_chat_that_is_not_registered_leaves_no_trace() {
    let marks: Vec<String> = ["id", "chat", "number", "name", "text", "quote", "field"]
        .iter()
        .map(|what| support::random_key(&format!("mark-{what}-")))
        .collect();
    let [id, chat, number, name, text, quote, field] = &marks[..] else { panic!("seven of them") };
    let known = support::random_key("known-");
    let phone = Phone::new();
    let home = Home::new().config(&phone.config()).chat_group("family").chat_group("forgotten");
    let daemon = home.up_logging("trace");
    phone.write("forgotten", "m1", &format!("echo {field}"));
    phone.until_done("forgotten", "m1");
    home.run(&["group", "remove", "forgotten", "--yes"]).ok();
    let stranger = json!({"type": "message", "id": id, "chat": chat, "sender": {"id": number, "name": name}, "text": text,
        "at": 1, "group": true, "addressed": true, "quote": {"id": quote, "sender": number, "text": quote}});
    phone.deliver(stranger.clone());
    phone.until("the daemon to refuse it", |state| state.ignored.contains(id).then_some(()));
    // Lines that break the protocol may be of any chat. Each ends the connection.
    let with = |field: &str, value: Value| {
        let mut line = stranger.clone();
        line[field] = value;
        line.to_string()
    };
    for line in [with(field, json!(text)), with("at", json!(text))] {
        let before = phone.until("a connection", |state| state.is_up().then_some(state.connections));
        phone.babble(&line);
        phone.until("the connection to end", |state| (state.connections > before || !state.is_up()).then_some(()));
    }
    phone.write("family", "m1", &format!("echo {known}"));
    phone.until_done("family", "m1");

    let living = written(home.path());
    let log = daemon.stop().ok();
    let all = [living, written(home.path()), (log.out + &log.err).into_bytes()];
    let holds = |bytes: &[u8], what: &str| memchr::memmem::find(bytes, what.as_bytes()).is_some();
    assert!(all.iter().take(2).all(|bytes| holds(bytes, &known)), "the search finds what is kept");
    assert!(holds(&all[2], "a channel's connection was ended"), "the log says what happened");
    for (mark, bytes) in marks.iter().flat_map(|mark| all.iter().map(move |bytes| (mark, bytes))) {
        assert!(!holds(bytes, mark), "{mark} was kept");
    }
}

/// Every file below a folder, one after the other, with its name.
fn written(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        all.extend(entry.file_name().into_encoded_bytes());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(written(&entry.path()));
        } else if kind.is_file() {
            // One that has just gone holds nothing any more.
            all.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    all
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
    assert!(started.elapsed() < Duration::from_secs(60), "it took {:?}", started.elapsed());
    assert_eq!(home.containers(), Vec::<String>::new());
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(kind, text, _)| kind == "failure" && text.contains("Stopped.")), "{said:?}");
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
