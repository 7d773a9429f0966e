//! Tasks and their firings.

use jiff::Timestamp;

use super::*;
use crate::schedule::{Kind, MOST_MISSED, Missed, Schedule};
use crate::store::firings::FiringId;

const MINUTE: Millis = 60_000;

fn every(time: &str) -> NewTask {
    let schedule = Schedule::read(Kind::Interval, time, "Europe/Berlin", Timestamp::now()).unwrap();
    NewTask {
        group: name("family"),
        prompt: "echo due".into(),
        schedule,
        context: Context::Group,
        missed: Missed::Once,
        gate: None,
        made_by: MadeBy::Owner,
    }
}

impl Scene {
    fn with_family() -> Self {
        let scene = Scene::new();
        scene.add("family", false).unwrap();
        scene
    }

    fn task(&self, new: &NewTask) -> Task {
        self.store.add_task(new, &Word::of_the_owner()).unwrap()
    }

    fn open(&self) -> Vec<Firing> {
        self.store.open_firings(&name("family")).unwrap()
    }

    fn states(&self, task: &Task) -> Vec<&'static str> {
        self.store.fired(task.id, 100).unwrap().iter().rev().map(|fired| fired.state.name()).collect()
    }

    /// Carries out open firings once.
    fn carries_out(&self, how: &FiringEnd) {
        let firing = self.open().remove(0);
        let (row, sandbox) = (firing.id.row(), SandboxId::new("abc1").unwrap());
        let run = self.store.begin_run(&name("family"), row, row, &sandbox).unwrap();
        self.store.end_firing(run.id, &firing, how, &[]).unwrap();
    }

    fn change(&self, task: &Task, state: TaskState) -> Result<Task, NotChanged> {
        let change = TaskChange { state: Some(state), ..TaskChange::default() };
        self.store.change_task(task.id, &change, &Word::of_the_owner())
    }
}

#[test]
fn what_is_due_is_claimed_once_with_what_follows() {
    let scene = Scene::with_family();
    let task = scene.task(&every("10m"));
    let due = task.plan.next.unwrap().as_millisecond();
    assert_eq!(scene.store.next_due(now()).unwrap(), Some(due));
    scene.store.claim_due(due - 1).unwrap();
    assert_eq!(scene.open().len(), 0);
    for _ in 0..3 {
        scene.store.claim_due(due + 5).unwrap();
    }
    let open = scene.open();
    assert_eq!((open.len(), open[0].due_at.as_millisecond(), open[0].task.id), (1, due, task.id));
    assert_eq!(scene.store.groups_firing(now()).unwrap(), [name("family")]);
    let again = scene.store.task(task.id).unwrap().unwrap();
    assert_eq!(again.plan.next.unwrap().as_millisecond(), due + 10 * MINUTE);
    assert_eq!(again.plan.last.unwrap().as_millisecond(), due);
    scene.carries_out(&FiringEnd::Done);
    assert_eq!(scene.store.next_firing(&name("family")).unwrap().map(|firing| firing.id), None);
    assert_eq!(scene.states(&task), ["done"]);
}

/// Firings' runs have their own rows: no message is covered by one, and none covers a message.
#[test]
fn runs_of_firings_and_of_messages_are_apart() {
    let scene = Scene::with_family();
    let task = scene.task(&every("10m"));
    scene.store.claim_due(task.plan.next.unwrap().as_millisecond()).unwrap();
    let (first, second) = (scene.row("family", "m1"), scene.row("family", "m2"));
    let sandbox = SandboxId::new("abc1").unwrap();
    let of_messages = scene.store.begin_run(&name("family"), first, second, &sandbox).unwrap();
    scene.store.will_write_now(of_messages.id).unwrap();
    scene.store.fail_run(of_messages.id, "died", None, &[]).unwrap();
    let firing = scene.open().remove(0);
    let row = firing.id.row();
    assert_eq!((FiringId::of(row), FiringId::of(first)), (Some(firing.id), None));
    assert_eq!(scene.store.wrote(&name("family"), row).unwrap(), Some(false));
    let run = scene.store.begin_run(&name("family"), row, row, &sandbox).unwrap();
    assert_eq!(run.attempt, 1);
    scene.store.will_write_now(run.id).unwrap();
    assert_eq!(scene.store.wrote(&name("family"), row).unwrap(), Some(true));
    assert_eq!(scene.store.runs_over(&name("family"), first).unwrap(), [of_messages.id]);
    scene.store.end_firing(run.id, &firing, &FiringEnd::Done, &[reply("done")]).unwrap();
    assert_eq!(scene.pending("family"), ["m1", "m2"], "no cursor has moved");
    assert!(matches!(
        scene.store.end_firing(run.id, &firing, &FiringEnd::Done, &[reply("twice")]),
        Err(EndRunError::NotRunning(_))
    ));
    assert_eq!(scene.store.next_outgoing("terminal", now()).unwrap().len(), 1);
}

