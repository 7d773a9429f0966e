//! Chats in which messages disappear: outgoing ones do as well.

use whatsapp_rust::prelude::{MessageBuilderExt, MessageExt};
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::files::file;
use super::program::House;
use super::server::{OWN, Seen, bare};

const GROUP: &str = "120363000000000001@g.us";
const WEEK: u32 = 604_800;

fn disappearing(text: &str) -> wa::Message {
    let context = wa::ContextInfo { expiration: Some(WEEK), ..Default::default() };
    wa::Message::text_with_context(text, context)
}

fn stays(message: &wa::Message) -> Option<u32> {
    let message = message.get_base_message();
    let text = message.extended_text_message.as_option().map(|text| &text.context_info);
    let picture = message.image_message.as_option().map(|picture| &picture.context_info);
    let document = message.document_message.as_option().map(|document| &document.context_info);
    text.or(picture).or(document)?.as_option()?.expiration
}

/// A phone sets the lifetime, without a message.
fn set_to(seconds: u32) -> wa::Message {
    let setting = wa::message::ProtocolMessage {
        r#type: Some(wa::message::protocol_message::Type::EPHEMERAL_SETTING),
        ephemeral_expiration: Some(seconds),
        ..Default::default()
    };
    wa::Message { protocol_message: setting.into(), ..Default::default() }
}

#[tokio::test]
async fn answers_and_notices_disappear_where_messages_do_also_after_a_restart() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[ANNA, GROUP]).await;
    house.server.write(ANNA, "A1", &disappearing("hello"), &[]).await;
    program.take().await;
    house.server.write_group(GROUP, ANNA, "G1", &disappearing("@Doorward hi"), true).await;
    program.take().await;
    for (id, chat, to) in [(1, ANNA, Some("A1")), (2, ANNA, None), (3, GROUP, Some("G1"))] {
        program.send(id, chat, "an answer", to).await;
        assert_eq!(stays(&house.message().await.2), Some(WEEK), "{chat} {to:?}");
        program.outcome(id).await.unwrap();
    }
    assert_eq!(program.close().await, 0);

    let mut program = house.run("own-number", &[ANNA, GROUP]).await;
    program.send(4, ANNA, "a notice", None).await;
    assert_eq!(stays(&house.message().await.2), Some(WEEK));
    program.outcome(4).await.unwrap();
    house.server.write(ANNA, "A2", &wa::Message::text("switched off"), &[]).await;
    program.take().await;
    program.send(5, ANNA, "an answer that stays", Some("A2")).await;
    assert_eq!(stays(&house.message().await.2), None);
    program.outcome(5).await.unwrap();
}

/// Whatever sets it, and whatever is sent: the setting alone, files, a chat by its other name, and
/// a message that arrives after later ones.
#[tokio::test]
async fn what_a_chat_says_last_counts_for_all_that_goes_out() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.write(ANNA, "S1", &set_to(WEEK), &[("t", "1700000100")]).await;
    house.until(Seen::Receipt { id: "S1".into() }).await;
    for (id, name, media) in [(1, "a.pdf", "application/pdf"), (2, "a.png", "image/png")] {
        program.send_file(id, ANNA, "", file(name, media, b"content")).await;
        assert_eq!(stays(&house.message().await.2), Some(WEEK), "{name}");
        program.outcome(id).await.unwrap();
    }
    // Written before the setting, and resent after it.
    house.server.write(ANNA, "A1", &wa::Message::text("older"), &[("t", "1700000000")]).await;
    program.take().await;
    program.send(3, ANNA, "an answer", Some("A1")).await;
    assert_eq!(stays(&house.message().await.2), Some(WEEK));
    program.outcome(3).await.unwrap();
    house.server.write(ANNA, "S2", &set_to(0), &[("t", "1700000200")]).await;
    house.until(Seen::Receipt { id: "S2".into() }).await;
    program.send(4, ANNA, "an answer that stays", None).await;
    assert_eq!(stays(&house.message().await.2), None);
    program.outcome(4).await.unwrap();
}
