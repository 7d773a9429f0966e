//! What a crash, a cut or a silent daemon costs: nothing, and nothing twice.

use std::collections::{HashMap, HashSet};

use channel_protocol::ToChannel;
use rand::RngExt;
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::House;
use super::server::Seen;
use super::server::bare;
use super::{ANNA, said};

/// How many messages come in five groups.
const MANY: usize = 1000;

/// How many of them may be on their way at once.
const AHEAD: usize = 50;

/// How often the line is cut meanwhile. The pauses before the next connection grow, and
/// a line that is cut so soon does not shorten them again.
const CUTS: usize = 6;

#[tokio::test]
async fn a_message_that_was_not_committed_comes_again() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A1", &wa::Message::text("do not lose me"), &[]).await;
    assert_eq!(program.hear().await.id, "A1");
    program.kill().await;
    assert_eq!(house.server.unacknowledged().await, ["A1"]);

    let mut program = house.run("own-number", &[ANNA]).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.text.as_str()), ("A1", "do not lose me"));
    house.until(Seen::Receipt { id: "A1".into() }).await;
    assert_eq!(house.server.unacknowledged().await, [] as [String; 0]);
}

#[tokio::test]
async fn a_daemon_that_goes_leaves_its_message_unacknowledged() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "A1", &wa::Message::text("wait for me"), &[]).await;
    assert_eq!(program.hear().await.id, "A1");
    assert_eq!(program.close().await, 0);
    assert_eq!(house.server.unacknowledged().await, ["A1"]);
    let mut program = house.run("own-number", &[ANNA]).await;
    assert_eq!(program.take().await.text, "wait for me");
}

#[tokio::test]
async fn a_resend_has_the_same_id_after_a_crash_too() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut program = house.run("own-number", &[ANNA]).await;
        program.send(7, ANNA, "once", None).await;
        let (_, id, message) = house.message().await;
        assert_eq!(said(&message), "once");
        ids.push(id);
        program.kill().await;
    }
    assert_eq!(ids[0], ids[1]);
    let mut program = house.run("own-number", &[ANNA]).await;
    program.send(8, ANNA, "once", None).await;
    assert_ne!(house.message().await.1, ids[0], "another message has another id");
}

#[tokio::test]
async fn a_cut_connection_is_made_again_and_nothing_is_lost() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    for round in 0..3 {
        house.server.cut().await;
        let id = format!("A{round}");
        house.server.write(ANNA, &id, &wa::Message::text(&id), &[]).await;
        assert_eq!(program.take().await.text, id);
        program.send(round, ANNA, &format!("answer {round}"), None).await;
        assert_eq!(said(&house.message().await.2), format!("answer {round}"));
        program.outcome(round).await.unwrap();
    }
}

#[tokio::test]
async fn order_holds_within_a_chat() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    for number in 0..20 {
        house.server.write(ANNA, &format!("A{number}"), &wa::Message::text(number.to_string()), &[]).await;
    }
    for number in 0..20 {
        let message = program.hear().await;
        assert_eq!(message.text, number.to_string());
        program.tell(&ToChannel::Accepted { id: message.id }).await;
    }
    for number in 0..20 {
        program.send(number, ANNA, &number.to_string(), None).await;
    }
    for number in 0..20 {
        assert_eq!(said(&house.message().await.2), number.to_string());
    }
}

#[tokio::test]
async fn many_messages_in_five_groups_survive_a_line_that_breaks() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let groups: Vec<String> = (1..=5).map(|number| format!("12036300000000000{number}@g.us")).collect();
    for group in &groups {
        house.server.group(group, &[ANNA, &bare(super::server::OWN)]).await;
    }
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut program = house.run("own-number", &names).await;
    let mut random = rand::rng();
    let cuts: HashSet<usize> = (0..CUTS).map(|_| random.random_range(0..MANY)).collect();
    let mut seen = HashSet::new();
    let mut told = Vec::new();
    for number in 0..MANY {
        let text = wa::Message::text(number.to_string());
        house.server.write_group(&groups[number % 5], ANNA, &format!("M{number}"), &text, number < 5).await;
        if cuts.contains(&number) {
            house.server.cut().await;
        }
        let allowed = if number + 1 == MANY { 0 } else { AHEAD };
        while number + 1 - told.len() > allowed {
            // The program may tell a message again that it has told before the line broke:
            // it was accepted, but WhatsApp had not heard so. The daemon drops it by its id.
            let message = program.take().await;
            assert_eq!(message.id, format!("M{}", message.text));
            if seen.insert(message.id.clone()) {
                told.push(message);
            }
        }
    }
    // When the line breaks while a sender key is being taken in, the library can be left
    // without it; what it cannot open it asks for again, and the phone's second copy
    // comes when it comes. Everything else is in order.
    let again = house.asked_again();
    let mut last = HashMap::new();
    for message in told.iter().filter(|message| !again.contains(&message.id)) {
        let number: usize = message.text.parse().unwrap();
        let before = last.insert(&message.chat, number);
        assert!(
            before.is_none_or(|before| before < number),
            "{number} came after {before:?} in {}, cut at {cuts:?}",
            message.chat
        );
    }
}
