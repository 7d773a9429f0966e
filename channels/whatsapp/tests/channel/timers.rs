//! Chats in which messages disappear: what goes out goes with them.

use whatsapp_rust::prelude::{MessageBuilderExt, MessageExt};
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::House;
use super::server::{OWN, bare};

const GROUP: &str = "120363000000000001@g.us";
const WEEK: u32 = 604_800;

fn disappearing(text: &str) -> wa::Message {
    let context = wa::ContextInfo { expiration: Some(WEEK), ..Default::default() };
    wa::Message::text_with_context(text, context)
}

fn stays(message: &wa::Message) -> Option<u32> {
    message.get_base_message().extended_text_message.as_option()?.context_info.as_option()?.expiration
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
