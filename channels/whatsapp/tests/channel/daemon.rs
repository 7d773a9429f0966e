//! The whole line: phone → WhatsApp → program → daemon → sandbox → and back, with real
//! programs and a real container engine. Needs `doorward` built next to the program under
//! test, and the base image: `make test` sees to both.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::{House, holds};
use super::server::{OWN, Seen, bare};
use super::{ANNA, quoted, said};

const STRANGER: &str = "491769876543@s.whatsapp.net";
const GROUP: &str = "120363000000000001@g.us";

/// How often the daemon is killed.
const ROUNDS: u64 = 5;

/// A container has to start.
const PATIENCE: Duration = Duration::from_secs(60);

struct Doorward {
    house: House,
    daemon: Option<Child>,
}

impl Doorward {
    /// A home with a linked account and two groups: Anna's chat and a family's.
    async fn set_up() -> Self {
        let house = House::linked_below("data/channels/whatsapp").await;
        let home = house.root.path();
        let wrapper = home.join("whatsapp.sh");
        let program = env!("CARGO_BIN_EXE_doorward-whatsapp");
        let script = format!("#!/bin/sh\nexec {program} --server {} \"$@\"\n", house.server.url);
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o700)).unwrap();
        let config = format!("[channels.whatsapp]\nenabled = true\nprogram = \"{}\"\n", wrapper.display());
        std::fs::write(home.join("doorward.toml"), config).unwrap();
        for (name, chat) in [("anna", "+49 170 1111111"), ("family", GROUP)] {
            let add = ["group", "add", name, "--channel", "whatsapp", "--chat", chat];
            assert!(doorward(home, &add).stdout(Stdio::null()).status().await.unwrap().success());
        }
        for phone in [ANNA, STRANGER] {
            house.server.phone(phone).await;
        }
        house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
        Doorward { house, daemon: None }
    }

    fn up(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = doorward(self.house.root.path(), &["up"]);
        let child = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap();
        self.daemon = Some(child);
    }

    fn log(&self) -> PathBuf {
        self.house.root.path().join("log")
    }

    async fn kill(&mut self) {
        self.daemon.take().unwrap().kill().await.unwrap();
    }

    /// What a phone gets next, within the time that a container takes.
    async fn answer(&mut self) -> (String, String, wa::Message) {
        let log = self.log();
        let waiting = async {
            loop {
                if let Seen::Message { to, id, message } = self.house.server.seen.recv().await.unwrap() {
                    return (to, id, *message);
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("no answer; the log:\n{}", std::fs::read_to_string(log).unwrap()))
    }

    async fn down(mut self) -> House {
        let mut child = self.daemon.take().unwrap();
        let pid = rustix::process::Pid::from_child_id(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("the daemon ends").unwrap();
        assert!(status.success(), "{status}");
        self.house
    }
}

trait FromChild {
    fn from_child_id(child: &Child) -> Self;
}

impl FromChild for rustix::process::Pid {
    fn from_child_id(child: &Child) -> Self {
        rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap()
    }
}

#[tokio::test]
async fn a_message_is_answered_from_a_sandbox() {
    let mut all = Doorward::set_up().await;
    all.up();
    all.house.server.write(STRANGER, "X1", &wa::Message::text("echo the orange safe"), &[]).await;
    all.house.server.write(ANNA, "A1", &wa::Message::text("echo hello $((6*7))"), &[]).await;
    let (to, _, answer) = all.answer().await;
    assert_eq!((to.as_str(), said(&answer)), (ANNA, "hello 42"));
    assert_eq!(quoted(&answer).unwrap(), ("A1".into(), ANNA.into(), "echo hello $((6*7))".into()));
    all.house.server.write_group(GROUP, ANNA, "G1", &wa::Message::text("@Doorward echo hello family"), true).await;
    let (_, _, answer) = all.answer().await;
    assert_eq!(said(&answer), "hello family");

    let house = all.down().await;
    let traces = holds(house.root.path(), &["orange safe", "491769876543"]);
    assert_eq!(traces, [], "nothing of a stranger is anywhere below the home, its log included");
}

#[tokio::test]
async fn a_daemon_that_is_killed_answers_once() {
    let mut all = Doorward::set_up().await;
    all.up();
    all.house.server.write(ANNA, "A0", &wa::Message::text("echo ready"), &[]).await;
    assert_eq!(said(&all.answer().await.2), "ready");
    for round in 1..=ROUNDS {
        let text = format!("echo answer {round}");
        all.house.server.write(ANNA, &format!("A{round}"), &wa::Message::text(&text), &[]).await;
        // Somewhere between taken in and answered, each round elsewhere.
        tokio::time::sleep(Duration::from_millis(30 * round * round)).await;
        all.kill().await;
        all.up();
    }
    all.house.server.write(ANNA, "A9", &wa::Message::text("echo the end"), &[]).await;
    // The phone does not drop duplicates: it shows every message that it gets.
    let mut got: Vec<(String, String)> = Vec::new();
    let told = |got: &[(String, String)], round: u64| {
        let answers = got.iter().filter(|(_, text)| *text == format!("answer {round}"));
        let ids: std::collections::BTreeSet<&String> = answers.map(|(id, _)| id).collect();
        assert!(ids.len() <= 1, "one answer has one id, however often it is sent: {got:?}");
        !ids.is_empty()
    };
    while !got.iter().any(|(_, text)| text == "the end") {
        let (_, id, message) = all.answer().await;
        got.push((id, said(&message).to_owned()));
    }
    // What has no answer is told to have failed.
    let answered = (1..=ROUNDS).filter(|round| told(&got, *round)).count();
    let others = got.iter().filter(|(_, text)| !text.starts_with("answer") && text != "the end");
    let failures: std::collections::BTreeSet<&String> = others.map(|(id, _)| id).collect();
    assert!(answered + failures.len() >= usize::try_from(ROUNDS).unwrap(), "{got:?}");
    loop {
        let waiting = all.house.server.unacknowledged().await;
        if waiting.is_empty() {
            break;
        }
        let next = tokio::time::timeout(PATIENCE, all.house.server.seen.recv()).await;
        next.unwrap_or_else(|_| panic!("never acknowledged: {waiting:?}"));
    }
    all.down().await;
}

fn doorward(home: &Path, words: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_doorward-whatsapp")).with_file_name("doorward");
    assert!(program.exists(), "build it first: cargo build --workspace");
    let mut command = Command::new(program);
    command.arg("--home").arg(home).args(words);
    command
}
