//! `expect`: which chat a code comes from, and what becomes of every other message.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::{House, PATIENCE, holds};
use super::server::{OWN, Seen, bare};

const STRANGER: &str = "491769876543@s.whatsapp.net";
const CODE: &str = "12345678";

struct Expecting {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Expecting {
    fn start(folder: &Path, server: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-whatsapp"));
        command.arg("--folder").arg(folder).args(["--server", server, "expect", "--code", CODE]).args(more).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Expecting { child, lines }
    }

    async fn says(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it says nothing");
        serde_json::from_str(&line.unwrap().expect("it has ended")).unwrap()
    }

    async fn ends(mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap().code()
    }
}

#[tokio::test]
async fn the_code_says_whose_chat_it_is_and_nothing_else_is_kept() {
    let mut house = House::linked().await;
    for phone in [ANNA, STRANGER] {
        house.server.phone(phone).await;
    }
    house.server.named(STRANGER, "Eve Stranger").await;
    let mut program = Expecting::start(house.path(), &house.server.url, &[]);
    assert_eq!(program.says().await, json!({ "listens": {} }));
    house.server.write(STRANGER, "X1", &wa::Message::text("the safe opens with 4711"), &[]).await;
    assert_eq!(program.says().await, json!({ "other": {} }));
    house.until(Seen::Receipt { id: "X1".into() }).await;
    house.server.write(ANNA, "A1", &wa::Message::text("here: 1234 5678"), &[]).await;
    assert_eq!(program.says().await, json!({ "proven": { "chat": ANNA, "name": "Anna" } }));
    assert_eq!(program.ends().await, Some(0));
    assert_eq!(holds(house.path(), &["the safe opens with 4711", "491769876543", "Eve Stranger"]), []);
}

#[tokio::test]
async fn a_group_proves_nobody_and_registered_chats_are_the_daemons() {
    let mut house = House::linked().await;
    let group = "120363000000000001@g.us";
    for phone in [ANNA, STRANGER] {
        house.server.phone(phone).await;
    }
    house.server.group(group, &[STRANGER, &bare(OWN)]).await;
    let mut program = Expecting::start(house.path(), &house.server.url, &["--registered", ANNA]);
    assert_eq!(program.says().await, json!({ "listens": {} }));
    house.server.write_group(group, STRANGER, "G1", &wa::Message::text(CODE), true).await;
    house.server.write(ANNA, "A1", &wa::Message::text("what is for dinner?"), &[]).await;
    assert_eq!(program.says().await, json!({ "other": {} }), "the group's is not heard");
    house.server.write(STRANGER, "X1", &wa::Message::text(CODE), &[]).await;
    assert_eq!(program.says().await["proven"]["chat"], STRANGER);
    assert_eq!(program.ends().await, Some(0));

    // The daemon gets the messages that were left to it.
    let mut program = house.run("own-number", &[ANNA]).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.text.as_str()), ("A1", "what is for dinner?"));
}

/// It ended before WhatsApp had the acknowledgements, so the code and what was typed wrong arrive again, at the daemon.
#[tokio::test]
async fn a_code_that_comes_again_is_no_message() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = Expecting::start(house.path(), &house.server.url, &[]);
    assert_eq!(program.says().await, json!({ "listens": {} }));
    house.server.write(ANNA, "A0", &wa::Message::text("8765 4321"), &[]).await;
    assert_eq!(program.says().await, json!({ "other": {} }));
    house.server.write(ANNA, "A1", &wa::Message::text(CODE), &[]).await;
    assert_eq!(program.says().await["proven"]["chat"], ANNA);
    assert_eq!(program.ends().await, Some(0));

    let mut program = house.run("own-number", &[ANNA]).await;
    for (id, text) in [("A0", "8765 4321"), ("A1", CODE)] {
        house.server.write(ANNA, id, &wa::Message::text(text), &[]).await;
    }
    house.server.write(ANNA, "A2", &wa::Message::text("what is for dinner?"), &[]).await;
    assert_eq!(program.take().await.id, "A2");
    house.until(Seen::Receipt { id: "A1".into() }).await;
}

