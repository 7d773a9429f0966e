//! The account's own messages: accepted only in the chat with oneself.

use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::House;
use super::server::{OWN, OWN_LID, Seen, bare};
use super::{ANNA, quoting, said};

#[tokio::test]
async fn the_chat_with_oneself_is_answered() {
    let mut house = House::linked().await;
    let mut program = house.run("self-chat", &["self"]).await;
    let note = to_self("what did I forget?");
    house.server.write(&bare(OWN), "S1", &note, &[("recipient", &bare(OWN))]).await;
    let message = program.take().await;
    assert_eq!((message.chat.as_str(), message.text.as_str()), ("self", "what did I forget?"));
    house.until(Seen::Receipt { id: "S1".into() }).await;

    program.send(1, "self", "the milk", Some("S1")).await;
    let (to, id, answer) = house.message().await;
    assert_eq!((to.as_str(), said(inner(&answer))), (bare(OWN).as_str(), "the milk"));
    program.outcome(1).await.unwrap();

    // It answers our message: only the id distinguishes that from the owner's own words.
    let reply = quoting("which one?", &id, &bare(OWN), "the milk");
    house.server.write(&bare(OWN), "S2", &wrapped(reply), &[("recipient", &bare(OWN))]).await;
    assert!(program.take().await.addressed);
    let reply = quoting("never mind", "S2", &bare(OWN), "which one?");
    house.server.write(&bare(OWN), "S3", &wrapped(reply), &[("recipient", &bare(OWN))]).await;
    assert!(!program.take().await.addressed);

    // Our own message, returned in whatever way, is not a message of the owner's.
    house.server.write(&bare(OWN), &id, &to_self("the milk"), &[("recipient", &bare(OWN))]).await;
    house.server.write(&bare(OWN), "S4", &to_self("thanks"), &[("recipient", &format!("{OWN_LID}@lid"))]).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.chat.as_str()), ("S4", "self"));
}

#[tokio::test]
async fn what_the_owner_writes_to_others_is_not_taken_up() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("self-chat", &["self", ANNA]).await;
    house.server.write(&bare(OWN), "O1", &to_self("see you at eight"), &[("recipient", ANNA)]).await;
    house.until(Seen::Receipt { id: "O1".into() }).await;
    house.server.write(ANNA, "O2", &wa::Message::text("fine"), &[]).await;
    assert_eq!(program.take().await.id, "O2");
}

#[tokio::test]
async fn an_account_of_its_own_does_not_talk_to_itself() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &["self", ANNA]).await;
    house.server.write(&bare(OWN), "O1", &to_self("a note"), &[("recipient", &bare(OWN))]).await;
    house.until(Seen::Receipt { id: "O1".into() }).await;
    house.server.write(ANNA, "O2", &wa::Message::text("hi"), &[]).await;
    assert_eq!(program.take().await.id, "O2");
}

/// As the phone sends its own messages to linked devices.
fn wrapped(message: wa::Message) -> wa::Message {
    wa::Message {
        device_sent_message: wa::message::DeviceSentMessage {
            destination_jid: Some(bare(OWN)),
            message: message.into(),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    }
}

fn to_self(text: &str) -> wa::Message {
    wrapped(wa::Message::text(text))
}

fn inner(message: &wa::Message) -> &wa::Message {
    message.device_sent_message.as_option().and_then(|sent| sent.message.as_option()).unwrap_or(message)
}

/// The opaque id of an account may arrive with the login: from then on, a mention of it counts, and
/// so does the chat with oneself by that name.
#[tokio::test]
async fn a_name_that_comes_with_the_login_is_known_at_once() {
    let mut house = House::linked_without_lid().await;
    let (group, member, own) = ("120363000000000001@g.us", "30001112223@lid", format!("{OWN_LID}@lid"));
    house.server.phone(member).await;
    house.server.group(group, &[member, &own]).await;
    let mut program = house.run("own-number", &[group]).await;
    house.until(Seen::Active).await;
    let context = wa::ContextInfo { mentioned_jid: vec![own], ..Default::default() };
    let mention = wa::Message::text_with_context(format!("@{OWN_LID} are you there?"), context);
    house.server.write_group(group, member, "G1", &mention, true).await;
    assert!(program.take().await.addressed);
}