#[test]
fn one_at_a_time_but_for_what_is_all_to_be_made_up_for() {
    let scene = Scene::with_family();
    let (one, all) = (scene.task(&every("10m")), scene.task(&NewTask { missed: Missed::All, ..every("10m") }));
    let due = all.plan.next.unwrap().as_millisecond();
    scene.store.claim_due(due).unwrap();
    scene.store.claim_due(due + 10 * MINUTE).unwrap();
    assert_eq!(scene.states(&one), ["open", "missed"]);
    assert_eq!(scene.states(&all), ["open", "open"]);
    scene.store.claim_due(due + 10_000 * MINUTE).unwrap();
    assert_eq!(scene.states(&all).iter().filter(|state| **state == "open").count(), MOST_MISSED);
    let history = scene.store.fired(one.id, 9).unwrap();
    assert_eq!(history[1].outcome.as_deref(), Some("the one before was not over"));
}

#[test]
fn a_task_that_fails_rests_and_is_paused_in_the_end() {
    let scene = Scene::with_family();
    let task = scene.task(&every("1m"));
    let mut pauses = Vec::new();
    for failures in 1..=MOST_FAILURES {
        assert!(scene.store.fire_now(task.id).unwrap());
        assert!(!scene.store.fire_now(task.id).unwrap(), "it waits already");
        let before = now();
        scene.carries_out(&FiringEnd::Failed("no luck".into()));
        let task = scene.store.task(task.id).unwrap().unwrap();
        assert_eq!(task.failures, failures);
        pauses.push((task.plan.next.unwrap().as_millisecond() - before) / MINUTE);
    }
    // It is on whole minutes, so the next may be one later.
    assert!(pauses.iter().zip([5, 10, 20, 40]).all(|(pause, least)| (least..=least + 1).contains(pause)), "{pauses:?}");
    let paused = scene.store.task(task.id).unwrap().unwrap();
    assert_eq!((paused.state, paused.why.as_deref()), (TaskState::Paused, Some("it failed 5 times in a row")));
    assert_eq!(scene.store.next_due(now()).unwrap(), None);
    let again = scene.change(&task, TaskState::Active).unwrap();
    assert_eq!((again.failures, again.why, again.state), (0, None, TaskState::Active));
    assert!(again.plan.next.unwrap().as_millisecond() <= now() + MINUTE);
    scene.store.fire_now(task.id).unwrap();
    scene.carries_out(&FiringEnd::Failed("no luck".into()));
    scene.store.fire_now(task.id).unwrap();
    scene.carries_out(&FiringEnd::Nothing);
    assert_eq!(scene.store.task(task.id).unwrap().unwrap().failures, 0, "in a row");
}

#[test]
fn what_is_tried_again_waits_and_nothing_else_does() {
    let scene = Scene::with_family();
    let task = scene.task(&every("10m"));
    scene.store.fire_now(task.id).unwrap();
    scene.carries_out(&FiringEnd::Again("the engine hiccuped".into(), 5 * MINUTE));
    assert!(scene.store.next_firing(&name("family")).unwrap().is_none());
    assert_eq!(scene.states(&task), ["open"]);
    let next = scene.store.next_due(now()).unwrap().unwrap();
    assert!((now() + 4 * MINUTE..=now() + 5 * MINUTE).contains(&next));
    // At each moment it is either to be done or still to come.
    for (at, may) in [(next - 1, false), (next, true), (next + 1, true)] {
        let (groups, due) = (scene.store.groups_firing(at).unwrap(), scene.store.next_due(at).unwrap());
        assert_eq!((groups == [name("family")], due == Some(next)), (may, !may), "{}", at - next);
    }
    let firing = scene.open().remove(0);
    let (row, sandbox) = (firing.id.row(), SandboxId::new("abc2").unwrap());
    assert_eq!(scene.store.begin_run(&name("family"), row, row, &sandbox).unwrap().attempt, 2);
}

#[test]
fn a_task_that_is_over_changes_no_more_and_drops_what_has_not_begun() {
    let scene = Scene::with_family();
    let (begun, waits) = (scene.task(&every("10m")), scene.task(&every("10m")));
    for task in [&begun, &waits] {
        scene.store.fire_now(task.id).unwrap();
    }
    let firing = scene.open().remove(0);
    let (row, sandbox) = (firing.id.row(), SandboxId::new("abc1").unwrap());
    let run = scene.store.begin_run(&name("family"), row, row, &sandbox).unwrap();
    for task in [&begun, &waits] {
        assert_eq!(scene.change(task, TaskState::Cancelled).unwrap().state, TaskState::Cancelled);
        assert!(matches!(scene.change(task, TaskState::Active), Err(NotChanged::Over(_))));
    }
    assert_eq!((scene.states(&begun), scene.states(&waits)), (vec!["open"], vec!["stopped"]));
    scene.store.end_firing(run.id, &firing, &FiringEnd::Done, &[]).unwrap();
    assert_eq!(scene.states(&begun), ["done"]);
    assert_eq!(scene.store.tasks(None, false).unwrap().len(), 0);
    assert_eq!(scene.store.tasks(Some(&name("family")), true).unwrap().len(), 2);
    assert_eq!(scene.store.next_due(now()).unwrap(), None);
}

