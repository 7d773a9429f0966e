//! If a group's first agent cannot answer, the next one does, and the chat is told once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::House;
use crate::channels::protocol::OutgoingKind;

const REPLY: OutgoingKind = OutgoingKind::Reply;
const NOTICE: OutgoingKind = OutgoingKind::Notice;
const FAILURE: OutgoingKind = OutgoingKind::Failure;

fn house(agents: usize, overloaded: usize) -> House {
    let house = House::new();
    *house.fakes.agents.lock().unwrap() = agents;
    house.fakes.overloaded.store(overloaded, Ordering::SeqCst);
    house
}

fn reply(text: &str) -> (OutgoingKind, String) {
    (REPLY, text.to_owned())
}

#[tokio::test]
async fn the_next_agent_answers_and_says_so_once() {
    let house = house(3, 2);
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "who").await;
    let told = chat.answer_to("m1").await;
    let [(NOTICE, first), (NOTICE, second), answer] = &told[..] else { panic!("{told:?}") };
    assert!(first.contains("Ada") && first.contains("Bo answers until"), "{first}");
    assert!(second.contains("Bo") && second.contains("Cy answers until"), "{second}");
    assert_eq!(answer, &reply("Cy"));
    chat.send("family", "m2", "who").await;
    assert_eq!(chat.answer_to("m2").await, [reply("Cy")], "it is known by now");
}

/// Each agent has its own session, and the first resumes its own.
#[tokio::test]
async fn the_first_is_asked_again_and_goes_on_where_it_was() {
    let mut house = house(2, 0);
    house.settings.again = Duration::from_millis(400);
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "session of-ada").await;
    chat.answer_to("m1").await;
    house.fakes.overloaded.store(1, Ordering::SeqCst);
    chat.send("family", "m2", "who").await;
    let told = chat.answer_to("m2").await;
    assert!(matches!(&told[..], [(NOTICE, _), (REPLY, who)] if who == "Bo"), "{told:?}");
    house.fakes.overloaded.store(0, Ordering::SeqCst);
    let mut number = 3;
    loop {
        let id = format!("m{number}");
        chat.send("family", &id, "who").await;
        let told = chat.answer_to(&id).await;
        if told == [reply("Ada")] {
            break;
        }
        assert_eq!(told, [reply("Bo")], "without a word more");
        number += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let resumed = house.fakes.resumed.lock().unwrap().clone();
    assert_eq!(resumed.last().unwrap().as_deref(), Some("of-ada"), "{resumed:?}");
    assert_eq!(house.store.session(&group.name).unwrap().as_deref(), Some("of-ada"));
}

/// What may have been done already is not given to another agent, which would repeat it.
#[tokio::test]
async fn a_run_that_wrote_is_not_handed_over() {
    let house = house(2, 1);
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "write-and-who").await;
    let told = chat.answer_to("m1").await;
    assert!(told.iter().any(|(kind, words)| *kind == FAILURE && words.contains("news.example")), "{told:?}");
    assert!(!told.iter().any(|(_, words)| words.contains("Bo")), "{told:?}");
}

/// The last one has no successor and fails as usual.
#[tokio::test]
async fn where_nobody_is_left_the_failure_is_told() {
    let house = house(2, 2);
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "who").await;
    let told = chat.answer_to("m1").await;
    assert!(told.last().is_some_and(|(kind, words)| *kind == FAILURE && words.contains("overloaded")), "{told:?}");
}
