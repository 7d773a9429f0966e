//! From message to answer.

use std::sync::atomic::Ordering;

use super::house::{House, SECRET};
use crate::channels::protocol::{OutgoingKind, ToChannel};
use crate::pipeline::retries::RETRIES;
use crate::pipeline::sandbox::StartFailure;
use crate::store::ledger::{Events, Filter, Which};

const REPLY: OutgoingKind = OutgoingKind::Reply;
const NOTICE: OutgoingKind = OutgoingKind::Notice;
const FAILURE: OutgoingKind = OutgoingKind::Failure;

#[tokio::test]
async fn a_message_is_accepted_and_answered() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo hello").await;
    assert_eq!(terminal.next().await, ToChannel::Accepted { id: "m1".into() });
    assert_eq!(terminal.answer_to("m1").await, [(REPLY, "hello".to_owned())]);
    terminal.send("family", "m2", "echo again").await;
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "again".to_owned())]);
    assert_eq!(house.started(), 1, "the sandbox was kept for the follow-up");
    running.pipeline.shutdown().await;
    assert_eq!(house.live(), 0);
}

/// Invariants 1 and 6: a chat is a way out, too.
#[tokio::test]
async fn a_reply_that_holds_a_secret_is_withheld_and_recorded() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", &format!("echo {SECRET}")).await;
    assert_eq!(terminal.next().await, ToChannel::Accepted { id: "m1".into() });
    let [(kind, text)] = &terminal.answer_to("m1").await[..] else { panic!("one answer") };
    assert_eq!(*kind, REPLY);
    assert!(text.contains("withheld") && text.contains("credential bank") && !text.contains(SECRET), "{text}");
    running.pipeline.shutdown().await;
    let filter = Filter { events: Events::Alone, which: Some(Which::Denied), ..Filter::default() };
    let [entry] = &house.fakes.ledger.entries(&filter).unwrap()[..] else { panic!("one event") };
    assert_eq!((entry.decision.group.as_str(), entry.code()), ("family", Some("secret_in_request")));
    assert!(entry.why().unwrap().contains("secret of credential bank") && entry.decision.alarm, "{entry:?}");
    let log = std::fs::read(house.home.audit_log().join("000000000001.jsonl")).unwrap();
    assert!(!log.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "the log does not hold it either");
}

#[tokio::test]
async fn a_message_delivered_twice_is_answered_once() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo hello").await;
    terminal.answer_to("m1").await;
    terminal.send("family", "m1", "echo hello").await;
    terminal.send("family", "m2", "echo end").await;
    terminal.answer_to("m2").await;
    let replies: Vec<&str> =
        terminal.seen.iter().filter(|out| out.kind == REPLY).map(|out| out.text.as_str()).collect();
    assert_eq!(replies, ["hello", "end"]);
}

#[tokio::test]
async fn follow_ups_go_into_the_live_sandbox_and_answers_keep_their_order() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "hold").await;
    house.holds(1).await;
    terminal.send("family", "m2", "release").await;
    assert_eq!(terminal.answer_to("m1").await, [(REPLY, "held".to_owned())]);
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "released".to_owned())]);
    assert_eq!(house.started(), 1);
    let replies: Vec<&str> =
        terminal.seen.iter().filter(|out| out.kind == REPLY).map(|out| out.text.as_str()).collect();
    assert_eq!(replies, ["held", "released"]);
}

/// Invariant 14.
#[tokio::test]
async fn nothing_of_an_unregistered_chat_is_written() {
    let house = House::new();
    house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(None).await;
    terminal.send("stranger-chat", "stranger-id", "stranger-text").await;
    assert!(matches!(terminal.next().await, ToChannel::Ignored { id, .. } if id == "stranger-id"));
    terminal.send("family", "m1", "echo known-text").await;
    terminal.answer_to("m1").await;
    let mut written = Vec::new();
    for entry in std::fs::read_dir(house.home.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            written.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| written.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("known-text"), "the search finds what was written");
    assert!(!holds("stranger-chat") && !holds("stranger-id") && !holds("stranger-text"));
}

