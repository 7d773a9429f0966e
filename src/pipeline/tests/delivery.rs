//! The outbox: order, confirmation, resends.

use super::house::House;
use crate::channels::protocol::{FromChannel, OutgoingKind};
use crate::store::{NewOutgoing, OutboxId, OutboxState};

fn reply(text: &str) -> NewOutgoing {
    NewOutgoing { kind: OutgoingKind::Reply, text: text.into(), in_reply_to: None }
}

#[tokio::test]
async fn one_at_a_time_in_order_and_only_once_confirmed() {
    let house = House::new();
    let group = house.group("family");
    let first = house.store.enqueue(&group.name, None, &reply("one")).unwrap();
    let second = house.store.enqueue(&group.name, None, &reply("two")).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.receive().await.id, first.0);
    assert!(terminal.hear.try_recv().is_err(), "the second waits for the first");
    terminal.confirm(first.0).await;
    assert_eq!(terminal.receive().await.id, second.0);
    assert_eq!(house.store.outgoing_state(first).unwrap(), Some(OutboxState::Sent));
    assert_eq!(house.store.outgoing_state(second).unwrap(), Some(OutboxState::Queued));
}

#[tokio::test]
async fn what_was_not_confirmed_comes_again_with_the_same_id() {
    let house = House::new();
    let group = house.group("family");
    let id = house.store.enqueue(&group.name, None, &reply("one")).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.receive().await.id, id.0);
    drop(terminal);
    let mut terminal = running.terminal(Some(&group)).await;
    let again = terminal.receive().await;
    assert_eq!((again.id, again.text.as_str()), (id.0, "one"));
}

#[tokio::test]
async fn a_failed_send_is_retried_and_a_hopeless_one_given_up() {
    let house = House::new();
    let group = house.group("family");
    let first = house.store.enqueue(&group.name, None, &reply("one")).unwrap();
    let second = house.store.enqueue(&group.name, None, &reply("two")).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    let fail = |id: OutboxId, retry| FromChannel::Failed { id: id.0, why: "offline".into(), retry };
    assert_eq!(terminal.receive().await.id, first.0);
    terminal.say.send(fail(first, true)).await.unwrap();
    assert_eq!(terminal.receive().await.id, first.0, "the same one again, before the second");
    terminal.say.send(fail(first, false)).await.unwrap();
    assert_eq!(terminal.receive().await.id, second.0);
    assert_eq!(house.store.outgoing_state(first).unwrap(), Some(OutboxState::Failed));
}

#[tokio::test]
async fn a_channel_that_does_not_confirm_in_time_is_asked_again() {
    let mut house = House::new();
    house.settings.patience.confirm = std::time::Duration::from_millis(5);
    let group = house.group("family");
    let id = house.store.enqueue(&group.name, None, &reply("one")).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    assert_eq!(terminal.receive().await.id, id.0);
    assert_eq!(terminal.receive().await.id, id.0);
}

#[tokio::test]
async fn chats_do_not_wait_for_each_other() {
    let house = House::new();
    let (family, work) = (house.group("family"), house.group("work"));
    house.store.enqueue(&family.name, None, &reply("stuck")).unwrap();
    let other = house.store.enqueue(&work.name, None, &reply("free")).unwrap();
    let running = house.start();
    let mut terminal = running.terminal(Some(&work)).await;
    assert_eq!(terminal.receive().await.id, other.0, "nobody shows the other chat");
}
