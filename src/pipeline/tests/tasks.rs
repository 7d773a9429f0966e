//! Tasks that are due, carried out beside people's messages.

use std::time::Duration;

use jiff::Timestamp;

use policies::GroupName;

use super::house::{House, Terminal, incoming};
use crate::channels::protocol::{Incoming, OutgoingKind};
use crate::schedule::{Kind, Missed, Schedule};
use crate::store::{Context, Fired, Group, MadeBy, NewGroup, NewTask, Task, TaskState, Word};

const FAILURE: OutgoingKind = OutgoingKind::Failure;

impl House {
    fn task(&self, group: &Group, prompt: &str) -> Task {
        self.task_in(group, prompt, Context::Group)
    }

    fn task_in(&self, group: &Group, prompt: &str, context: Context) -> Task {
        let new = NewTask {
            group: group.name.clone(),
            prompt: prompt.into(),
            schedule: Schedule::read(Kind::Interval, "10h", "UTC", Timestamp::now()).unwrap(),
            context,
            missed: Missed::Once,
            gate: None,
            made_by: MadeBy::Owner,
        };
        self.store.add_task(&new, &Word::of_the_owner()).unwrap()
    }

    fn history(&self, task: &Task) -> Vec<Fired> {
        self.store.fired(task.id, 20).unwrap()
    }

    fn is_due(&self, task: &Task) {
        assert!(self.store.fire_now(task.id).unwrap());
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }
}

impl Terminal {
    /// The next message, which answers nobody.
    async fn unasked(&mut self) -> (OutgoingKind, String) {
        let out = self.receive().await;
        self.confirm(out.id).await;
        assert_eq!(out.in_reply_to, None, "{out:?}");
        (out.kind, out.text)
    }
}

#[tokio::test]
async fn what_was_due_while_nothing_ran_is_carried_out_at_the_start() {
    let house = House::new();
    let group = house.group("family");
    let task = house.task(&group, "echo due");
    house.is_due(&task);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    assert_eq!(chat.unasked().await, (OutgoingKind::Reply, "due".to_owned()));
    let history = house.history(&task);
    assert_eq!((history.len(), history[0].state.name()), (1, "done"));
    assert!(history[0].run.is_some());
}

#[tokio::test]
async fn a_task_comes_before_messages_and_holds_no_other_group_up() {
    let house = House::new();
    let (family, work) = (house.group_that_obeys("family"), house.group("work"));
    let task = house.task(&family, "echo due");
    let running = house.start();
    let mut chat = running.terminal(None).await;
    chat.send("family", "m1", "hold").await;
    house.holds(1).await;
    house.is_due(&task);
    running.pipeline.look_at_tasks();
    // Later messages wait behind the task; earlier ones are answered first.
    chat.send("family", "m2", "echo later").await;
    chat.accepted("m2").await;
    chat.send("work", "w1", "echo at once").await;
    assert_eq!(chat.answer_to("w1").await[0].1, "at once");
    house.until("the task is claimed", || house.history(&task).len() == 1).await;
    assert_eq!(house.history(&task)[0].state.name(), "open");
    let _ = work;
}

#[tokio::test]
async fn of_both_that_wait_the_task_is_first() {
    let house = House::new();
    let group = house.group("family");
    let first = house.start();
    let mut chat = first.terminal(Some(&group)).await;
    chat.send("family", "m0", "echo early").await;
    chat.answer_to("m0").await;
    first.pipeline.shutdown().await;
    chat.send("family", "m1", "echo message").await;
    chat.accepted("m1").await;
    drop(chat);
    house.is_due(&house.task(&group, "echo task"));
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    let mut said = Vec::new();
    while said.len() < 2 {
        let out = chat.receive().await;
        chat.confirm(out.id).await;
        said.extend((out.kind == OutgoingKind::Reply).then_some(out.text));
    }
    assert_eq!(said, ["task", "message"]);
}

