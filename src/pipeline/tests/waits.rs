//! Whoever waits is told, and every run ends.

use std::time::Duration;

use super::house::House;
use crate::channels::protocol::OutgoingKind;
use crate::pipeline::waiting::Waits;

const REPLY: OutgoingKind = OutgoingKind::Reply;
const NOTICE: OutgoingKind = OutgoingKind::Notice;
const FAILURE: OutgoingKind = OutgoingKind::Failure;

const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn who_waits_for_a_seat_is_told_and_the_owner_is_not_shut_out() {
    let mut house = House::new();
    house.settings.cap = 1;
    house.settings.waits.told = SHORT;
    let (family, work, main) =
        (house.group_that_obeys("family"), house.group("work"), house.group_of("main", "shell", true));
    let running = house.start();
    let mut first = running.terminal(Some(&family)).await;
    let mut second = running.terminal(Some(&work)).await;
    let mut owner = running.terminal(Some(&main)).await;
    first.send("family", "m1", "hold").await;
    house.holds(1).await;
    second.send("work", "m1", "echo served").await;
    let told = second.receive().await;
    assert_eq!((told.kind, told.text.as_str()), (NOTICE, "One other is being answered; you are next."));
    second.confirm(told.id).await;
    owner.send("main", "m1", "echo the owner").await;
    assert_eq!(owner.answer_to("m1").await, [(REPLY, "the owner".to_owned())]);
    let seen = running.pipeline.snapshot().await;
    assert_eq!(seen.waiting.iter().map(|(group, _)| group.as_str()).collect::<Vec<_>>(), ["work"]);
    assert!(seen.seated.iter().any(|seated| seated.group == family.name && seated.busy));
    first.send("family", "m2", "release").await;
    assert_eq!(first.answer_to("m1").await, [(REPLY, "held".to_owned())]);
    assert_eq!(second.answer_to("m1").await, [(REPLY, "served".to_owned())]);
}

/// A group that has used up its runs for today is told, and nothing is started.
#[tokio::test]
async fn an_agent_is_set_to_work_as_often_as_it_may_be() {
    let house = House::new();
    house.fakes.runs.store(2, std::sync::atomic::Ordering::SeqCst);
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    for message in ["m1", "m2"] {
        chat.send("family", message, "echo served").await;
        assert_eq!(chat.answer_to(message).await, [(REPLY, "served".to_owned())]);
    }
    for message in ["m3", "m4"] {
        chat.send("family", message, "echo too much").await;
        let told = chat.answer_to(message).await;
        assert!(told.len() == 1 && told[0].0 == FAILURE && told[0].1.contains("set to work 2 times today"), "{told:?}");
    }
    house.fakes.runs.store(3, std::sync::atomic::Ordering::SeqCst);
    chat.send("family", "m5", "echo again").await;
    assert_eq!(chat.answer_to("m5").await, [(REPLY, "again".to_owned())]);
}

/// A silent command continues, and that is reported once; whoever waits behind it is told, too.
#[tokio::test]
async fn a_silent_run_is_told() {
    let mut house = House::new();
    house.settings.waits = Waits { quiet: SHORT, told: 2 * SHORT, hung: SHORT, ..Waits::default() };
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "hold").await;
    chat.send("family", "m2", "echo behind").await;
    for (answers, part) in [("m1", "The command has written nothing"), ("m2", "still being worked on")] {
        let told = chat.receive().await;
        assert!(told.kind == NOTICE && told.text.contains(part), "{told:?}");
        assert_eq!(told.in_reply_to.as_deref(), Some(answers));
        chat.confirm(told.id).await;
    }
    chat.send("family", "m3", "stop").await;
    assert_eq!(chat.answer_to("m2").await[0].0, FAILURE, "nothing more was told, and nothing ended it");
    assert_eq!(house.started(), 1);
}

/// An agent without a sign of life is ended, and its run not tried again.
#[tokio::test]
async fn an_agent_of_which_nothing_is_heard_is_ended() {
    let mut house = House::new();
    house.settings.waits = Waits { quiet: SHORT, hung: 4 * SHORT, ..Waits::default() };
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "hold").await;
    let told = chat.answer_to("m1").await;
    assert!(matches!(&told[..], [(NOTICE, _), (FAILURE, words)] if words.contains("so it was ended")), "{told:?}");
    chat.send("family", "m2", "echo next").await;
    assert_eq!(chat.answer_to("m2").await.last().unwrap(), &(REPLY, "next".to_owned()));
    assert_eq!(house.started(), 2);
}

/// The time limit of a run applies to a command, too, and to that command alone.
#[tokio::test]
async fn a_run_that_takes_too_long_is_ended_and_the_next_is_served() {
    let mut house = House::new();
    house.settings.waits.longest = SHORT;
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "alive").await;
    chat.send("family", "m2", "echo behind").await;
    let told = chat.answer_to("m1").await;
    assert!(matches!(&told[..], [(FAILURE, words)] if words.contains("[queue] longest")), "{told:?}");
    assert_eq!(chat.answer_to("m2").await, [(REPLY, "behind".to_owned())]);
}
