//! A pause starts nothing, loses nothing, and ends.

use super::house::House;
use crate::channels::protocol::OutgoingKind;
use crate::store::now;

const REPLY: OutgoingKind = OutgoingKind::Reply;
const NOTICE: OutgoingKind = OutgoingKind::Notice;

#[tokio::test]
async fn what_comes_during_a_pause_is_answered_after_it() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    // What is being answered finishes.
    chat.send("family", "m1", "hold").await;
    house.holds(1).await;
    owner.send("main", "m1", "pause family 2h").await;
    let told = owner.answer_to("m1").await;
    assert!(told[0].0 == NOTICE && told[0].1.starts_with("family is paused until"), "{told:?}");
    chat.send("family", "m2", "echo later").await;
    let told = chat.receive().await;
    assert_eq!((told.kind, told.in_reply_to.as_deref()), (NOTICE, Some("m2")));
    assert!(told.text.contains("kept, and answered then"), "{}", told.text);
    chat.confirm(told.id).await;
    // Others are served.
    owner.send("main", "m2", "echo served").await;
    assert_eq!(owner.answer_to("m2").await, [(REPLY, "served".to_owned())]);
    chat.send("family", "m3", "echo at last").await;
    chat.accepted("m3").await;
    owner.send("main", "m3", "resume family").await;
    assert_eq!(owner.answer_to("m3").await, [(NOTICE, "family goes on.".to_owned())]);
    chat.send("family", "m4", "stop").await;
    assert!(chat.answer_to("m4").await[0].1.starts_with("Stopped"));
    let told = chat.seen.iter().filter(|seen| seen.text.contains("kept, and answered then")).count();
    assert_eq!(told, 1, "{:?}", chat.seen);
    owner.send("main", "m4", "resume family").await;
    assert_eq!(owner.answer_to("m4").await, [(NOTICE, "Nothing was paused.".to_owned())]);
}

#[tokio::test]
async fn a_pause_ends_by_itself_and_outlives_the_daemon() {
    let house = House::new();
    let family = house.group("family");
    house.store.pause(None, now() + 300).unwrap();
    let running = house.start();
    let mut chat = running.terminal(Some(&family)).await;
    chat.send("family", "m1", "echo after it").await;
    let said = chat.answer_to("m1").await;
    assert_eq!(said.last().unwrap(), &(REPLY, "after it".to_owned()), "{said:?}");
    assert_eq!(house.started(), 1);
    assert_eq!(house.store.pauses(now()).unwrap(), []);
}

#[tokio::test]
async fn no_other_chat_pauses_and_a_length_is_needed() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    chat.send("family", "m1", "pause 1h").await;
    chat.answer_to("m1").await;
    owner.send("main", "m1", "pause").await;
    assert!(owner.answer_to("m1").await[0].1.contains("pause 1h"));
    assert_eq!(house.store.pauses(0).unwrap(), []);
    // The owner's own chat pauses like all others, and is answered again afterwards.
    owner.send("main", "m2", "pause 1h").await;
    assert!(owner.answer_to("m2").await[0].1.starts_with("Paused until"));
    owner.send("main", "m3", "resume family").await;
    assert!(owner.answer_to("m3").await[0].1.contains("every group is paused"));
    running.pipeline.resume(None, "a test").unwrap();
    owner.send("main", "m4", "echo on").await;
    assert_eq!(owner.answer_to("m4").await, [(REPLY, "on".to_owned())]);
    assert!(house.store.paused_until(&family.name, now()).unwrap().is_none());
}
