//! `stop`, said in a chat.

use policies::SandboxId;

use super::house::{House, incoming};
use crate::channels::protocol::{OutgoingKind, ToChannel};
use crate::phrases::Language;
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
    // No other chat stops groups, and a word that is no group is an ordinary message.
    chat.send("family", "m2", "echo stop main").await;
    assert_eq!(chat.answer_to("m2").await[0].1, "stop main");
    owner.send("main", "m2", "echo stop").await;
    assert_eq!(owner.answer_to("m2").await[0].1, "stop");
}

/// The daemon died before it took effect: what it was to stop is not run again.
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

/// Only the owner locks, from the owner's own chat; no chat unlocks.
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
    // Delivered again, it says nothing about what was unlocked since.
    owner.send("main", "m1", "Lock!").await;
    owner.accepted("m1").await;
    assert_eq!(locked().len(), 2);
}

/// A lock is for an emergency: it holds also if nothing can be stored, and the message that comes again is answered.
#[tokio::test]
async fn a_lock_that_cannot_be_stored_holds() {
    let house = House::new();
    let main = house.group_of("main", "shell", true);
    let database = rusqlite::Connection::open(house.home.main_db()).unwrap();
    let refuses = "CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no room'); END";
    database.execute_batch(refuses).unwrap();
    let running = house.start();
    let mut owner = running.terminal(Some(&main)).await;
    owner.send("main", "m1", "lock").await;
    assert!(matches!(owner.next().await, ToChannel::Ignored { id, .. } if id == "m1"));
    assert_eq!(*house.fakes.locked.lock().unwrap(), [None]);
    database.execute_batch("DROP TRIGGER full").unwrap();
    owner.send("main", "m1", "lock").await;
    assert!(owner.answer_to("m1").await[0].1.starts_with("Locked every group"));
}

/// An order for a group that does not exist is still an order: nothing happens, that is said, and no agent reads it.
#[tokio::test]
async fn an_order_with_a_typo_reaches_no_agent() {
    let house = House::new();
    let (main, _family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let mut owner = running.terminal(Some(&main)).await;
    for (at, (text, told)) in [
        (
            "lock famliy",
            "There is no group famliy; did you mean family? Nothing was locked. The groups are: main, family.",
        ),
        ("Lock Zed!", "There is no group Zed. Nothing was locked. The groups are"),
        ("stop famliy", "did you mean family? Nothing was stopped."),
        ("pause famliy 1h", "did you mean family? Nothing was paused."),
        ("pause famliy", "did you mean family? Nothing was paused."),
        ("resume famliy", "did you mean family? No pause was ended."),
        ("pause family 1x", "For how long?"),
        ("cancel 99", "There is no task 99 here. Nothing was cancelled."),
        ("cancel #99999999999999999999", "There is no task 99999999999999999999 here."),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("m{at}");
        owner.send("main", &id, text).await;
        let said = owner.answer_to(&id).await;
        assert!(said.len() == 1 && said[0].0 == OutgoingKind::Notice && said[0].1.contains(told), "{text}: {said:?}");
    }
    assert_eq!(house.started(), 0);
    assert!(house.fakes.locked.lock().unwrap().is_empty());
    assert_eq!(house.store.pauses(0).unwrap(), []);
    // A sentence is for the assistant.
    owner.send("main", "s1", "echo lock the front door").await;
    assert_eq!(owner.answer_to("s1").await[0].1, "lock the front door");
}

/// Phones capitalise the start of a sentence, and people put quotes around names.
#[tokio::test]
async fn names_are_read_in_any_case() {
    let house = House::new();
    let (main, _family) = (house.group_of("main", "shell", true), house.group("family"));
    let running = house.start();
    let mut owner = running.terminal(Some(&main)).await;
    for (at, (text, told)) in [
        ("Stop Family", "Stopped family."),
        ("Lock “Family”.", "Locked family: nothing goes out any more."),
        ("lock all", "Locked every group"),
        ("Pause Family 1h", "family is paused until"),
        ("Resume FAMILY", "family goes on."),
        ("pause all 1h", "Paused until"),
        ("resume all", "It goes on."),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("m{at}");
        owner.send("main", &id, text).await;
        let said = owner.answer_to(&id).await;
        assert!(said.len() == 1 && said[0].1.starts_with(told), "{text}: {said:?}");
    }
    assert_eq!(*house.fakes.locked.lock().unwrap(), [Some("family".to_owned()), None]);
}

#[tokio::test]
async fn all_groups_are_stopped_from_main() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "shell", true), house.group_that_obeys("family"));
    let running = house.start();
    let (mut owner, mut chat) = (running.terminal(Some(&main)).await, running.terminal(Some(&family)).await);
    chat.send("family", "m1", "hold").await;
    chat.accepted("m1").await;
    house.holds(1).await;
    owner.send("main", "m1", "stop --all").await;
    let said = owner.answer_to("m1").await;
    assert_eq!(said[0], (OutgoingKind::Notice, "Every other group is stopped.".to_owned()));
    assert_eq!(said[1..], notice("Nothing was running."));
    assert_eq!(chat.answer_to("m1").await[0].0, FAILURE);
    // Delivered again, it stops nothing that came after it.
    let held = *house.fakes.holding.borrow();
    chat.send("family", "m2", "hold").await;
    house.holds(held + 1).await;
    owner.send("main", "m1", "stop --all").await;
    owner.accepted("m1").await;
    chat.send("family", "m3", "release").await;
    assert_eq!(chat.answer_to("m2").await[0].1, "held");
}

/// A chat's messages about a lock are in its language.
#[tokio::test]
async fn locks_are_told_in_the_chats_language() {
    let mut house = House::new();
    house.language = Language::German;
    let main = house.group_of("main", "shell", true);
    let running = house.start();
    let mut owner = running.terminal(Some(&main)).await;
    for (at, (text, told)) in [
        ("lock main", "main gesperrt"),
        ("unlock main", "Kein Chat sperrt etwas auf"),
        ("lock mian", "Es gibt keine Gruppe mian; ist main gemeint? Nichts wurde gesperrt."),
        ("quiet 1h", "Für 60 Minuten wirst du nichts gefragt"),
        ("quiet", "Wie lange?"),
        ("quiet off", "Du wirst wieder gefragt."),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("m{at}");
        owner.send("main", &id, text).await;
        let said = owner.answer_to(&id).await;
        assert!(said[0].1.starts_with(told), "{text}: {said:?}");
    }
}