#[tokio::test]
async fn a_terminal_reaches_its_own_group_only() {
    let house = House::new();
    let family = house.group("family");
    house.group("work");
    let running = house.start();
    let mut terminal = running.terminal(Some(&family)).await;
    terminal.send("work", "m1", "echo hello").await;
    assert!(matches!(terminal.next().await, ToChannel::Ignored { .. }));
}

#[tokio::test]
async fn a_dead_sandbox_is_tried_again() {
    let house = House::new();
    let group = house.group("family");
    house.fakes.deaths.store(2, Ordering::SeqCst);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "die").await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert_eq!(answer[0].0, NOTICE, "the first failure is told, so that nobody wonders");
    assert_eq!(answer[1], (REPLY, "alive".to_owned()));
    assert_eq!(house.started(), 3);
}

#[tokio::test]
async fn after_the_last_retry_the_failure_is_told_and_the_next_message_tries_anew() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "error out of tokens").await;
    let answer = terminal.answer_to("m1").await;
    let (kind, words) = answer.last().unwrap();
    assert_eq!(*kind, FAILURE);
    assert!(words.contains("out of tokens") && words.contains("tried 6 times"), "{words}");
    assert_eq!(house.started(), RETRIES as usize + 1);
    terminal.send("family", "m2", "echo well again").await;
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "well again".to_owned())]);
}

/// Invariant 13.
#[tokio::test]
async fn a_run_that_wrote_upstream_is_not_repeated() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "post-and-die").await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert!(answer[0].0 == FAILURE && answer[0].1.contains("not repeated"), "{answer:?}");
    assert_eq!(house.started(), 1);
}

#[tokio::test]
async fn what_retrying_cannot_mend_is_told_at_once() {
    let house = House::new();
    let group = house.group("family");
    let why = "the image is not built; build it".into();
    house.fakes.failures.lock().unwrap().push_back(StartFailure { why, may_pass: false, engine_away: false });
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo hello").await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert!(answer[0].0 == FAILURE && answer[0].1.contains("the image is not built; build it"), "{answer:?}");
    assert_eq!(house.started(), 0);
}

#[tokio::test]
async fn a_start_that_fails_is_tried_again() {
    let house = House::new();
    let group = house.group("family");
    let failure = StartFailure { why: "busy".into(), may_pass: true, engine_away: false };
    house.fakes.failures.lock().unwrap().extend([failure.clone(), failure]);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo hello").await;
    assert_eq!(terminal.answer_to("m1").await.last().unwrap(), &(REPLY, "hello".to_owned()));
}

/// Without an engine there is no attempt: the message waits, is told so once, and is taken on when the engine is back.
#[tokio::test]
async fn without_an_engine_a_message_waits_and_is_told_once() {
    let house = House::new();
    let group = house.group("family");
    let away = StartFailure { why: "the engine is not running".into(), may_pass: true, engine_away: true };
    house.fakes.failures.lock().unwrap().extend(vec![away; RETRIES as usize * 2]);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo hello").await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert!(
        answer[0].0 == NOTICE && answer[0].1.contains("not running") && answer[0].1.contains("waits"),
        "{answer:?}"
    );
    assert_eq!(answer[1], (REPLY, "hello".to_owned()));
    let runs = house.store.runs_over(&group.name, crate::store::MessageRow(1)).unwrap();
    assert_eq!(runs.len(), 1, "none of the looks was an attempt");
}

/// A folder was removed under a live sandbox: the next message gets the present one.
#[tokio::test]
async fn a_folder_that_was_replaced_ends_its_sandbox_and_is_told() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "echo one").await;
    assert_eq!(terminal.answer_to("m1").await, [(REPLY, "one".to_owned())]);
    terminal.send("family", "m2", "echo two").await;
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "two".to_owned())]);
    assert_eq!(house.started(), 1);
    house.fakes.folders_gone.lock().unwrap().insert(group.name.clone());
    terminal.send("family", "m3", "echo three").await;
    let answer = terminal.answer_to("m3").await;
    assert!(answer[0].0 == NOTICE && answer[0].1.contains("removed or replaced"), "{answer:?}");
    assert_eq!(answer[1..], [(REPLY, "three".to_owned())]);
    assert_eq!(house.started(), 2);
}

