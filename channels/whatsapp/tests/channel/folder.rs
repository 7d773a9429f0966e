//! The folder: private, for one program at a time, and the only one the program can reach.

use std::os::unix::fs::PermissionsExt;

use channel_protocol::ToChannel;
use rusqlite::Connection;
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::{House, command, holds, words};
use super::server::{OWN, Seen};

#[tokio::test]
async fn every_file_is_private() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A1", &wa::Message::text("hi"), &[]).await;
    program.take().await;
    house.until(Seen::Receipt { id: "A1".into() }).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(house.path()), 0o700);
    let mut seen = 0;
    for entry in house.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "session, its journal, lock, status: {seen}");
}

#[tokio::test]
async fn two_programs_do_not_share_the_keys() {
    let mut house = House::linked().await;
    let program = house.run("own-number", &[ANNA]).await;
    let url = house.server.url.clone();
    let (code, text) = command(house.path(), Some(&url), &["chats"]).await;
    assert_ne!(code, 0);
    assert!(text.contains("in use"), "{text}");
    let (code, text) = command(house.path(), None, &["status"]).await;
    assert_eq!((code, text.as_str()), (0, "WhatsApp: connected\n"));
    program.close().await;
}

#[tokio::test]
async fn unlinking_deletes_the_keys() {
    let house = House::linked().await;
    let url = house.server.url.clone();
    let (code, text) = command(house.path(), Some(&url), &["unlink"]).await;
    assert_eq!(code, 0, "{text}");
    assert_eq!(super::program::holds(house.path(), &[OWN]), []);
    assert!(!house.path().join("session.db").exists());
    let (code, _) = command(house.path(), None, &["status", "--json"]).await;
    assert_eq!(code, 3);
}

#[tokio::test]
async fn what_was_sent_is_kept_for_two_hours() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    program.send(1, ANNA, "old", None).await;
    program.outcome(1).await.unwrap();
    program.send(2, ANNA, "new", None).await;
    program.outcome(2).await.unwrap();
    program.close().await;

    let database = Connection::open(house.path().join("session.db")).unwrap();
    assert_eq!(sent(&database), 2);
    let age = "UPDATE sent_messages SET created_at = created_at - 7201
               WHERE rowid = (SELECT min(rowid) FROM sent_messages)";
    database.execute(age, []).unwrap();
    house.run("own-number", &[ANNA]).await.close().await;
    assert_eq!(sent(&database), 1);
}

#[tokio::test]
async fn what_was_sent_goes_with_a_chat() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    program.send(1, ANNA, "for Anna", None).await;
    program.outcome(1).await.unwrap();
    let database = Connection::open(house.path().join("session.db")).unwrap();
    assert_eq!(sent(&database), 1);
    program.tell(&ToChannel::Chats { chats: words(&[ANNA, "120363000000000001@g.us"]) }).await;
    program.tell(&ToChannel::Chats { chats: words(&["120363000000000001@g.us"]) }).await;
    program.close().await;
    assert_eq!(sent(&database), 0);
    drop(database);
    assert_eq!(holds(house.path(), &["for Anna"]), []);
}

fn sent(database: &Connection) -> u32 {
    database.query_row("SELECT count(*) FROM sent_messages", [], |row| row.get(0)).unwrap()
}
