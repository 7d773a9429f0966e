//! The remains of a dead daemon (invariant 13).

use std::sync::Arc;

use policies::SandboxId;
use proxy::audit::Allowed;

use super::fake::record;
use super::house::House;
use crate::channels::protocol::{OutgoingKind, Sender};
use crate::pipeline::retries::RETRIES;
use crate::store::ledger::AuditLog;
use crate::store::{Group, Inserted, Means, NewMessage, Run, RunState};

/// A run that was in flight when its daemon died.
fn interrupted(house: &House, group: &Group, text: &str) -> Run {
    let sender = Sender { id: "owner".into(), name: "Owner".into() };
    let new =
        NewMessage { group: &group.name, id: "m1", sender: &sender, text, at: 1, means: Means::Call, quote: None };
    let (Inserted::Row(row) | Inserted::AlreadyThere(row)) = house.store.insert_message(&new).unwrap();
    house.store.begin_run(&group.name, row, row, &SandboxId::new("abc").unwrap()).unwrap()
}

#[tokio::test]
async fn a_run_that_only_read_is_run_again() {
    let house = House::new();
    let group = house.group("family");
    let run = interrupted(&house, &group, "echo hello");
    record(&house.fakes.ledger, &group.name, Some(run.id), "GET", Allowed::Allow);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    let answer = terminal.answer_to("m1").await;
    let (kind, words) = &answer[0];
    assert!(
        *kind == OutgoingKind::Notice && words.contains("begun again") && words.contains("folder stays"),
        "{words}"
    );
    assert_eq!(answer[1..], [(OutgoingKind::Reply, "hello".to_owned())]);
    assert_eq!(house.store.run(run.id).unwrap().unwrap().state, RunState::Failed);
}

#[tokio::test]
async fn a_run_that_wrote_is_told_and_not_repeated() {
    let house = House::new();
    let group = house.group("family");
    let run = interrupted(&house, &group, "echo hello");
    record(&house.fakes.ledger, &group.name, Some(run.id), "POST", Allowed::Allow);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert_eq!(answer[0].0, OutgoingKind::Failure);
    assert!(answer[0].1.contains("not repeated"), "{answer:?}");
    assert_eq!(house.started(), 0);
}

/// The log was removed, restored from a copy, or lost its last second in a power cut.
#[tokio::test]
async fn what_a_run_wrote_is_known_without_the_log() {
    for (method, told) in [("POST", OutgoingKind::Failure), ("GET", OutgoingKind::Reply)] {
        let mut house = House::new();
        let group = house.group("family");
        let run = interrupted(&house, &group, "echo hello");
        record(&house.fakes.ledger, &group.name, Some(run.id), method, Allowed::Allow);
        house.fakes.ledger = Arc::new(AuditLog::open(&house.home.audit_log().with_file_name("another")).unwrap());
        assert!(!house.fakes.ledger.run_wrote_upstream(run.id).unwrap());
        let running = house.start();
        let mut terminal = running.terminal(Some(&group)).await;
        assert_eq!(terminal.answer_to("m1").await.last().unwrap().0, told, "{method}");
    }
}

/// A message that was in flight when an earlier one ended its run.
#[tokio::test]
async fn what_an_earlier_run_wrote_counts_for_the_messages_it_had_taken_on() {
    let house = House::new();
    let group = house.group("family");
    let first = interrupted(&house, &group, "echo one");
    let sender = Sender { id: "owner".into(), name: "Owner".into() };
    let new = NewMessage {
        group: &group.name,
        id: "m2",
        sender: &sender,
        text: "echo two",
        at: 2,
        means: Means::Call,
        quote: None,
    };
    let Inserted::Row(second) = house.store.insert_message(&new).unwrap() else { panic!("it is new") };
    house.store.extend_run(first.id, second).unwrap();
    record(&house.fakes.ledger, &group.name, Some(first.id), "POST", Allowed::Allow);
    house.store.finish_run_with_reply(first.id, first.first, &[]).unwrap();
    house.store.begin_run(&group.name, second, second, &first.sandbox).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.answer_to("m2").await[0].0, OutgoingKind::Failure);
    assert_eq!(house.started(), 0);
}

/// A worker that broke off (the store could not be written) leaves a run behind; the daemon carries on.
#[tokio::test]
async fn a_run_that_was_left_behind_is_settled_before_the_group_works_again() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    let run = interrupted(&house, &group, "echo hello");
    record(&house.fakes.ledger, &group.name, Some(run.id), "POST", Allowed::Allow);
    terminal.send("family", "m2", "echo two").await;
    let answer = terminal.answer_to("m1").await;
    assert!(answer[0].0 == OutgoingKind::Failure && answer[0].1.contains("not repeated"), "{answer:?}");
    assert_eq!(terminal.answer_to("m2").await, [(OutgoingKind::Reply, "two".to_owned())]);
    assert_eq!(house.store.run(run.id).unwrap().unwrap().state, RunState::Failed);
}

/// The daemon died after storing one answer and before the run of the next began.
#[tokio::test]
async fn a_message_between_two_runs_is_not_run_again_where_the_first_wrote() {
    let house = House::new();
    let group = house.group("family");
    let first = interrupted(&house, &group, "echo one");
    let sender = Sender { id: "owner".into(), name: "Owner".into() };
    let new = NewMessage {
        group: &group.name,
        id: "m2",
        sender: &sender,
        text: "echo two",
        at: 2,
        means: Means::Call,
        quote: None,
    };
    let Inserted::Row(second) = house.store.insert_message(&new).unwrap() else { panic!("it is new") };
    house.store.extend_run(first.id, second).unwrap();
    record(&house.fakes.ledger, &group.name, Some(first.id), "POST", Allowed::Allow);
    house.store.finish_run_with_reply(first.id, first.first, &[]).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.answer_to("m2").await[0].0, OutgoingKind::Failure);
    assert_eq!(house.started(), 0);
}

/// A message that crashes the daemon must not do so for ever.
#[tokio::test]
async fn interruptions_count_as_attempts() {
    let house = House::new();
    let group = house.group("family");
    for attempt in 1..=RETRIES {
        let run = interrupted(&house, &group, "echo hello");
        assert_eq!(run.attempt, attempt);
        house.store.fail_run(run.id, "died", None, &[]).unwrap();
    }
    interrupted(&house, &group, "echo hello");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.answer_to("m1").await[0].0, OutgoingKind::Failure);
    assert_eq!(house.started(), 0);
}

/// A clean shutdown in the middle of a run is settled in the same way.
#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_run_loses_nothing() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "hold").await;
    terminal.accepted("m1").await;
    house.lives().await;
    running.pipeline.shutdown().await;
    assert_eq!(house.live(), 0);
    drop((terminal, running));
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    house.holds(2).await;
    terminal.send("family", "m2", "release").await;
    let answer = terminal.answer_to("m1").await;
    assert!(answer[0].0 == OutgoingKind::Notice && answer[0].1.contains("begun again"), "{answer:?}");
    assert_eq!(answer[1..], [(OutgoingKind::Reply, "held".to_owned())]);
}