#[tokio::test]
async fn what_the_door_refused_is_told_with_the_lines_that_lift_it() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "refused").await;
    let answer = terminal.answer_to("m1").await;
    assert_eq!(answer[0], (REPLY, "tried".to_owned()));
    let (kind, words) = &answer[1];
    assert_eq!(*kind, NOTICE);
    let file = house.home.policy_file(&group.name).display().to_string();
    for part in ["GET https://news.example/today", "no rule names news.example", "host = \"news.example\"", &file] {
        assert!(words.contains(part), "{part} in {words}");
    }
    terminal.send("family", "m2", "echo quiet").await;
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "quiet".to_owned())], "told once");
}

#[tokio::test]
async fn stop_ends_the_run_tells_its_chat_and_starts_nothing() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "hold").await;
    terminal.send("family", "m2", "hold").await;
    terminal.accepted("m2").await;
    house.lives().await;
    assert!(running.pipeline.stop_group(&group.name).await);
    assert_eq!(house.live(), 0);
    assert_eq!(terminal.answer_to("m1").await[0].0, FAILURE);
    assert_eq!(terminal.answer_to("m2").await[0].0, FAILURE);
    assert!(!running.pipeline.stop_group(&group.name).await, "nothing runs any more");
    assert_eq!(house.started(), 1);
    terminal.send("family", "m3", "echo new").await;
    assert_eq!(terminal.answer_to("m3").await, [(REPLY, "new".to_owned())]);
}

/// A stop that arrives while a failed run's sandbox is being removed is heard all the same.
#[tokio::test]
async fn stop_holds_for_a_run_that_was_about_to_be_tried_again() {
    let house = House::new();
    let group = house.group("family");
    house.fakes.deaths.store(1, Ordering::SeqCst);
    house.fakes.may_end.send_replace(false);
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", "die").await;
    house.fakes.ending.subscribe().wait_for(|ending| *ending == 1).await.unwrap();
    let stop = running.pipeline.stop_group(&group.name);
    let let_go = async { house.fakes.may_end.send_replace(true) };
    let (stopped, _) = tokio::join!(biased; stop, let_go);
    assert!(stopped);
    let answer = terminal.answer_to("m1").await;
    assert!(answer.last().is_some_and(|(kind, words)| *kind == FAILURE && words.contains("Stopped")), "{answer:?}");
    terminal.send("family", "m2", "echo new").await;
    assert_eq!(terminal.answer_to("m2").await, [(REPLY, "new".to_owned())]);
    assert_eq!(house.started(), 2, "the stopped one was not tried again");
}

/// Everything on stdio is the agent speaking: its error must not fill a chat, nor make a line too long for a channel.
#[tokio::test]
async fn an_error_of_the_agent_has_a_size() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut terminal = running.terminal(Some(&group)).await;
    terminal.send("family", "m1", &format!("error {}", "\u{1}x".repeat(1 << 20))).await;
    let answer = terminal.answer_to("m1").await;
    assert!(answer.iter().all(|(_, words)| words.len() < 4096 && !words.contains('\u{1}')));
    assert!(answer.last().is_some_and(|(kind, words)| *kind == FAILURE && words.contains("The agent failed")));
}

#[tokio::test]
async fn an_idle_sandbox_makes_room_at_the_cap() {
    let mut house = House::new();
    house.settings.cap = 1;
    let (family, work) = (house.group("family"), house.group("work"));
    let running = house.start();
    let mut first = running.terminal(Some(&family)).await;
    let mut second = running.terminal(Some(&work)).await;
    first.send("family", "m1", "echo one").await;
    first.answer_to("m1").await;
    second.send("work", "m1", "echo two").await;
    assert_eq!(second.answer_to("m1").await, [(REPLY, "two".to_owned())]);
    assert_eq!(house.live(), 1);
    first.send("family", "m2", "echo three").await;
    assert_eq!(first.answer_to("m2").await, [(REPLY, "three".to_owned())]);
    assert_eq!((house.live(), house.started()), (1, 3));
}
