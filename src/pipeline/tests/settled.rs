//! Each turn is settled by itself, and every caller gets an answer or a notice.

use super::house::House;
use crate::channels::protocol::OutgoingKind;

const REPLY: OutgoingKind = OutgoingKind::Reply;
const NOTICE: OutgoingKind = OutgoingKind::Notice;
const FAILURE: OutgoingKind = OutgoingKind::Failure;

/// A message refused for its content fails once, alone, and its sandbox lives on.
#[tokio::test]
async fn an_error_settles_its_own_turn_and_no_other() {
    let house = House::new();
    for group in [house.group("shell"), house.group_that_obeys("reader")] {
        let running = house.start();
        let before = house.started();
        let mut chat = running.terminal(Some(&group)).await;
        chat.send(&group.chat, "m1", "hold").await;
        chat.send(&group.chat, "m2", "stop").await;
        chat.answer_to("m2").await;
        chat.send(&group.chat, "m3", "refuse argument list too long").await;
        chat.send(&group.chat, "m4", "echo fine").await;
        if group.name.as_str() == "shell" {
            let told = chat.answer_to("m3").await;
            assert!(matches!(&told[..], [(FAILURE, words)] if words.contains("argument list too long")), "{told:?}");
            assert!(!told[0].1.contains("Trying again"), "{told:?}");
        }
        assert_eq!(chat.answer_to("m4").await.last().unwrap(), &(REPLY, "fine".to_owned()));
        assert!(house.started() - before <= 2, "one for what was stopped, one for the rest");
        running.pipeline.shutdown().await;
    }
}

/// A temporary failure is retried, and given up alone: messages behind it are answered.
#[tokio::test]
async fn who_stands_behind_a_message_that_is_given_up_is_answered() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "error no memory").await;
    chat.send("family", "m2", "echo behind it").await;
    let told = chat.answer_to("m1").await;
    assert!(told.last().is_some_and(|(kind, words)| *kind == FAILURE && words.contains("tried 6 times")), "{told:?}");
    assert_eq!(chat.answer_to("m2").await, [(REPLY, "behind it".to_owned())]);
}

/// A shell runs one command after the other: a command waiting behind one that wrote did not write.
#[tokio::test]
async fn who_stands_behind_a_command_that_wrote_is_answered() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "post-and-die").await;
    chat.send("family", "m2", "echo two").await;
    let told = chat.answer_to("m1").await;
    assert!(
        matches!(&told[..], [(FAILURE, words)] if words.contains("something out through the door, to news.example")),
        "{told:?}"
    );
    assert_eq!(chat.answer_to("m2").await, [(REPLY, "two".to_owned())]);
}

#[tokio::test]
async fn an_answer_of_nothing_is_told() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    for (id, text) in [("m1", "nothing"), ("m2", "echo  \n "), ("m3", "echo <internal>only for me</internal>")] {
        chat.send("family", id, text).await;
        let told = chat.answer_to(id).await;
        assert!(matches!(&told[..], [(FAILURE, words)] if words.contains("without an answer")), "{text}: {told:?}");
    }
}

/// The daemon reports the loss of the agent's session, with the remedy.
#[tokio::test]
async fn what_was_left_out_of_a_conversation_is_told_with_the_way_out() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    house.store.set_session(&group.name, Some("s-1")).unwrap();
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "refuse a key was pasted").await;
    let told = chat.answer_to("m1").await;
    let [(FAILURE, words)] = &told[..] else { panic!("{told:?}") };
    for part in ["a key was pasted", "left out of the conversation", "`doorward group reset family`"] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(house.store.session(&group.name).unwrap(), None, "there is none to go on with");
}

#[tokio::test]
async fn a_message_that_is_not_read_whole_is_told() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", &"x".repeat(70 << 10)).await;
    let told = chat.answer_to("m1").await;
    assert!(told.iter().any(|(kind, words)| *kind == NOTICE && words.contains("longer than 64 KiB")));
    chat.send("family", "m2", "short").await;
    assert_eq!(chat.answer_to("m2").await.len(), 1);
}