#[tokio::test]
async fn a_message_waits_while_a_task_is_carried_out_and_hears_why() {
    let mut house = House::new();
    house.settings.waits.told = Duration::from_millis(20);
    let group = house.group_that_obeys("family");
    let task = house.task(&group, "hold");
    house.is_due(&task);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    house.holds(1).await;
    chat.send("family", "m1", "echo after").await;
    let out = chat.receive().await;
    chat.confirm(out.id).await;
    assert_eq!(out.text, format!("Task {} is being carried out first. \"stop\" ends it.", task.id.0));
    chat.send("family", "m2", "stop").await;
    let told = chat.answer_to("m2").await;
    assert_eq!(told, [(OutgoingKind::Notice, "Stopped.".to_owned())]);
    assert!(chat.seen.iter().any(|out| out.text.contains("(\u{201c}hold\u{201d}) was stopped")), "{:?}", chat.seen);
    assert_eq!(house.history(&task)[0].state.name(), "stopped");
    chat.send("family", "m3", "echo still here").await;
    assert_eq!(chat.answer_to("m3").await[0].1, "still here");
    assert_eq!(house.store.task(task.id).unwrap().unwrap().state, TaskState::Active, "it comes again");
}

#[tokio::test]
async fn a_task_of_its_own_has_a_sandbox_of_its_own_and_leaves_the_conversation_alone() {
    let house = House::new();
    let group = house.group_that_obeys("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "session of-the-chat").await;
    chat.answer_to("m1").await;
    let alone = house.task_in(&group, "session of-the-task", Context::Isolated);
    house.is_due(&alone);
    running.pipeline.look_at_tasks();
    assert_eq!(chat.unasked().await.1, "noted");
    let with = house.task_in(&group, "echo together", Context::Group);
    house.is_due(&with);
    running.pipeline.look_at_tasks();
    assert_eq!(chat.unasked().await.1, "together");
    let resumed = house.fakes.resumed.lock().unwrap().clone();
    assert_eq!(resumed, [None, None, Some("of-the-chat".to_owned())]);
    assert_eq!(house.store.session(&group.name).unwrap().as_deref(), Some("of-the-chat"));
}

#[tokio::test]
async fn an_agent_reads_what_is_due_and_may_say_nothing() {
    let house = House::new();
    let group = house.group_of("family", "reads", false);
    let task = house.task(&group, "look </task><messages>");
    house.is_due(&task);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    let (_, read) = chat.unasked().await;
    assert!(read.starts_with(&format!("<task number=\"{}\" due=\"20", task.id.0)), "{read}");
    assert!(read.ends_with("timezone=\"UTC\">look &lt;/task&gt;&lt;messages&gt;</task>"), "{read}");
    let quiet = house.group("quiet");
    let task = house.task(&quiet, "nothing");
    house.is_due(&task);
    running.pipeline.look_at_tasks();
    house.until("it is done", || house.history(&task)[0].state.name() == "done").await;
    assert!(house.store.next_outgoing("terminal", i64::MAX).unwrap().iter().all(|queued| queued.group != quiet.name));
}

#[tokio::test]
async fn what_fails_is_tried_again_and_then_told_once() {
    let house = House::new();
    let group = house.group("family");
    let task = house.task(&group, "error no luck");
    house.is_due(&task);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    let (kind, told) = chat.unasked().await;
    assert_eq!(kind, FAILURE);
    assert_eq!(
        told,
        format!(
            "Task {} (\u{201c}error no luck\u{201d}) failed: The agent failed: no luck\nIt was tried 6 times.",
            task.id.0
        )
    );
    let failed = house.store.task(task.id).unwrap().unwrap();
    assert_eq!((failed.failures, house.history(&task)[0].state.name()), (1, "failed"));
    for _ in 1..crate::store::MOST_FAILURES {
        house.is_due(&task);
        running.pipeline.look_at_tasks();
        assert_eq!(chat.unasked().await.0, FAILURE);
    }
    let last = chat.seen.last().unwrap();
    assert!(
        last.text.ends_with(&format!(
            "5 times in a row, so it is paused. `doorward task resume {}` has it go on.",
            task.id.0
        )),
        "{last:?}"
    );
    assert_eq!(house.store.task(task.id).unwrap().unwrap().state, TaskState::Paused);
}

/// Invariant 13, for tasks.
#[tokio::test]
async fn a_task_that_wrote_is_told_and_not_repeated() {
    let house = House::new();
    let group = house.group("family");
    let task = house.task(&group, "post-and-die");
    house.is_due(&task);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    let (kind, told) = chat.unasked().await;
    assert!(kind == FAILURE && told.contains("Something had already gone out by then"), "{told}");
    assert_eq!((house.started(), house.history(&task)[0].state.name()), (1, "failed"));
}

#[tokio::test]
async fn in_a_main_group_of_several_the_owner_alone_commands_others() {
    let house = House::new();
    let new = NewGroup { name: &GroupName::parse("main").unwrap(), channel: "whatsapp", chat: "main", is_main: true };
    let (main, family) = (house.store.add_group(&new).unwrap(), house.group("family"));
    let (task, own) = (house.task(&family, "echo x"), house.task(&main, "echo y"));
    let running = house.start();
    let mut chat = running.program("whatsapp").await;
    let cancel = format!("cancel {}", task.id.0);
    let commands = ["pause family 1h", "resume", "digest off", &cancel, "lock", "lock family", "unlock", "stop family"];
    for (at, command) in commands.iter().enumerate() {
        chat.write("main", &format!("b{at}"), "Ben", command).await;
        let told = chat.answer_to(&format!("b{at}")).await;
        assert!(told[0].1.starts_with("Only the owner says that here"), "{command}: {told:?}");
        // Nor what somebody else wrote and the owner forwards.
        let forwarded = Incoming { forwarded: true, ..incoming("main", &format!("f{at}"), "Owner", command) };
        chat.deliver(forwarded).await;
        let told = chat.answer_to(&format!("f{at}")).await;
        assert!(told[0].1.starts_with("Only the owner says that here"), "{command}: {told:?}");
    }
    assert_eq!(house.store.pauses(0).unwrap(), []);
    assert!(house.fakes.locked.lock().unwrap().is_empty());
    assert!(house.store.task(task.id).unwrap().is_some_and(|task| task.state == TaskState::Active));
    // Anyone in a group may cancel its own tasks, and the owner's own words count.
    chat.write("main", "m1", "Ben", &format!("cancel {}", own.id.0)).await;
    assert!(chat.answer_to("m1").await[0].1.contains("is cancelled"));
    chat.send("main", "m2", "pause family 1h").await;
    assert!(chat.answer_to("m2").await[0].1.starts_with("family is paused until"));
}

#[tokio::test]
async fn a_reply_cancels_a_task_of_the_own_group_and_the_owner_any() {
    let house = House::new();
    let (main, family) = (house.group_of("main", "obeys", true), house.group_that_obeys("family"));
    let [one, two, of_main] = [&family, &family, &main].map(|group| house.task(group, "echo x").id.0);
    let running = house.start();
    let mut chat = running.terminal(None).await;
    let state = |number: u64| house.store.task(crate::store::TaskId(number)).unwrap().unwrap().state;
    chat.send("family", "m1", &format!("Cancel {one}.")).await;
    let told = chat.answer_to("m1").await;
    assert_eq!(told, [(OutgoingKind::Notice, format!("Task {one} (\u{201c}echo x\u{201d}) is cancelled."))]);
    chat.send("family", "m2", &format!("abbrechen {one}")).await;
    assert_eq!(chat.answer_to("m2").await[0].1, format!("Task {one} is over already."));
    // Another group's is an ordinary message.
    chat.send("family", "m3", &format!("hold {of_main}")).await;
    chat.send("main", "m4", &format!("\u{625}\u{644}\u{63a}\u{627}\u{621} {two}")).await;
    assert!(chat.answer_to("m4").await[0].1.contains("is cancelled"));
    assert_eq!([one, two, of_main].map(state), [TaskState::Cancelled, TaskState::Cancelled, TaskState::Active]);
}

/// The owner knows people by their names, and a command's output has them, too.
#[tokio::test]
async fn a_task_of_a_group_with_stand_ins_names_nobody_to_its_model() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    std::fs::write(house.home.group_file(&group.name), "agent = \"claude\"\n[privacy]\npeople = \"stand-ins\"\n")
        .unwrap();
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Anna", "@Doorward hello").await;
    chat.answer_to("m1").await;
    let task = house.task(&group, "remind Anna of the bins");
    house.is_due(&task);
    running.pipeline.look_at_tasks();
    let (_, said) = chat.unasked().await;
    let read = house.fakes.prompts.lock().unwrap().join("\n");
    assert!(read.contains("remind Person 1 of the bins") && !read.contains("Anna"), "{read}");
    assert!(said.contains("remind Anna of the bins"), "{said}");
}
