//! Direct chats: in, acknowledged when committed, and out, with quotes and both names.

use channel_protocol::{Sender, ToChannel};
use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::House;
use super::server::Seen;
use super::{ANNA, quoted, said};

#[tokio::test]
async fn a_message_comes_in_and_its_answer_goes_out_with_a_quote() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;

    house.server.write(ANNA, "A1", &wa::Message::text("hello there"), &[]).await;
    let message = program.hear().await;
    assert_eq!((message.id.as_str(), message.chat.as_str(), message.text.as_str()), ("A1", ANNA, "hello there"));
    assert_eq!(message.sender, Sender { id: ANNA.into(), name: "Anna".into() });
    assert!(!message.group && !message.addressed && message.quote.is_none());
    assert_eq!(house.server.unacknowledged().await, ["A1"], "nothing is committed yet");
    program.tell(&ToChannel::Accepted { id: "A1".into() }).await;
    house.until(Seen::Receipt { id: "A1".into() }).await;

    program.send(1, ANNA, "hello yourself", Some("A1")).await;
    let (to, _, answer) = house.message().await;
    assert_eq!((to.as_str(), said(&answer)), (ANNA, "hello yourself"));
    assert_eq!(quoted(&answer).unwrap(), ("A1".to_owned(), ANNA.to_owned(), "hello there".to_owned()));
    program.outcome(1).await.unwrap();
    assert_eq!(program.close().await, 0);
}

#[tokio::test]
async fn a_chat_is_known_by_either_name() {
    let mut house = House::linked().await;
    let lid = "20001112223@lid";
    house.server.phone(lid).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(lid, "L1", &wa::Message::text("by my other name"), &[("sender_pn", ANNA)]).await;
    let message = program.take().await;
    assert_eq!((message.chat.as_str(), message.sender.id.as_str()), (ANNA, ANNA));
    house.until(Seen::Receipt { id: "L1".into() }).await;
}

#[tokio::test]
async fn a_chat_that_has_only_an_opaque_id_is_answered_there() {
    let mut house = House::linked().await;
    let lid = "20001112223@lid";
    house.server.phone(lid).await;
    let mut program = house.run("own-number", &[lid]).await;
    house.server.write(lid, "L1", &wa::Message::text("who am I?"), &[]).await;
    assert_eq!(program.take().await.sender.id, lid);
    program.send(1, lid, "no idea", Some("L1")).await;
    let (to, _, answer) = house.message().await;
    assert_eq!((to.as_str(), said(&answer)), (lid, "no idea"));
    program.outcome(1).await.unwrap();
}

#[tokio::test]
async fn typing_is_shown_and_hidden() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    for (on, state) in [(true, "composing"), (false, "paused")] {
        program.tell(&ToChannel::Typing { chat: ANNA.into(), on }).await;
        house.until(Seen::ChatState { to: ANNA.into(), state: state.into() }).await;
    }
}

/// A message about another message is dropped; content that somebody sends on purpose is named.
#[tokio::test]
async fn what_is_no_text_is_named_and_nothing_vanishes() {
    use wa::message as m;
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    let reaction = m::ReactionMessage { text: Some("👍".into()), ..Default::default() };
    let reaction = wa::Message { reaction_message: reaction.into(), ..Default::default() };
    house.server.write(ANNA, "R1", &reaction, &[]).await;
    let image = m::ImageMessage { caption: Some("look".into()), ..Default::default() };
    let image = wa::Message { image_message: image.into(), ..Default::default() };
    let voice = m::AudioMessage { ptt: Some(true), ..Default::default() };
    let voice = wa::Message { audio_message: voice.into(), ..Default::default() };
    let inner = wa::Message { ephemeral_message: wrapper(wa::Message::text("within")).into(), ..Default::default() };
    let wrapped = wa::Message { view_once_message_v2: wrapper(inner).into(), ..Default::default() };
    for (id, message, said) in [
        ("R2", image, "look\n[with a picture, which cannot be seen here yet]"),
        ("R3", voice, "[a voice note, which cannot be heard here yet]"),
        ("R4", wrapped, "within"),
    ] {
        house.server.write(ANNA, id, &message, &[]).await;
        let message = program.take().await;
        assert_eq!((message.id.as_str(), message.text.as_str()), (id, said));
    }
}

fn wrapper(message: wa::Message) -> wa::message::FutureProofMessage {
    wa::message::FutureProofMessage { message: message.into() }
}
