//! A disk that has no room for a message, and some again a moment later: the message is not taken
//! for one that arrived before.

use rusqlite::Connection;
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::{House, Program};
use super::server::{OWN, Seen, bare};

const BEN: &str = "491702222222@s.whatsapp.net";
const CLEO: &str = "491703333333@s.whatsapp.net";
const GROUP: &str = "120363000000000001@g.us";

impl House {
    /// Whether messages find room on the disk; everything else does.
    fn room(&self, room: bool) {
        let sql = match room {
            false => {
                "CREATE TRIGGER full BEFORE INSERT ON pending_inbound_messages
                 BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            }
            true => "DROP TRIGGER full",
        };
        let database = Connection::open(self.path().join("session.db")).unwrap();
        database.busy_timeout(super::program::PATIENCE).unwrap();
        database.execute_batch(sql).unwrap();
    }
}

#[tokio::test]
async fn a_message_without_room_comes_again() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A1", &wa::Message::text("there is room"), &[]).await;
    assert_eq!(program.take().await.id, "A1");
    house.until(Seen::Receipt { id: "A1".into() }).await;
    // What the library stores of the first message, it may store a moment later.
    program.close().await;

    house.room(false);
    let program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A2", &wa::Message::text("do not lose me"), &[]).await;
    assert_eq!(program.ended().await, 1);
    house.room(true);

    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A3", &wa::Message::text("after it"), &[]).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.text.as_str()), ("A2", "do not lose me"));
    assert_eq!(program.take().await.id, "A3");
    house.until(Seen::Receipt { id: "A3".into() }).await;
    assert_eq!(house.server.unacknowledged().await, [] as [String; 0]);
}

#[tokio::test]
async fn a_message_without_room_comes_again_in_a_group_too() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[GROUP]).await;
    house.server.write_group(GROUP, ANNA, "G1", &wa::Message::text("there is room"), true).await;
    assert_eq!(program.take().await.id, "G1");
    house.until(Seen::Receipt { id: "G1".into() }).await;
    program.close().await;

    house.room(false);
    let program = house.run("own-number", &[GROUP]).await;
    house.server.write_group(GROUP, ANNA, "G2", &wa::Message::text("do not lose me"), false).await;
    assert_eq!(program.ended().await, 1);
    house.room(true);

    let mut program = house.run("own-number", &[GROUP]).await;
    house.server.write_group(GROUP, ANNA, "G3", &wa::Message::text("after it"), false).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.text.as_str()), ("G2", "do not lose me"));
    assert_eq!(program.take().await.id, "G3");
}

/// The next message is not taken for one that nobody can decrypt, which WhatsApp would drop.
#[tokio::test]
async fn a_message_without_room_takes_no_other_with_it() {
    let mut house = House::linked().await;
    let people = [ANNA, BEN, CLEO];
    let mut program = house.run("own-number", &people).await;
    for (person, id) in people.into_iter().zip(["A1", "B1", "C1"]) {
        house.server.phone(person).await;
        house.server.write(person, id, &wa::Message::text("there is room"), &[]).await;
        assert_eq!(program.take().await.id, id);
        house.until(Seen::Receipt { id: id.into() }).await;
    }
    program.close().await;

    house.room(false);
    for (person, id) in people.into_iter().zip(["A2", "B2", "C2"]) {
        house.server.write(person, id, &wa::Message::text("do not lose me"), &[]).await;
    }
    let mut program = Program::start(house.path(), Some(&house.server.url), "own-number");
    program.greet(&people).await;
    assert_eq!(program.ended().await, 1);
    house.room(true);

    let mut program = house.run("own-number", &people).await;
    let mut came = Vec::new();
    for _ in people {
        came.push(program.take().await.id);
    }
    came.sort();
    assert_eq!(came, ["A2", "B2", "C2"]);
}
