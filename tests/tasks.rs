//! Tasks from the command line to the chat, on the real daemon with real sandboxes; and killed around every step.

mod deaths;

use crate::support::{self, Chat, Home, Response, Upstream, until};
use serde_json::Value;

const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
do = [\"GET /page\", \"POST /notes\"]
private = [\"127.0.0.1/32\"]
";

/// Makes a task that is due in a moment.
fn soon(home: &Home, group: &str, prompt: &str, more: &[&str]) -> u64 {
    in_millis(home, group, prompt, 1500, more)
}

/// Makes a task that is due in so many milliseconds, or a little later where the machine was too busy to make it before that.
fn in_millis(home: &Home, group: &str, prompt: &str, millis: i64, more: &[&str]) -> u64 {
    let mut millis = millis;
    loop {
        let at = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_millis(millis)).unwrap().to_string();
        let ran = home.run(&[&["task", "add", group, prompt, "--at", &at, "--json"], more].concat());
        if millis < 60_000 && format!("{ran:?}").contains("lies in the past") {
            millis *= 2;
            continue;
        }
        return ran.ok().json()["task"].as_u64().unwrap();
    }
}

fn shown(home: &Home, task: u64) -> Value {
    home.run(&["task", "show", &task.to_string(), "--json"]).ok().json()
}

fn states(home: &Home, task: u64) -> Vec<String> {
    let history = shown(home, task)["history"].clone();
    history.as_array().unwrap().iter().map(|fired| fired["state"].as_str().unwrap().to_owned()).collect()
}

/// The next message that answers nobody: its kind and text.
fn unasked(chat: &mut Chat) -> (String, String) {
    let line = chat.next_of("send");
    assert_eq!(line["in_reply_to"], Value::Null, "{line}");
    let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    (field("kind"), field("text"))
}

#[test]
fn a_task_is_carried_out_when_it_is_due_and_its_answer_arrives() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let task = soon(&home, "family", "echo due > due; echo it is due", &[]);
    assert_eq!(unasked(&mut chat), ("reply".into(), "it is due".into()));
    assert_eq!(std::fs::read_to_string(home.group_folder("family").join("due")).unwrap(), "due\n");
    assert_eq!((states(&home, task), shown(&home, task)["state"].clone()), (vec!["done".into()], "done".into()));
    let task = soon(&home, "family", "echo never", &["--gate", "test -e news && cat news"]);
    until("the gate to be asked", || !states(&home, task).is_empty() && states(&home, task) != ["open"]);
    assert_eq!(states(&home, task), ["failed"], "test(1) says so by its exit code");
    let (kind, told) = unasked(&mut chat);
    assert!(kind == "failure" && told.contains("The command before it failed: (exit code 1)"), "{told}");
    let quiet = soon(&home, "family", "echo never", &["--gate", "[ ! -e news ] || cat news"]);
    until("the gate to be asked", || states(&home, quiet) == ["nothing"]);
    std::fs::write(home.group_folder("family").join("news"), "a letter").unwrap();
    soon(&home, "family", "echo read: $(cat news)", &["--gate", "[ ! -e news ] || cat news", "--context", "isolated"]);
    assert_eq!(unasked(&mut chat), ("reply".into(), "read: a letter".into()));
    until("its sandbox to be gone", || home.containers().is_empty());
    drop(daemon);
}

/// A program that reads the answer reads nothing else.
#[test]
fn what_had_waited_is_no_part_of_an_answer() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let task = soon(&home, "family", "echo FROM-TASK", &[]);
    until("the task to be done", || states(&home, task) == ["done"]);
    let ran = home.chat("family", "echo ANSWER").ok();
    assert!(ran.out.trim() == "ANSWER" && ran.err.contains("(earlier) FROM-TASK"), "{ran:#?}");
    drop(daemon);
}

