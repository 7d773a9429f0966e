//! The outbox: order, confirmation, resends.

use policies::SandboxId;

use super::house::House;
use crate::channels::protocol::{ChannelState, FromChannel, OutgoingKind, Sender, Takes};
use crate::store::{Group, Means, MessageRow, NewMessage, NewOutgoing, OutboxId, OutboxState, Sayable};

fn reply(text: &str) -> NewOutgoing {
    NewOutgoing { kind: OutgoingKind::Reply, text: Sayable::unchecked(text), in_reply_to: None }
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
    let told = terminal.receive().await;
    assert_eq!((told.id, told.kind), (first.0, OutgoingKind::Failure), "its chat is told in its place");
    assert!(told.text.contains("could not be delivered: offline"), "{told:?}");
    terminal.say.send(fail(first, false)).await.unwrap();
    assert_eq!(terminal.receive().await.id, second.0);
    assert_eq!(house.store.outgoing_state(first).unwrap(), Some(OutboxState::Failed));
}

#[tokio::test]
async fn a_channel_that_does_not_confirm_in_time_is_asked_again() {
    let mut house = House::new();
    house.patience.confirm = std::time::Duration::from_millis(5);
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

/// Only the channel that was given a message can confirm it.
#[tokio::test]
async fn nobody_confirms_what_they_were_not_given() {
    let house = House::new();
    let (family, work) = (house.group("family"), house.group("work"));
    let id = house.store.enqueue(&family.name, None, &reply("one")).unwrap();
    let running = house.start();
    let stranger = running.terminal(Some(&work)).await;
    let mut terminal = running.terminal(Some(&family)).await;
    assert_eq!(terminal.receive().await.id, id.0);
    stranger.confirm(id.0).await;
    let fail = FromChannel::Failed { id: id.0, why: "no".into(), retry: false };
    stranger.say.send(fail).await.unwrap();
    // Once the daemon has taken this in, it has handled the stranger's line.
    let mut stranger = stranger;
    stranger.send("work", "m1", "echo heard").await;
    stranger.answer_to("m1").await;
    assert_eq!(house.store.outgoing_state(id).unwrap(), Some(OutboxState::Queued));
    terminal.confirm(id.0).await;
    let next = house.store.enqueue(&family.name, None, &reply("two")).unwrap();
    running.pipeline.work(&family.name);
    terminal.send("family", "m1", "echo three").await;
    assert_eq!(terminal.receive().await.id, next.0);
    assert_eq!(house.store.outgoing_state(id).unwrap(), Some(OutboxState::Sent));
}

/// A message at which its channel dies must not block its chat for ever, and another message must not be blamed.
#[tokio::test]
async fn a_message_that_breaks_its_channel_is_given_up_and_told() {
    let house = House::new();
    let (family, work) = (house.group("family"), house.group("work"));
    let poison = house.store.enqueue(&family.name, None, &reply("poison")).unwrap();
    let bystander = house.store.enqueue(&work.name, None, &reply("fine")).unwrap();
    let running = house.start();
    let (mut breaks, mut seen) = (0, Vec::new());
    while seen.len() < 2 {
        let mut channel = running.terminal(None).await;
        loop {
            let out = channel.receive().await;
            if out.text == "poison" {
                breaks += 1;
                break;
            }
            channel.confirm(out.id).await;
            seen.push(out);
            if seen.len() == 2 {
                break;
            }
        }
    }
    let told = seen.iter().find(|out| out.id == poison.0).unwrap();
    assert!(told.kind == OutgoingKind::Failure && told.text.contains("broke off"), "{told:?}");
    assert_eq!(seen.iter().find(|out| out.id == bystander.0).unwrap().text, "fine");
    assert_eq!(breaks, 5);
}

/// An outage is not a message's fault.
#[tokio::test]
async fn a_channel_that_is_off_its_network_is_given_nothing() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut channel = running.terminal(None).await;
    let state = |state| FromChannel::State { state, detail: "test".into() };
    channel.say.send(state(ChannelState::Connecting)).await.unwrap();
    channel.send("family", "m1", "echo one").await;
    channel.accepted("m1").await;
    house.lives().await;
    let mut fails = 0;
    channel.say.send(state(ChannelState::Connected)).await.unwrap();
    let out = loop {
        let out = channel.receive().await;
        if fails == 20 {
            break out;
        }
        // It loses its network more often than a message is retried.
        fails += 1;
        channel.say.send(state(ChannelState::Connecting)).await.unwrap();
        channel.say.send(FromChannel::Failed { id: out.id, why: "offline".into(), retry: true }).await.unwrap();
        channel.say.send(state(ChannelState::Connected)).await.unwrap();
    };
    assert_eq!((out.kind, out.text.as_str()), (OutgoingKind::Reply, "one"));
    assert_eq!(house.store.next_outgoing_of(&group.name, i64::MAX).unwrap().unwrap().attempts, 0);
}

