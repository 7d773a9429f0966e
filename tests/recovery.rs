//! What is left after the daemon was killed in the middle of things.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use crate::support::{Chat, Home, PATIENCE, Response, Upstream, until};

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
    assert!(said[0].0 == "notice" && said[0].1.contains("begun again from the start"), "{said:?}");
    assert_eq!(said[1], ("reply".into(), "noted".into(), "m1".into()), "{said:?}");
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

/// The door let it through and then found that the host is at an address which the rule does not name.
#[test]
fn a_run_that_wrote_to_nobody_is_told_with_what_to_do() {
    let elsewhere = Upstream::start(&["elsewhere.example"], |_| Response::ok("noted\n"));
    let policy = format!("{POLICY}[[allow]]\nhost = \"elsewhere.example\"\ndo = [\"POST /notes\"]\n");
    let home = Home::new().host("elsewhere.example", &elsewhere).group("family").policy("family", &policy);
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "curl -sS -d milk https://elsewhere.example/notes; touch tried; sleep 1000");
    // By then the log knows that nothing left.
    let ended = || home.audit().with("host", "elsewhere.example").iter().any(|record| !record["outcome"].is_null());
    until("it to be tried", || home.group_folder("family").join("tried").exists() && ended());
    daemon.kill();
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let said = chat.until_done("m1");
    let (_, failure, _) = said.iter().find(|(kind, ..)| kind == "failure").unwrap_or_else(|| panic!("{said:?}"));
    assert!(failure.contains("nothing of that had left") && failure.contains("Send the message again"), "{failure}");
    assert!(!failure.contains("sent something out"), "{failure}");
    assert_eq!(elsewhere.connections(), 0);
}

/// Whatever has become of the log meanwhile, and the owner is told of that.
#[test]
fn a_run_that_wrote_is_not_run_again_where_the_log_is_away() {
    for emptied in [false, true] {
        let (home, server, _release) = killed_during("curl -sS -d milk https://notes.example/notes");
        match emptied {
            true => std::fs::write(home.at("data/audit/000000000001.jsonl"), "").unwrap(),
            false => std::fs::remove_dir_all(home.at("data/audit")).unwrap(),
        }
        let daemon = home.up();
        let mut chat = Chat::open(&home, "family");
        let said = chat.until_done("m1");
        assert!(said.iter().any(|(kind, ..)| kind == "failure"), "{said:?}");
        chat.send("m2", "echo here");
        assert_eq!(chat.until_done("m2")[0].1, "here");
        assert_eq!(server.lines(), ["POST /notes"]);
        daemon.stop().says("the audit log is not the one that was here: it was removed or emptied");
    }
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
    std::fs::remove_file(home.at("data/doorward.lock")).unwrap();
    home.run(&["up"]).code(3).says("another doorward already serves").says("--home");
    assert_eq!(daemon.pid(), pid, "nor where its lock's file is gone");
    home.chat("family", "echo here").ok().prints("here");
    daemon.kill();
    // A lock of the dead holds nobody up.
    let again = home.up();
    assert_ne!(again.pid(), pid);
}
