//! What a message is beside its text: a reaction to one of ours, a later version, or one that was handed on.

use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::House;
use super::server::Seen;

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
    // To what others wrote: nobody's business.
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
