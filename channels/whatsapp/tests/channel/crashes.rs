//! A crash, a cut or a silent daemon loses nothing, and repeats nothing.

use channel_protocol::{ChannelState, ToChannel};
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

use super::party::REGISTRATION;
use super::program::{House, command, holds};
use super::server::{OWN, Seen, bare};
use super::{ANNA, said};

const BERT: &str = "491702222222@s.whatsapp.net";
const STRANGER: &str = "491769876543@s.whatsapp.net";
const GROUP: &str = "120363000000000001@g.us";

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

/// The commands connect as well, and WhatsApp delivers then.
#[tokio::test]
async fn what_comes_while_the_chats_are_listed_is_the_daemons() {
    let mut house = House::linked().await;
    let lid = "20001112223@lid";
    for phone in [ANNA, lid, STRANGER] {
        house.server.phone(phone).await;
    }
    house.server.write(ANNA, "A1", &wa::Message::text("do not lose me"), &[]).await;
    house.server.write(lid, "L1", &wa::Message::text("nor me"), &[("sender_pn", BERT)]).await;
    house.server.write(STRANGER, "X1", &wa::Message::text("the safe opens with 4711"), &[]).await;
    let url = house.server.url.clone();
    let words = ["chats", "--registered", ANNA, "--registered", BERT];
    for _ in 0..2 {
        let (code, text) = command(house.path(), Some(&url), &words).await;
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(holds(house.path(), &["the safe opens with 4711", "491769876543"]), []);
    let mut program = house.run("own-number", &[ANNA, BERT]).await;
    let mut taken = [program.take().await.text, program.take().await.text];
    taken.sort();
    assert_eq!(taken, ["do not lose me", "nor me"]);
}

/// WhatsApp may name its chat otherwise than the daemon does.
#[tokio::test]
async fn a_message_that_was_not_committed_comes_again_under_either_name() {
    let mut house = House::linked().await;
    let lid = "20001112223@lid";
    house.server.phone(lid).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(lid, "L1", &wa::Message::text("do not lose me"), &[("sender_pn", ANNA)]).await;
    assert_eq!(program.hear().await.id, "L1");
    assert_eq!(program.close().await, 0);
    assert_eq!(house.server.unacknowledged().await, ["L1"]);
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(lid, "L2", &wa::Message::text("nor me"), &[("sender_pn", ANNA)]).await;
    for id in ["L1", "L2"] {
        assert_eq!(program.take().await.id, id);
    }
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

/// A break is not waited out: messages that WhatsApp has taken but not confirmed are returned at
/// once.
#[tokio::test]
async fn what_a_break_left_unconfirmed_is_given_back_at_once() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.silent(true).await;
    program.send(7, ANNA, "once", None).await;
    let (_, id, _) = house.message().await;
    house.server.cut().await;
    // First the state, so that the daemon does not count it against the message.
    program.until(ChannelState::Connecting).await;
    let (why, retry) = program.outcome(7).await.unwrap_err();
    assert!(retry && why.contains("broke"), "{why}");
    house.server.silent(false).await;
    program.send(7, ANNA, "once", None).await;
    assert_eq!(house.message().await.1, id);
    program.outcome(7).await.unwrap();
}

/// The program stores a key that arrived with a message shortly after it has taken the message. If
/// it dies in between, it cannot decrypt the next one: it asks the phone, which sends it again.
/// Each message arrives once, in the order of the resends.
#[tokio::test]
async fn what_a_death_left_unreadable_is_asked_for_and_comes_once() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    house.run("own-number", &[GROUP]).await.kill().await;
    let before = house.files();
    let mut program = house.run("own-number", &[GROUP]).await;
    house.server.write_group(GROUP, ANNA, "G0", &wa::Message::text("0"), true).await;
    assert_eq!(program.take().await.id, "G0");
    house.until(Seen::Receipt { id: "G0".into() }).await;
    program.kill().await;
    house.put_back(&before);

    let written = ["G1", "G2", "G3"];
    for id in written {
        house.server.write_group(GROUP, ANNA, id, &wa::Message::text(id), false).await;
    }
    let mut program = house.run("own-number", &[GROUP]).await;
    let mut taken = Vec::new();
    for _ in written {
        taken.push(program.take().await.id);
    }
    taken.sort();
    assert_eq!(taken, written);
    let mut unread = written.to_vec();
    while !unread.is_empty() {
        if let Seen::Retry { id } = house.seen().await {
            unread.retain(|one| *one != id);
        }
    }
    // From now on it has the key.
    house.server.write_group(GROUP, ANNA, "G4", &wa::Message::text("4"), false).await;
    assert_eq!(program.take().await.id, "G4");
    house.until(Seen::Receipt { id: "G4".into() }).await;
    assert_eq!(house.asked_again().len(), 0);
}

/// A phone may find out only after a restart that it cannot decrypt an answer.
#[tokio::test]
async fn what_a_phone_cannot_decrypt_is_sent_again_after_a_restart_too() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    for (number, chat) in [(7, ANNA), (8, GROUP)] {
        let mut program = house.run("own-number", &[ANNA, GROUP]).await;
        program.send(number, chat, "read me", None).await;
        let (_, id, _) = house.message().await;
        program.outcome(number).await.unwrap();
        program.kill().await;
        let program = house.run("own-number", &[ANNA, GROUP]).await;
        for _ in 0..2 {
            house.server.send(asks_again(chat, ANNA, &id)).await;
            let (to, again, message) = house.message().await;
            assert_eq!((to.as_str(), &again, said(&message)), (ANNA, &id, "read me"));
        }
        program.close().await;
    }
}

/// A phone that cannot decrypt the program's message asks for it again.
fn asks_again(chat: &str, from: &str, id: &str) -> Node {
    let number = |tag: &'static str, number: u32| NodeBuilder::new(tag).bytes(number.to_be_bytes().to_vec()).build();
    let retry = NodeBuilder::new("retry").attr("v", "1").attr("count", "1").attr("id", id).attr("t", "1").build();
    let receipt = NodeBuilder::new("receipt").attr("from", chat).attr("id", id).attr("type", "retry").attr("t", "1");
    let receipt = if chat == from { receipt } else { receipt.attr("participant", from) };
    receipt.children([retry, number("registration", REGISTRATION)]).build()
}
