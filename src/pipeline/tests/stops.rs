//! `stop`, said in a chat.

use policies::SandboxId;

use super::house::{House, incoming};
use crate::channels::protocol::OutgoingKind;
use crate::store::{Inserted, Means, NewMessage};

const FAILURE: OutgoingKind = OutgoingKind::Failure;

fn notice(text: &str) -> Vec<(OutgoingKind, String)> {
    vec![(OutgoingKind::Notice, text.to_owned())]
}

#[tokio::test]
async fn stop_in_a_chat_ends_what_runs_and_says_so() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "hold").await;
    chat.send("family", "m2", "hold").await;
    chat.accepted("m2").await;
    house.lives().await;
    chat.send("family", "m3", "Stop!").await;
    let told = chat.answer_to("m1").await;
    assert!(told[0].0 == FAILURE && told[0].1 == "Stopped, as you asked.", "{told:?}");
    assert_eq!(chat.answer_to("m2").await[0].0, FAILURE);
    assert_eq!(chat.answer_to("m3").await, notice("Stopped."));
    chat.send("family", "m4", "echo new").await;
    assert_eq!(chat.answer_to("m4").await[0].1, "new");
    // Delivered again, it must not stop what came after it.
    let held = *house.fakes.holding.borrow();
    chat.send("family", "m5", "hold").await;
    house.holds(held + 1).await;
    chat.send("family", "m3", "Stop!").await;
    chat.send("family", "m6", "release").await;
    assert_eq!(chat.answer_to("m5").await[0].1, "held");
    assert_eq!(house.started(), 2);
}

#[tokio::test]
async fn stop_where_nothing_runs_is_answered_too() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "@Doorward stop").await;
    assert_eq!(chat.answer_to("m1").await, notice("Nothing was running."));
    assert_eq!(house.started(), 0);
}

/// People say stop to each other.
#[tokio::test]
async fn in_a_group_stop_needs_the_call() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Anna", "@Doorward hold").await;
    house.holds(1).await;
    chat.write("family", "m2", "Ben", "stop").await;
    chat.write("family", "m3", "Ben", "@Doorward release").await;
    assert_eq!(chat.answer_to("m1").await[0].1, "held");
    chat.write("family", "m4", "Anna", "@Doorward hold").await;
    chat.write("family", "m5", "Ben", "@Doorward stop").await;
    assert_eq!(chat.answer_to("m4").await[0].0, FAILURE);
    assert_eq!(chat.answer_to("m5").await, notice("Stopped."));
}

#[tokio::test]
async fn the_owner_stops_another_group_from_main() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    chat.send("family", "m1", "hold").await;
    chat.accepted("m1").await;
    house.lives().await;
    owner.send("main", "m1", "stop family").await;
    assert_eq!(owner.answer_to("m1").await, notice("Stopped family."));
    assert_eq!(chat.answer_to("m1").await[0].0, FAILURE);
    // Nobody else's chat does, and what is no group is a message like any other.
    chat.send("family", "m2", "echo stop main").await;
    assert_eq!(chat.answer_to("m2").await[0].1, "stop main");
    owner.send("main", "m2", "echo stop").await;
    assert_eq!(owner.answer_to("m2").await[0].1, "stop");
}

/// What names no group is never left to an agent alone, which would say that it is done.
#[tokio::test]
async fn a_word_in_a_hurry_is_understood_or_answered() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    for (id, text) in [("m1", "lock famliy"), ("m2", "stop Famly"), ("m3", "pause famliy 1h"), ("m4", "resume famliy")]
    {
        owner.send("main", id, text).await;
        let told = owner.answer_to(id).await;
        assert!(told.len() == 1 && told[0].1.ends_with("Did you mean family?"), "{text}: {told:?}");
    }
    // It may be said to a house: its agent hears it, and the owner that nothing was done.
    for (id, text, wanted) in [("m5", "lock door", "no group of that name"), ("m6", "cancel 99", "no task 99")] {
        owner.send("main", id, text).await;
        let told = owner.answer_to(id).await;
        assert!(told[0].1.contains(wanted) && told.len() > 1, "{text}: {told:?}");
    }
    assert!(house.fakes.locked.lock().unwrap().is_empty());
    for (id, text, wanted) in [
        ("m7", "Lock Family", "Locked family"),
        ("m8", "lock all", "Locked every group"),
        ("m9", "Pause Family 1h", "family is paused until"),
        ("m10", "resume all", "Nothing was paused"),
    ] {
        owner.send("main", id, text).await;
        let told = owner.answer_to(id).await;
        assert!(told[0].1.starts_with(wanted), "{text}: {told:?}");
    }
    owner.send("main", "m11", "resume family").await;
    owner.answer_to("m11").await;
    chat.send("family", "m1", "hold").await;
    house.holds(1).await;
    owner.send("main", "m12", "stop all").await;
    assert_eq!(owner.answer_to("m12").await[0].1, "Stopped family, main.");
    assert_eq!(chat.answer_to("m1").await[0].0, FAILURE);
}

/// Its daemon died before it was heard: what it was to stop is not run again.
#[tokio::test]
async fn a_stop_survives_the_daemon() {
    let house = House::new();
    let group = house.group("family");
    for (id, text, means) in
        [("m1", "echo one", Means::Call), ("m2", "stop", Means::Stop), ("m3", "echo three", Means::Call)]
    {
        let sender = incoming("family", id, "Anna", text).sender;
        let new = NewMessage { group: &group.name, id, sender: &sender, text, at: 1, means, quote: None };
        let Inserted::Row(row) = house.store.insert_message(&new).unwrap() else { panic!("it is new") };
        if id == "m1" {
            house.store.begin_run(&group.name, row, row, &SandboxId::new("abc").unwrap()).unwrap();
        }
    }
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    assert_eq!(chat.answer_to("m1").await[0].0, FAILURE);
    assert_eq!(chat.answer_to("m2").await, notice("Stopped."));
    assert_eq!(chat.answer_to("m3").await[0].1, "three");
}

/// Locking is the owner's, from the owner's own chat; unlocking is no chat's.
#[tokio::test]
async fn only_the_main_chat_locks_and_none_unlocks() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    let locked = || house.fakes.locked.lock().unwrap().clone();
    chat.send("family", "m1", "echo lock").await;
    assert_eq!(chat.answer_to("m1").await[0].1, "lock");
    chat.send("family", "m2", "lock").await;
    chat.answer_to("m2").await;
    assert!(locked().is_empty(), "{:?}", locked());

    owner.send("main", "m1", "Lock!").await;
    assert!(owner.answer_to("m1").await[0].1.starts_with("Locked every group"));
    owner.send("main", "m2", "lock family").await;
    assert!(owner.answer_to("m2").await[0].1.starts_with("Locked family"));
    owner.send("main", "m3", "unlock").await;
    assert!(owner.answer_to("m3").await[0].1.contains("No chat unlocks"));
    assert_eq!(locked(), [None, Some("family".to_owned())]);
    // Delivered once more, it says nothing about what was unlocked since.
    owner.send("main", "m1", "Lock!").await;
    owner.accepted("m1").await;
    assert_eq!(locked().len(), 2);
}