/// In one delivery, which is what WhatsApp kept while nothing was connected.
#[tokio::test]
async fn what_is_sent_right_after_the_code_is_not_lost() {
    let lid = "20001112223@lid";
    let names: [(&str, &[(&str, &str)]); 2] = [(ANNA, &[]), (lid, &[("sender_pn", ANNA)])];
    for (phone, more) in names {
        let mut house = House::linked().await;
        house.server.phone(phone).await;
        house.server.phone(STRANGER).await;
        let image = wa::message::ImageMessage { caption: Some("look".into()), ..Default::default() };
        let image = wa::Message { image_message: image.into(), ..Default::default() };
        for (id, message) in [
            ("A0", wa::Message::text("8765 4321")),
            ("A1", wa::Message::text(CODE)),
            ("A2", wa::Message::text("what is for dinner?")),
            ("A3", image),
        ] {
            house.server.write(phone, id, &message, more).await;
        }
        house.server.write(STRANGER, "X1", &wa::Message::text("the safe opens with 4711"), &[]).await;
        let mut program = Expecting::start(house.path(), &house.server.url, &[]);
        assert_eq!(program.says().await, json!({ "listens": {} }));
        let mut said = program.says().await;
        while said == json!({ "other": {} }) {
            said = program.says().await;
        }
        assert_eq!(said["proven"]["chat"], ANNA);
        assert_eq!(program.ends().await, Some(0));
        assert_eq!(holds(house.path(), &["the safe opens with 4711", "491769876543"]), []);

        let mut program = house.run("own-number", &[ANNA]).await;
        for (id, text) in
            [("A2", "what is for dinner?"), ("A3", "look\n[with a picture, which cannot be seen here yet]")]
        {
            let message = program.take().await;
            assert_eq!((message.id.as_str(), message.text.as_str()), (id, text));
        }
        house.server.write(phone, "A4", &wa::Message::text("and for lunch?"), more).await;
        assert_eq!(program.take().await.id, "A4", "nothing comes twice");
        house.until(Seen::Receipt { id: "A4".into() }).await;
        assert_eq!(house.server.unacknowledged().await, [] as [String; 0]);
    }
}

/// `setup` ends the program as soon as it has named the chat.
#[tokio::test]
async fn what_comes_while_the_program_that_proves_is_ended_is_not_lost() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = Expecting::start(house.path(), &house.server.url, &[]);
    assert_eq!(program.says().await, json!({ "listens": {} }));
    house.server.write(ANNA, "A1", &wa::Message::text(CODE), &[]).await;
    house.server.write(ANNA, "A2", &wa::Message::text("what is for dinner?"), &[]).await;
    assert_eq!(program.says().await["proven"]["chat"], ANNA);
    house.server.write(ANNA, "A3", &wa::Message::text("and for lunch?"), &[]).await;
    program.child.kill().await.unwrap();

    let mut program = house.run("own-number", &[ANNA]).await;
    for id in ["A2", "A3"] {
        assert_eq!(program.take().await.id, id);
    }
}

#[tokio::test]
async fn the_chat_with_oneself_is_proven_by_oneself() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = Expecting::start(house.path(), &house.server.url, &["--mode", "self-chat"]);
    assert_eq!(program.says().await, json!({ "listens": {} }));
    // Another person's code does not show whose account it is.
    house.server.write(ANNA, "A1", &wa::Message::text(CODE), &[]).await;
    for (id, text) in [("S1", CODE), ("S2", "what is for dinner?")] {
        let sent = wa::message::DeviceSentMessage {
            destination_jid: Some(bare(OWN)),
            message: wa::Message::text(text).into(),
            ..Default::default()
        };
        let note = wa::Message { device_sent_message: sent.into(), ..Default::default() };
        house.server.write(&bare(OWN), id, &note, &[("recipient", &bare(OWN))]).await;
    }
    assert_eq!(program.says().await["proven"]["chat"], "self");
    assert_eq!(program.ends().await, Some(0));

    let mut program = house.run("self-chat", &["self"]).await;
    assert_eq!(program.take().await.id, "S2");
}
