//! Refusals by WhatsApp's server: whether one is final depends on its number.

use whatsapp_rust::prelude::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use super::program::House;
use super::server::{OWN, bare};
use super::{ANNA, said};

#[tokio::test]
async fn a_refusal_that_may_pass_is_tried_again() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    for (id, code) in [(1, "503"), (2, "500"), (3, "429")] {
        house.server.refuse(code, 1).await;
        program.send(id, ANNA, "the answer", None).await;
        let (why, retry) = program.outcome(id).await.unwrap_err();
        assert!(retry && why.contains(code), "{code}: {why}");
        let (_, first, _) = house.message().await;
        // The daemon sends it again, with the same id.
        program.send(id, ANNA, "the answer", None).await;
        let (to, again, message) = house.message().await;
        assert_eq!((to.as_str(), said(&message), again), (ANNA, "the answer", first));
        program.outcome(id).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_for_good_says_its_number() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    for (id, code) in [(1, "403"), (2, "404"), (3, "nonsense")] {
        house.server.refuse(code, 1).await;
        program.send(id, ANNA, "the answer", None).await;
        let (why, retry) = program.outcome(id).await.unwrap_err();
        assert!(!retry && why.contains(code), "{code}: {why}");
        house.message().await;
    }
}

/// An address, or a list of devices or members, may be outdated: one retry, with everything queried
/// again. A refusal after that is final.
#[tokio::test]
async fn what_may_be_out_of_date_is_asked_anew_once() {
    let mut house = House::linked().await;
    let lid = "20001112223@lid";
    house.server.phone(lid).await;
    house.server.also(lid, ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    // This tells the program both names.
    house.server.write(lid, "L1", &wa::Message::text("by my other name"), &[("sender_pn", ANNA)]).await;
    program.take().await;
    for (id, code) in [(1, "400"), (2, "421"), (3, "463"), (4, "479")] {
        house.server.refuse(code, 1).await;
        program.send(id, ANNA, "the answer", None).await;
        let ((_, first, _), (_, second, again)) = (house.message().await, house.message().await);
        assert_eq!((said(&again), second), ("the answer", first), "phones show it once");
        program.outcome(id).await.unwrap();
        house.server.refuse(code, 2).await;
        program.send(10 + id, ANNA, "another", None).await;
        let (why, retry) = program.outcome(10 + id).await.unwrap_err();
        assert!(!retry && why.contains(code), "{why}");
        house.message().await;
        house.message().await;
    }
}

/// The last answer counts, whatever was to be sent: a fresh query may meet temporary trouble, and a
/// group's list and a reaction are refused like a text.
#[tokio::test]
async fn each_refusal_is_asked_of_its_own_number() {
    let group = "120363000000000001@g.us";
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    house.server.group(group, &[ANNA, &bare(OWN)]).await;
    let mut program = house.run("own-number", &[ANNA, group]).await;
    for (id, codes, passes) in [(1, ["400", "503"], true), (2, ["421", "429"], true), (3, ["463", "403"], false)] {
        for code in codes {
            house.server.refuse(code, 1).await;
        }
        program.send(id, ANNA, "the answer", None).await;
        let (why, retry) = program.outcome(id).await.unwrap_err();
        assert!(retry == passes && why.contains(codes[1]), "{codes:?}: {why}");
        house.message().await;
        house.message().await;
    }
    house.server.refuse("421", 1).await;
    program.send(4, group, "to all", None).await;
    program.outcome(4).await.unwrap();
    house.message().await;
    house.message().await;

    house.server.write(ANNA, "A1", &wa::Message::text("put a sign on it"), &[]).await;
    program.take().await;
    house.server.refuse("500", 1).await;
    program.react(5, ANNA, "\u{1f44d}", "A1").await;
    let (why, retry) = program.outcome(5).await.unwrap_err();
    assert!(retry && why.contains("500"), "{why}");
    house.message().await;
    house.server.refuse("403", 1).await;
    program.react(5, ANNA, "\u{1f44d}", "A1").await;
    assert!(!program.outcome(5).await.unwrap_err().1);
}