/// A network that echoes what was sent must not make the assistant talk to itself.
#[tokio::test]
async fn what_we_sent_is_not_taken_in() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut channel = running.terminal(None).await;
    channel.send("family", "m1", "echo one").await;
    let out = channel.receive().await;
    channel.say.send(FromChannel::Sent { id: out.id, sent_as: Some("NET-1".into()) }).await.unwrap();
    channel.send("family", "NET-1", "echo echo").await;
    channel.send("family", "m2", "echo two").await;
    channel.answer_to("m2").await;
    let replies: Vec<&str> =
        channel.seen.iter().filter(|out| !out.text.is_empty()).map(|out| out.text.as_str()).collect();
    assert_eq!(replies, ["one", "two"]);
    assert!(house.store.is_ours(&group.name, "NET-1").unwrap());
}

/// If a chat cannot be told something, the owner is told that: once in a while, without the text.
#[tokio::test]
async fn what_a_chat_cannot_be_told_goes_to_the_main_chat() {
    let house = House::new();
    let (family, main) = (house.group("family"), house.group_of("owner", "shell", true));
    let lost = house.store.enqueue(&family.name, None, &reply("the precious answer")).unwrap();
    let more = house.store.enqueue(&family.name, None, &reply("another")).unwrap();
    let running = house.start();
    let (mut chat, mut owner) = (running.terminal(Some(&family)).await, running.terminal(Some(&main)).await);
    for id in [lost, lost, more, more] {
        assert_eq!(chat.receive().await.id, id.0);
        let why = "WhatsApp refused the message (error 463)".to_owned();
        chat.say.send(FromChannel::Failed { id: id.0, why, retry: false }).await.unwrap();
    }
    let told = owner.receive().await;
    assert_eq!(told.kind, OutgoingKind::Notice);
    assert!(told.text.contains("group family") && told.text.contains("463"), "{told:?}");
    assert!(told.text.contains("doorward undelivered family") && !told.text.contains("precious"), "{told:?}");
    owner.confirm(told.id).await;
    let kept = house.store.undelivered(None).unwrap();
    assert_eq!(kept.iter().map(|one| &*one.text).collect::<Vec<_>>(), ["the precious answer", "another"]);
    // If the main chat is unreachable, nobody can be told.
    let own = house.store.enqueue(&main.name, None, &reply("for the owner")).unwrap();
    running.pipeline.tell_owner("the last").unwrap();
    for id in [own, own] {
        assert_eq!(owner.receive().await.id, id.0, "of the second answer the owner was not told again");
        owner.say.send(FromChannel::Failed { id: id.0, why: "no".into(), retry: false }).await.unwrap();
    }
    assert_eq!(owner.receive().await.text, "the last");
}

/// A suspended terminal is connected but does not read.
#[tokio::test]
async fn a_terminal_that_does_not_read_holds_up_no_other() {
    let house = House::new();
    let family = house.group("family");
    let running = house.start();
    let mut stopped = running.terminal(Some(&family)).await;
    let id = house.store.enqueue(&family.name, None, &reply("one")).unwrap();
    house.store.enqueue(&family.name, None, &reply("two")).unwrap();
    running.pipeline.outbox.wake();
    assert_eq!(stopped.receive().await.id, id.0);
    let mut other = running.terminal(Some(&family)).await;
    assert_eq!(other.receive().await.id, id.0, "what the first does not confirm");
    other.confirm(id.0).await;
    assert_eq!(other.receive().await.text, "two");
    stopped.confirm(id.0).await;
    assert_eq!(stopped.receive().await.text, "two");
}

/// A reaction to a message of a group, followed by a text.
fn sign_and_text(house: &House, group: &Group) -> (OutboxId, OutboxId) {
    let sandbox = SandboxId::new("abc123").unwrap();
    let run = house.store.begin_run(&group.name, MessageRow(1), MessageRow(1), &sandbox).unwrap().id;
    let sender = Sender::default();
    let message = NewMessage {
        group: &group.name,
        id: "m1",
        sender: &sender,
        text: "hi",
        at: 1,
        means: Means::Talk,
        quote: None,
    };
    house.store.insert_message(&message).unwrap();
    let sign = house.store.react_in_run(&group.name, run, Some("m1"), &Sayable::unchecked("\u{1f44d}"), 20).unwrap();
    (sign, house.store.enqueue(&group.name, None, &reply("two")).unwrap())
}

#[tokio::test]
async fn what_a_channel_cannot_send_is_told_and_holds_nothing_up() {
    let house = House::new();
    let group = house.group("family");
    let (sign, text) = sign_and_text(&house, &group);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    let told = terminal.receive().await;
    assert_eq!((told.id, told.kind, &told.reacts_to), (sign.0, OutgoingKind::Failure, &None));
    assert!(told.text.contains("cannot send reactions yet"), "{told:?}");
    terminal.confirm(sign.0).await;
    assert_eq!(terminal.receive().await.id, text.0);
}

#[tokio::test]
async fn a_channel_that_can_is_given_signs() {
    let house = House::new();
    let group = house.group("family");
    let (sign, _) = sign_and_text(&house, &group);
    let running = house.start();
    let mut terminal = running.terminal_taking(Some(&group), vec![Takes::Reactions]).await;
    let got = terminal.receive().await;
    assert_eq!((got.id, got.reacts_to.as_deref(), got.text.as_str()), (sign.0, Some("m1"), "\u{1f44d}"));
}