#[test]
fn agents_make_so_many_and_only_while_their_run_is_under_way() {
    let scene = Scene::with_family();
    scene.add("other", false).unwrap();
    let sandbox = SandboxId::new("abc1").unwrap();
    let run = scene.store.begin_run(&name("family"), MessageRow(1), MessageRow(1), &sandbox).unwrap().id;
    let others = scene.store.begin_run(&name("other"), MessageRow(1), MessageRow(1), &sandbox).unwrap().id;
    let told = |task: &Task| {
        let text = Sayable::unchecked(format!("task {}", task.id.0));
        vec![(name("family"), NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None })]
    };
    let new = NewTask { made_by: MadeBy::Agent, ..every("10m") };
    let family = name("family");
    let add = |run| scene.store.add_task(&new, &Word { run: Some((run, &family)), tell: &told });
    for _ in 0..MOST_BY_AGENTS {
        add(run).unwrap();
    }
    assert!(matches!(add(run), Err(NotChanged::TooMany)));
    assert!(matches!(add(others), Err(NotChanged::NotRunning)));
    scene.task(&every("10m"));
    let first = TaskId(1);
    let pause = TaskChange { state: Some(TaskState::Paused), ..TaskChange::default() };
    scene.store.change_task(first, &pause, &Word { run: Some((run, &family)), tell: &told }).unwrap();
    assert!(matches!(add(run), Err(NotChanged::TooMany)), "a paused one counts");
    let end = TaskChange { state: Some(TaskState::Cancelled), ..TaskChange::default() };
    scene.store.change_task(first, &end, &Word::of_the_owner()).unwrap();
    add(run).unwrap();
    scene.store.fail_run(run, "over", None, &[]).unwrap();
    assert!(matches!(add(run), Err(NotChanged::NotRunning)));
    assert!(matches!(
        scene.store.change_task(TaskId(2), &pause, &Word { run: Some((run, &family)), tell: &told }),
        Err(NotChanged::NotRunning)
    ));
    let said: i64 = scene
        .store
        .read(|connection| connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(said, 22, "each that was made, and the pause, and nothing that was refused");
}

#[test]
fn a_zone_that_is_not_known_here_pauses_its_task_alone() {
    let scene = Scene::with_family();
    let (lost, well) = (scene.task(&every("10m")), scene.task(&every("10m")));
    scene
        .store
        .connection()
        .execute("UPDATE tasks SET zone = 'Mars/Olympus' WHERE id = ?1", [lost.id.0 as i64])
        .unwrap();
    scene.store.claim_due(now() + 11 * MINUTE).unwrap();
    let paused = scene.store.task(lost.id).unwrap().unwrap();
    assert_eq!(paused.state, TaskState::Paused);
    assert!(paused.why.unwrap().contains("Mars/Olympus"));
    assert_eq!(scene.states(&well), ["open"]);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_task_waiting() {
    let scene = Scene::with_family();
    let task = scene.task(&every("10m"));
    let year = 365 * 24 * 60 * MINUTE;
    scene.store.claim_due(now() + year).unwrap();
    scene.carries_out(&FiringEnd::Done);
    assert!(scene.store.next_due(now()).unwrap().unwrap() > now() + year);
    scene.store.claim_due(now()).unwrap();
    assert!(scene.store.next_due(now()).unwrap().unwrap() <= now() + 10 * MINUTE);
    assert_eq!(scene.states(&task), ["done", "missed"], "and nothing is due that was not");
}

#[test]
fn a_group_takes_its_tasks_along_and_old_history_goes() {
    let scene = Scene::with_family();
    let task = scene.task(&every("10m"));
    scene.store.fire_now(task.id).unwrap();
    scene.carries_out(&FiringEnd::Done);
    scene.store.fire_now(task.id).unwrap();
    scene.store.remove_group(&name("family")).unwrap();
    assert_eq!(scene.store.tasks(None, true).unwrap().len(), 0);
    assert_eq!(scene.store.fired(task.id, 9).unwrap().len(), 0);
    assert!(matches!(scene.change(&task, TaskState::Paused), Err(NotChanged::NoTask(_))));
}

/// A database from before there were tasks.
#[test]
fn an_older_database_has_no_task_and_takes_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = migrations::bring_up_to_date(&path, Connection::open(&path).unwrap(), &MIGRATIONS[..5]).unwrap();
    old.execute_batch(
        "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES ('family', 'terminal', 'c', '', 0, 1);
         INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at)
         VALUES ('family', 'm1', 'anna', 'Anna', 'hello', 1, 1)",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.pending_messages(&name("family")).unwrap().len(), 1);
    assert_eq!((store.tasks(None, true).unwrap().len(), store.next_due(now()).unwrap()), (0, None));
    let task = store.add_task(&every("10m"), &Word::of_the_owner()).unwrap();
    assert_eq!(store.tasks(None, false).unwrap()[0].id, task.id);
}
