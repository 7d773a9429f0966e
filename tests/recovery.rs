//! What is left after the daemon was killed in the middle of things.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use support::{Chat, Home, PATIENCE, Phone, Response, Upstream, until};

const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
do = [\"GET /page\", \"POST /notes\"]
private = [\"127.0.0.1/32\"]
";

/// A server that holds its first answer back until the returned sender is dropped.
fn slow_server() -> (Upstream, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(Some(held)));
    let server = Upstream::start(&["notes.example"], move |_| {
        let first = held.lock().unwrap().take();
        if let Some(held) = first {
            let _ = held.recv_timeout(2 * PATIENCE);
        }
        Response::ok("noted\n")
    });
    (server, release)
}

/// Kills the daemon while the server holds its answer to `command` back.
fn killed_during(command: &str) -> (Home, Upstream, mpsc::Sender<()>) {
    let (server, release) = slow_server();
    let home = Home::new().host("notes.example", &server).group("family").policy("family", POLICY);
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", command);
    until("the request to be upstream", || server.requests().len() == 1);
    daemon.kill();

    let audit = home.audit();
    let record = audit.only("host", "notes.example");
    assert_eq!((&record["verdict"], &record["ending"]), (&"allow".into(), &"interrupted".into()), "{record:#}");
    assert!(record["outcome"].is_null(), "{record:#}");
    (home, server, release)
}

#[test]
fn a_run_that_only_read_is_run_again_after_a_kill() {
    let (home, server, _release) = killed_during("curl -sS https://notes.example/page");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let said = chat.until_done("m1");
    assert_eq!(said[0], ("reply".into(), "noted".into(), "m1".into()), "{said:?}");
    assert_eq!(server.lines(), ["GET /page", "GET /page"]);
    let audit = home.audit();
    assert_eq!((audit.with("ending", "interrupted").len(), audit.with("ending", "ended").len()), (1, 1));
    assert_eq!(home.containers().len(), 1, "the orphan is gone");
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn a_run_that_wrote_is_told_and_not_run_again_after_a_kill() {
    let (home, server, _release) = killed_during("curl -sS -d milk https://notes.example/notes");
    let _daemon = home.up();
    assert_eq!(home.containers(), Vec::<String>::new(), "no sandbox is left running");
    let mut chat = Chat::open(&home, "family");
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(kind, ..)| kind == "failure"), "{said:?}");
    assert!(said.iter().all(|(kind, ..)| kind != "reply"), "{said:?}");
    // The next message is answered as ever, and by then the first would have been repeated.
    chat.send("m2", "echo here");
    assert_eq!(chat.until_done("m2")[0].1, "here");
    assert_eq!(server.lines(), ["POST /notes"]);
}

#[test]
fn answers_that_nobody_heard_wait_for_the_next_terminal() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "until [ -e go ]; do sleep 0.05; done; echo patience");
    chat.next_of("accepted");
    drop(chat);
    std::fs::write(home.group_folder("family").join("go"), "").unwrap();
    until("the answer to be there", || daemon.status()["sandboxes"][0]["busy"] == false);
    daemon.kill();

    let _daemon = home.up();
    let said = Chat::open(&home, "family").until_done("m1");
    assert_eq!(said[0], ("reply".into(), "patience".into(), "m1".into()));
}

#[test]
fn one_daemon_per_home() {
    let home = Home::new().group("family");
    let daemon = home.up();
    let pid = daemon.pid();
    home.run(&["up"]).code(3).says(&format!("another doorward (pid {pid}) already serves")).says("--home");
    assert_eq!(daemon.pid(), pid, "the first one is not disturbed");
    home.chat("family", "echo here").ok().prints("here");
    daemon.kill();
    // A lock of the dead holds nobody up.
    let again = home.up();
    assert_ne!(again.pid(), pid);
}

/// Kills the daemon fifty times, and its channel's program with it: after a message was
/// stored, while it is being answered, when the answer is there and cannot be sent, and
/// after it was sent and before that was confirmed. The network does not notice what is
/// sent twice.
#[test]
fn fifty_kills_lose_nothing_and_say_nothing_twice() {
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| killed_at_every_step(10));
        }
    });
}

fn killed_at_every_step(kills: usize) {
    let phone = Phone::new();
    let home = Home::new().config(&phone.config()).chat_group("family");
    for kill in 0..kills {
        let daemon = home.up();
        let id = format!("m{kill}");
        match kill % 4 {
            0 => {
                phone.write("family", &id, &format!("echo answer-{id}"));
                phone.until("the message to be stored", |state| state.accepted.contains(&id).then_some(()));
            }
            1 => {
                phone.write(
                    "family",
                    &id,
                    &format!("touch at-{id}; until [ -e go-{id} ]; do sleep 0.02; done; echo answer-{id}"),
                );
                until("the agent to be at work", || home.group_folder("family").join(format!("at-{id}")).exists());
                std::fs::write(home.group_folder("family").join(format!("go-{id}")), "").unwrap();
            }
            2 => {
                phone.until_done("family", &format!("m{}", kill - 1));
                phone.offline(true);
                phone.write("family", &id, &format!("echo answer-{id}"));
                until("the answer to be there", || answers_queued(&home, &id) > 0);
            }
            _ => {
                phone.offline(false);
                phone.never_confirm(&id);
                phone.write("family", &id, &format!("echo answer-{id}"));
                phone.until("the answer to be shown", |state| {
                    state.shown.iter().any(|shown| shown.to == id).then_some(())
                });
            }
        }
        daemon.kill();
        phone.confirm_all();
    }
    phone.offline(false);
    let daemon = home.up();
    phone.write("family", "last", "echo answer-last");
    phone.until_done("family", "last");
    until("all to be confirmed", || answers_queued(&home, "%") == 0);
    daemon.stop().ok();
    let ids: Vec<String> = (0..kills).map(|kill| format!("m{kill}")).chain(["last".to_owned()]).collect();
    told_once(&phone, "family", &ids);
}

/// Each message has one answer under one id, or its failure was told; in their order.
fn told_once(phone: &Phone, chat: &str, messages: &[String]) {
    let shown: Vec<_> = phone.shown().into_iter().filter(|shown| shown.chat == chat).collect();
    let mut order = Vec::new();
    for id in messages {
        let mut told: Vec<_> =
            shown.iter().filter(|shown| shown.to == *id && !matches!(&*shown.kind, "done" | "notice")).collect();
        told.dedup();
        let [one] = &told[..] else { panic!("{id} was told {told:#?}") };
        assert!(one.kind == "failure" || one.text == format!("answer-{id}"), "{one:?}");
        order.push(one.id);
    }
    assert!(order.is_sorted(), "{order:?}");
}

/// What waits to be sent in answer to a message (`%`: to any), as the database has it.
fn answers_queued(home: &Home, to: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(home.at("data/doorward.db"), flags).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let count = "SELECT count(*) FROM outbox WHERE state = 'queued' AND in_reply_to LIKE ?1";
    database.query_row(count, [to], |row| row.get(0)).unwrap()
}
