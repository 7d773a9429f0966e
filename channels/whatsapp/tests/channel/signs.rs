//! Messages other than plain text: a reaction to one of ours, an edit, a forwarded message.

use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::House;
use super::server::{OWN, Seen, bare};

fn key(id: &str) -> wa::MessageKey {
    wa::MessageKey { id: Some(id.to_owned()), ..Default::default() }
}

fn reaction(to: &str, sign: &str) -> wa::Message {
    let reaction =
        wa::message::ReactionMessage { key: key(to).into(), text: Some(sign.to_owned()), ..Default::default() };
    wa::Message { reaction_message: reaction.into(), ..Default::default() }
}

fn edit(of: &str, text: &str) -> wa::Message {
    let note = wa::message::ProtocolMessage {
        key: key(of).into(),
        r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
        edited_message: wa::Message::text(text).into(),
        ..Default::default()
    };
    wa::Message { protocol_message: note.into(), ..Default::default() }
}

#[tokio::test]
async fn a_reaction_to_ours_is_told_with_what_it_is_to() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    program.send(1, ANNA, "may it?", None).await;
    let (_, ours, _) = house.message().await;
    program.outcome(1).await.unwrap();
    house.server.write(ANNA, "R1", &reaction(&ours, "\u{1f44d}"), &[]).await;
    let message = program.take().await;
    assert_eq!((message.reacts_to.as_deref(), &*message.text, &*message.sender.id), (Some(&*ours), "\u{1f44d}", ANNA));
    // To messages of others: ignored.
    house.server.write(ANNA, "R2", &reaction("3EB0ANNASOWN", "\u{1f44d}"), &[]).await;
    house.until(Seen::Receipt { id: "R2".into() }).await;
    house.server.write(ANNA, "R3", &reaction(&ours, ""), &[]).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.reacts_to.as_deref(), &*message.text), ("R3", Some(&*ours), ""));
}

#[tokio::test]
async fn what_was_handed_on_or_written_anew_is_told_as_that() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    let context = wa::ContextInfo { is_forwarded: Some(true), ..Default::default() };
    house.server.write(ANNA, "F1", &wa::Message::text_with_context("yes", context), &[]).await;
    assert!(program.take().await.forwarded);
    house.server.write(ANNA, "F2", &wa::Message::text("yes"), &[]).await;
    let message = program.take().await;
    assert!(!message.forwarded && message.edits.is_none());
    house.server.write(ANNA, "F3", &edit("F2", "no"), &[("edit", "1")]).await;
    let message = program.take().await;
    assert_eq!((message.edits.as_deref(), &*message.text), (Some("F2"), "no"));
}

/// A message's reaction: to which message, by whom in a group, and the emoji.
fn signed(message: &wa::Message) -> (String, Option<String>, String) {
    let sign = message.reaction_message.as_option().unwrap();
    let key = sign.key.as_option().unwrap();
    assert_eq!(key.from_me, Some(false));
    (key.id.clone().unwrap(), key.participant.clone(), sign.text.clone().unwrap())
}

#[tokio::test]
async fn a_sign_is_put_on_what_somebody_wrote() {
    const GROUP: &str = "120363000000000001@g.us";
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[ANNA, GROUP]).await;
    house.server.write(ANNA, "M1", &wa::Message::text("look"), &[]).await;
    program.take().await;
    program.react(1, ANNA, "\u{1f44d}", "M1").await;
    let (to, _, message) = house.message().await;
    assert_eq!((&*to, signed(&message)), (ANNA, ("M1".into(), None, "\u{1f44d}".into())));
    program.outcome(1).await.unwrap();
    house.server.write_group(GROUP, ANNA, "G1", &wa::Message::text("and you"), true).await;
    program.take().await;
    program.react(2, GROUP, "\u{2764}\u{fe0f}", "G1").await;
    let (_, _, message) = house.message().await;
    assert_eq!(signed(&message), ("G1".into(), Some(ANNA.into()), "\u{2764}\u{fe0f}".into()));
    program.outcome(2).await.unwrap();
    // One with an unknown author, and one in another chat.
    for (id, chat, to) in [(3, ANNA, "M0"), (4, GROUP, "M1")] {
        program.react(id, chat, "\u{1f44d}", to).await;
        let (why, retry) = program.outcome(id).await.unwrap_err();
        assert!(why.contains("nobody remembers") && !retry, "{why}");
    }
}

/// The program remembers nothing from before its start: the daemon names the author.
#[tokio::test]
async fn a_sign_is_put_on_what_came_before_the_program_started() {
    const GROUP: &str = "120363000000000001@g.us";
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[ANNA, GROUP]).await;
    for (id, chat) in [(1, ANNA), (2, GROUP)] {
        program.react_to(id, chat, "\u{1f44d}", ("M1", Some(ANNA))).await;
        let (_, _, message) = house.message().await;
        let participant = (chat == GROUP).then(|| ANNA.to_owned());
        assert_eq!(signed(&message), ("M1".into(), participant, "\u{1f44d}".into()));
        program.outcome(id).await.unwrap();
    }
}
