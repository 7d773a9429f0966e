//! Groups with sender keys.

use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::House;
use super::server::{OWN, Seen, bare};
use super::{ANNA, quoted, quoting, said};

const GROUP: &str = "120363000000000001@g.us";
const BEN: &str = "491702222222@s.whatsapp.net";

#[tokio::test]
async fn a_group_message_is_answered_to_every_member() {
    let mut house = House::linked().await;
    for phone in [ANNA, BEN] {
        house.server.phone(phone).await;
    }
    house.server.group(GROUP, &[ANNA, BEN, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[GROUP]).await;

    house.server.write_group(GROUP, ANNA, "G1", &wa::Message::text("@Door what is up"), true).await;
    let message = program.take().await;
    assert_eq!((message.chat.as_str(), message.sender.id.as_str(), message.group), (GROUP, ANNA, true));
    assert_eq!(message.text, "@Door what is up");
    house.until(Seen::Receipt { id: "G1".into() }).await;

    program.send(1, GROUP, "not much", Some("G1")).await;
    let mut got = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (to, id, answer) = house.message().await;
        assert_eq!(said(&answer), "not much");
        assert_eq!(quoted(&answer).unwrap(), ("G1".to_owned(), ANNA.to_owned(), "@Door what is up".to_owned()));
        got.push(to);
        ids.push(id);
    }
    got.sort();
    assert_eq!(got, [ANNA, BEN]);
    program.outcome(1).await.unwrap();

    // The second message needs no new sender key, and an answer to ours addresses us.
    house.server.write_group(GROUP, BEN, "G2", &quoting("really?", &ids[0], &bare(OWN), "not much"), true).await;
    let message = program.take().await;
    assert!(message.addressed);
    assert_eq!(message.quote.unwrap().text, "not much");
    house.server.write_group(GROUP, ANNA, "G3", &quoting("hm", "G2", BEN, "really?"), false).await;
    assert!(!program.take().await.addressed);
}

#[tokio::test]
async fn members_of_a_group_may_have_only_opaque_ids() {
    let mut house = House::linked().await;
    let lid = "30001112223@lid";
    house.server.phone(lid).await;
    house.server.group(GROUP, &[lid, "99900011122@lid"]).await;
    let mut program = house.run("own-number", &[GROUP]).await;
    house.server.write_group(GROUP, lid, "G1", &wa::Message::text("hi"), true).await;
    assert_eq!(program.take().await.sender.id, lid);
    program.send(1, GROUP, "hello", None).await;
    let (to, _, answer) = house.message().await;
    assert_eq!((to.as_str(), said(&answer)), (lid, "hello"));
    program.outcome(1).await.unwrap();
}

#[tokio::test]
async fn a_message_that_cannot_be_opened_is_asked_for_again() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(GROUP, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[GROUP]).await;
    // The sender key was lost on the way.
    house.server.write_group(GROUP, ANNA, "G1", &wa::Message::text("first"), false).await;
    let message = program.take().await;
    assert_eq!((message.id.as_str(), message.text.as_str()), ("G1", "first"));
    house.until(Seen::Retry { id: "G1".into() }).await;
    house.until(Seen::Receipt { id: "G1".into() }).await;
    // The second copy brought the key.
    house.server.write_group(GROUP, ANNA, "G2", &wa::Message::text("second"), false).await;
    assert_eq!(program.take().await.text, "second");
    house.until(Seen::Receipt { id: "G2".into() }).await;
    assert!(house.asked_again().is_empty());
}