#[test]
fn the_command_line_says_what_is_wrong_and_what_will_be() {
    let home = Home::without_engine().config("[assistant]\ntime_zone = \"Europe/Berlin\"").group("family");
    let add = |more: &[&str]| home.run(&[&["task", "add", "family", "say hello"], more].concat());
    add(&[]).code(2);
    add(&["--cron", "0 7 * * 1-5", "--every", "2h"]).code(2);
    add(&["--cron", "7 o'clock"]).code(2).says("five fields");
    add(&["--at", "2020-01-01 09:00"]).code(2).says("lies in the past");
    add(&["--every", "1s"]).code(2).says("once a minute");
    add(&["--every", "2h", "--zone", "Mars/Olympus"]).code(2).says("no time zone");
    home.run(&["task", "add", "famliy", "x", "--every", "2h"]).code(1).says("did you mean family?");
    add(&["--cron", "0 7 * * 1-5", "--dry-run"])
        .ok()
        .prints("each weekday at 07:00 (Europe/Berlin), next ")
        .prints("Nothing was made");
    home.run(&["task", "list"]).ok().prints("There is no task.");
    let made = add(&["--cron", "0 7 * * 1-5", "--missed", "skip"]).ok();
    made.prints("Task 1 of family: each weekday at 07:00 (Europe/Berlin), next ").says("No daemon runs");
    home.run(&["task", "list"]).ok().prints("each weekday at 07:00 (Europe/Berlin)").prints("say hello");
    let change = |what: &str| home.run(&["task", what, "1"]);
    home.run(&["task", "pause", "1", "--dry-run"]).ok().prints("would be paused");
    change("pause").ok().prints("Task 1 is paused");
    change("pause").ok().prints("paused already");
    home.run(&["task", "show", "1"])
        .ok()
        .prints("state     paused")
        .prints("missed    skip")
        .prints("made by   the owner");
    change("resume").ok().prints("Task 1 goes on: each weekday");
    change("run-now").ok().prints("is carried out now");
    change("run-now").code(1).says("waits or runs already");
    change("cancel").ok().prints("Task 1 is cancelled.");
    change("resume").code(1).says("is over (cancelled)");
    home.run(&["task", "show", "7"]).code(1).says("there is no task 7");
    assert_eq!(home.run(&["task", "list", "--json"]).ok().json(), serde_json::json!([]));
    let all = home.run(&["task", "list", "--all", "--json"]).ok().json();
    assert_eq!(
        (&all[0]["state"], &all[0]["schedule"], &all[0]["time_zone"]),
        (&"cancelled".into(), &"0 7 * * 1-5".into(), &"Europe/Berlin".into())
    );
    assert_eq!(states(&home, 1), ["stopped"]);
}

/// A server that holds its first answer back until the returned sender is dropped.
fn slow_server() -> (Upstream, std::sync::mpsc::Sender<()>) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(Some(held));
    let server = Upstream::start(&["notes.example"], move |_| {
        let first = held.lock().unwrap().take();
        if let Some(held) = first {
            let _ = held.recv_timeout(2 * support::PATIENCE);
        }
        Response::ok("noted\n")
    });
    (server, release)
}

#[test]
fn a_run_of_a_task_that_only_read_is_repeated_after_a_kill_and_one_that_wrote_is_told() {
    for (command, lines, kind) in [
        ("curl -sS https://notes.example/page", vec!["GET /page", "GET /page"], "reply"),
        ("curl -sS -d milk https://notes.example/notes", vec!["POST /notes"], "failure"),
    ] {
        let (server, _release) = slow_server();
        let home = Home::new().host("notes.example", &server).group("family").policy("family", POLICY);
        let daemon = home.up();
        let task = soon(&home, "family", command, &[]);
        until("the request to be upstream", || server.requests().len() == 1);
        daemon.kill();
        assert_eq!(states(&home, task), ["open"]);
        let _daemon = home.up();
        let mut chat = Chat::open(&home, "family");
        let said = unasked(&mut chat);
        assert_eq!(said.0, kind, "{said:?}");
        assert!(kind == "reply" || said.1.contains("Something had already gone out by then"), "{said:?}");
        assert_eq!(server.lines(), lines);
        assert_eq!(states(&home, task), [if kind == "reply" { "done" } else { "failed" }]);
    }
}
