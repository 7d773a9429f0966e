//! Chats that are not registered: nothing from them is reported, kept or answered.

use std::time::Duration;

use channel_protocol::ToChannel;
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::{House, holds, words};
use super::server::{OWN, Seen, bare};

const STRANGER: &str = "491769876543@s.whatsapp.net";
const STRANGER_LID: &str = "77712312312@lid";
const GROUP: &str = "120363999999999999@g.us";
const SECRET: &str = "the safe opens with 4711-orange";

#[tokio::test]
async fn nothing_of_a_stranger_is_kept() {
    let mut house = House::linked().await;
    for phone in [ANNA, STRANGER, STRANGER_LID] {
        house.server.phone(phone).await;
    }
    house.server.group(GROUP, &[STRANGER, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    let text = wa::Message::text(SECRET);
    house.server.named(STRANGER, "Eve Stranger").await;
    house.server.write(STRANGER, "X1", &text, &[]).await;
    house.server.write(STRANGER, "X2", &text, &[]).await;
    house.server.write(STRANGER_LID, "X3", &text, &[("sender_pn", STRANGER)]).await;
    house.server.write_group(GROUP, STRANGER, "X4", &text, true).await;
    for id in ["X1", "X2", "X3", "X4"] {
        while house.server.unacknowledged().await.contains(&id.to_owned()) {
            house.seen().await;
        }
    }
    // The next message is the first that the daemon is told of.
    house.server.write(ANNA, "A1", &wa::Message::text("hello"), &[]).await;
    assert_eq!(program.take().await.id, "A1");
    house.until(Seen::Receipt { id: "A1".into() }).await;

    let traces = [SECRET, "491769876543", "77712312312", "120363999999999999", "Eve Stranger"];
    assert_eq!(holds(house.path(), &traces), [], "while it runs");
    assert_eq!(program.close().await, 0);
    assert_eq!(holds(house.path(), &traces), [], "after its end");
    assert_ne!(holds(house.path(), &[OWN]), [], "the search finds what is there");
}

#[tokio::test]
async fn a_stranger_is_understood_again_after_a_restart() {
    let mut house = House::linked().await;
    house.server.phone(STRANGER).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(STRANGER, "X1", &wa::Message::text("one"), &[]).await;
    house.until(Seen::Receipt { id: "X1".into() }).await;
    program.tell(&ToChannel::Typing { chat: STRANGER.into(), on: true }).await;
    assert_eq!(program.close().await, 0);

    // Registered now: the session stored under a hashed name still works.
    let mut program = house.run("own-number", &[STRANGER]).await;
    house.server.write(STRANGER, "X2", &wa::Message::text("two"), &[]).await;
    assert_eq!(program.take().await.text, "two");
}

#[tokio::test]
async fn nothing_is_sent_to_a_stranger() {
    let mut house = House::linked().await;
    for phone in [ANNA, STRANGER] {
        house.server.phone(phone).await;
    }
    let mut program = house.run("own-number", &[ANNA]).await;
    program.send(1, STRANGER, "psst", None).await;
    let (why, retry) = program.outcome(1).await.unwrap_err();
    assert!(!retry && why.contains("not registered"), "{why}");
    program.tell(&ToChannel::Typing { chat: STRANGER.into(), on: true }).await;

    // Registered later, by a new list.
    program.tell(&ToChannel::Chats { chats: words(&[STRANGER]) }).await;
    program.send(2, STRANGER, "hello", None).await;
    let (to, ..) = house.message().await;
    assert_eq!(to, STRANGER);
    program.outcome(2).await.unwrap();
    program.send(3, ANNA, "psst", None).await;
    assert!(program.outcome(3).await.is_err(), "the new list replaces the old one");
    tokio::time::timeout(Duration::from_millis(300), async {
        loop {
            let seen = house.seen().await;
            assert!(!matches!(seen, Seen::Message { .. } | Seen::ChatState { .. }), "{seen:?}");
        }
    })
    .await
    .unwrap_err();
}
