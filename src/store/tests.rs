#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;

use policies::{GroupName, SandboxId};

use super::*;
use crate::channels::protocol::{OutgoingKind, Sender};

mod asks;
mod beside;
mod gone;
mod pauses;
mod people;
mod retention;
mod schemas;
mod tasks;
mod undelivered;
mod wrote;

struct Scene {
    dir: tempfile::TempDir,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("doorward.db")).unwrap();
        Scene { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("doorward.db")
    }

    fn add(&self, group: &str, is_main: bool) -> Result<Group, AddGroupError> {
        let name = name(group);
        let chat = format!("chat-{group}");
        self.store.add_group(&NewGroup { name: &name, channel: "terminal", chat: &chat, is_main })
    }

    fn say(&self, group: &str, id: &str) -> Inserted {
        let sender = Sender { id: "anna".into(), name: "Anna".into() };
        let message = NewMessage {
            group: &name(group),
            id,
            sender: &sender,
            text: "hello",
            at: 5,
            means: Means::Call,
            quote: None,
        };
        self.store.insert_message(&message).unwrap()
    }

    fn row(&self, group: &str, id: &str) -> MessageRow {
        match self.say(group, id) {
            Inserted::Row(row) => row,
            Inserted::AlreadyThere(row) => panic!("{row:?} was there"),
        }
    }

    fn pending(&self, group: &str) -> Vec<String> {
        self.store.pending_messages(&name(group)).unwrap().into_iter().map(|message| message.id).collect()
    }

    fn due(&self) -> Vec<String> {
        self.store.next_outgoing("terminal", now()).unwrap().into_iter().map(|queued| queued.text.to_string()).collect()
    }
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

fn sandbox() -> SandboxId {
    SandboxId::new("abc123").unwrap()
}

fn reply(text: &str) -> NewOutgoing {
    NewOutgoing { kind: OutgoingKind::Reply, text: Sayable::unchecked(text), in_reply_to: Some("m1".into()) }
}

#[test]
fn groups_are_one_per_name_and_chat_and_one_is_main() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("owner", true).unwrap();
    let say = |result: Result<Group, AddGroupError>| result.unwrap_err().to_string();
    assert!(say(scene.add("family", false)).contains("a group family already"));
    assert!(say(scene.add("other", true)).contains("doorward group set other main"));
    assert!(say(scene.add("base", false)).contains("base.toml"));
    let other = name("other");
    let chat = NewGroup { name: &other, channel: "terminal", chat: "chat-family", is_main: false };
    assert!(say(scene.store.add_group(&chat)).contains("is the group family already"));
    let names: Vec<String> = scene.store.groups().unwrap().into_iter().map(|group| group.name.to_string()).collect();
    assert_eq!(names, ["owner", "family"]);
    let found = scene.store.group_by_chat("terminal", "chat-family").unwrap();
    assert_eq!(found, scene.store.group(&name("family")).unwrap());
    assert_eq!(scene.store.group_by_chat("whatsapp", "chat-family").unwrap(), None);
}

#[test]
fn the_main_group_moves_and_never_is_there_two() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("owner", true).unwrap();
    let main = || {
        let groups = scene.store.groups().unwrap().into_iter().filter(|group| group.is_main);
        groups.map(|group| group.name.to_string()).collect::<Vec<_>>()
    };
    assert!(!scene.store.set_main(&name("nobody")).unwrap());
    assert_eq!(main(), ["owner"], "a name that is wrong takes it from nobody");
    for _ in 0..2 {
        assert!(scene.store.set_main(&name("family")).unwrap());
        assert_eq!(main(), ["family"]);
    }
}

#[test]
fn a_redelivered_message_is_stored_once() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("work", false).unwrap();
    let row = scene.row("family", "m1");
    assert_eq!(scene.say("family", "m1"), Inserted::AlreadyThere(row));
    scene.row("work", "m1");
    assert_eq!(scene.pending("family"), ["m1"]);
}

#[test]
fn a_chat_that_is_not_registered_leaves_nothing() {
    let scene = Scene::new();
    let sender = Sender { id: "eve".into(), name: "Eve".into() };
    let message = NewMessage {
        group: &name("nobody"),
        id: "m1",
        sender: &sender,
        text: "psst",
        at: 0,
        means: Means::Call,
        quote: None,
    };
    assert!(matches!(scene.store.insert_message(&message), Err(StoreError::NoGroup(_))));
    let count: i64 = scene.store.read(|c| c.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))).unwrap();
    assert_eq!(count, 0);
}

#[test]
fn a_run_ends_with_its_reply_and_cursor_or_not_at_all() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let (first, last) = (scene.row("family", "m1"), scene.row("family", "m2"));
    let run = scene.store.begin_run(&name("family"), first, last, &sandbox()).unwrap();
    assert_eq!(scene.pending("family"), ["m1", "m2"]);
    scene.row("family", "m3");
    let queued = scene.store.finish_run_with_reply(run.id, last, &[reply("one"), reply("two")]).unwrap();
    assert_eq!(queued.len(), 2);
    assert_eq!(scene.pending("family"), ["m3"]);
    assert_eq!(scene.store.cursor(&name("family")).unwrap(), last);
    assert_eq!(scene.store.run(run.id).unwrap().unwrap().state, RunState::Done);
    let again = scene.store.finish_run_with_reply(run.id, last, &[reply("three")]);
    assert!(matches!(again, Err(EndRunError::NotRunning(id)) if id == run.id));
    assert!(scene.store.fail_run(run.id, "late", None, &[reply("four")]).is_err());
    assert_eq!(scene.due(), ["one"]);
}

/// Half of the transaction succeeds, then the outbox refuses: nothing of it stays.
#[test]
fn a_reply_that_cannot_be_queued_leaves_the_run_running() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let row = scene.row("family", "m1");
    let run = scene.store.begin_run(&name("family"), row, row, &sandbox()).unwrap();
    let refuse = "CREATE TRIGGER t BEFORE INSERT ON outbox WHEN NEW.text = 'two' BEGIN SELECT RAISE(ABORT, 'no'); END";
    scene.store.read(|connection| connection.execute_batch(refuse)).unwrap();
    scene.store.finish_run_with_reply(run.id, row, &[reply("one"), reply("two")]).unwrap_err();
    assert_eq!(scene.store.run(run.id).unwrap().unwrap().state, RunState::Running);
    assert_eq!(scene.pending("family"), ["m1"]);
    assert_eq!(scene.due(), [""; 0]);
}

#[test]
fn attempts_are_counted_and_the_cursor_moves_only_when_told() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let row = scene.row("family", "m1");
    let begin = || scene.store.begin_run(&name("family"), row, row, &sandbox()).unwrap();
    let first = begin();
    assert_eq!(first.attempt, 1);
    scene.store.fail_run(first.id, "no engine", None, &[]).unwrap();
    assert_eq!(scene.pending("family"), ["m1"]);
    let second = begin();
    assert_eq!(second.attempt, 2);
    scene.store.fail_run(second.id, "no engine", Some(row), &[reply("it failed")]).unwrap();
    assert_eq!(scene.pending("family"), [""; 0]);
    assert_eq!(scene.store.failed_attempts(&name("family"), row).unwrap(), 2);
    assert_eq!(scene.store.run(second.id).unwrap().unwrap().error.as_deref(), Some("no engine"));
    assert_eq!(scene.store.runs_over(&name("family"), row).unwrap(), [first.id, second.id]);
}

/// The database is used while the first handle still lives: as after `kill -9`, nothing was closed.
#[test]
fn a_crash_loses_nothing_and_shows_the_run_that_was_under_way() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let row = scene.row("family", "m1");
    let run = scene.store.begin_run(&name("family"), row, row, &sandbox()).unwrap();
    scene.store.extend_run(run.id, scene.row("family", "m2")).unwrap();
    let files = [("", "doorward.db"), ("-wal", "doorward.db-wal")];
    let copy = tempfile::tempdir().unwrap();
    for (_, file) in files {
        std::fs::copy(scene.dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let after = Store::open(&copy.path().join("doorward.db")).unwrap();
    let running = after.running_runs().unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].id, running[0].last), (run.id, MessageRow(row.0 + 1)));
    assert_eq!(after.pending_messages(&name("family")).unwrap().len(), 2);
}

#[test]
fn the_outbox_keeps_the_order_of_each_chat() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("work", false).unwrap();
    let ids: Vec<OutboxId> = ["family", "family", "work"]
        .iter()
        .zip(["f1", "f2", "w1"])
        .map(|(group, text)| scene.store.enqueue(&name(group), None, &reply(text)).unwrap())
        .collect();
    assert_eq!(scene.due(), ["f1", "w1"]);
    assert_eq!(scene.store.next_outgoing("whatsapp", i64::MAX).unwrap(), []);
    let later = now() + 60_000;
    assert!(scene.store.mark_failed(ids[0], "offline", Some(later)).unwrap());
    assert_eq!(scene.store.next_outgoing_of(&name("family"), later - 1).unwrap(), None);
    assert_eq!(scene.store.next_outgoing_of(&name("family"), later).unwrap().unwrap().attempts, 1);
    assert!(scene.store.mark_sent(ids[2], None).unwrap());
    assert!(!scene.store.mark_sent(ids[2], None).unwrap());
    assert_eq!(scene.store.next_outgoing_at("terminal", now()).unwrap(), Some(later));
    assert!(scene.store.mark_failed(ids[0], "blocked", None).unwrap());
    assert_eq!(scene.store.outgoing_state(ids[0]).unwrap(), Some(OutboxState::Failed));
    assert_eq!(scene.due(), ["f2"]);
    scene.store.mark_sent(ids[1], None).unwrap();
    assert_eq!(scene.store.next_outgoing_at("terminal", now()).unwrap(), None);
}

#[test]
fn a_removed_group_takes_its_rows_along_and_ids_are_not_used_again() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let row = scene.row("family", "m1");
    let run = scene.store.begin_run(&name("family"), row, row, &sandbox()).unwrap();
    let queued = scene.store.finish_run_with_reply(run.id, row, &[reply("bye")]).unwrap();
    assert!(scene.store.remove_group(&name("family")).unwrap().is_some());
    assert!(scene.store.remove_group(&name("family")).unwrap().is_none());
    assert_eq!(scene.store.outgoing_state(queued[0]).unwrap(), None);
    scene.add("family", false).unwrap();
    let new_row = scene.row("family", "m1");
    let new_run = scene.store.begin_run(&name("family"), new_row, new_row, &sandbox()).unwrap();
    assert!(new_row > row && new_run.id > run.id);
    assert!(scene.store.enqueue(&name("family"), None, &reply("hi")).unwrap() > queued[0]);
}

#[test]
fn groups_that_wait_are_served_in_the_order_of_their_messages() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("work", false).unwrap();
    scene.row("work", "m1");
    scene.row("family", "m1");
    scene.row("work", "m2");
    assert_eq!(scene.store.groups_waiting().unwrap(), [name("work"), name("family")]);
}

#[test]
fn the_file_is_private_and_opens_again() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    for file in ["doorward.db", "doorward.db-wal"] {
        assert_eq!(std::fs::metadata(scene.dir.path().join(file)).unwrap().mode() & 0o777, 0o600, "{file}");
    }
    let path = scene.path();
    let again = Store::open(&path).unwrap();
    assert_eq!(again.groups().unwrap().len(), 1);
}

#[test]
fn a_newer_schema_is_left_alone() {
    let scene = Scene::new();
    scene.store.read(|connection| connection.pragma_update(None, "user_version", 99)).unwrap();
    let error = Store::open(&scene.path()).unwrap_err().to_string();
    let known = MIGRATIONS.len();
    assert!(error.contains(&format!("newer doorward (schema 99, this one knows {known})")), "{error}");
}

#[test]
fn migrations_apply_what_is_missing_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let open = || Connection::open(&path).unwrap();
    let (one, two) = ("CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (1)");
    migrations::bring_up_to_date(&path, open(), &[one]).unwrap();
    migrations::bring_up_to_date(&path, open(), &[one, "CREATE TABLE b (x); nonsense"]).unwrap_err();
    assert_eq!(migrations::version(&open()).unwrap(), 1);
    let done = migrations::bring_up_to_date(&path, open(), &[one, two]).unwrap();
    assert_eq!(migrations::version(&done).unwrap(), 2);
    let rows: i64 = done.query_row("SELECT count(*) FROM b", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

/// Messages waiting in a database of the first schema are answered as before.
#[test]
fn an_older_database_is_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = migrations::bring_up_to_date(&path, Connection::open(&path).unwrap(), &MIGRATIONS[..1]).unwrap();
    old.execute_batch(
        "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES ('family', 'terminal', 'c', 'shell', 0, 1);
         INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at)
         VALUES ('family', 'm1', 'anna', 'Anna', 'hello', 1, 1)",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    let pending = store.pending_messages(&name("family")).unwrap();
    assert_eq!((pending.len(), pending[0].means, &pending[0].quote), (1, Means::Call, &None));
    assert_eq!(store.groups_waiting().unwrap(), [name("family")]);
    assert_eq!(store.session(&name("family")).unwrap(), None);
}

/// Of a long talk the newest messages go along, and one more shows that there was more.
#[test]
fn talk_waits_for_a_call_and_goes_along_within_bounds() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let sender = Sender { id: "anna".into(), name: "Anna".into() };
    let say = |id: String, means| {
        let group = name("family");
        let new = NewMessage { group: &group, id: &id, sender: &sender, text: "hello", at: 5, means, quote: None };
        scene.store.insert_message(&new).unwrap();
    };
    (0..MOST_TALK + 50).for_each(|number| say(format!("t{number}"), Means::Talk));
    assert_eq!((scene.pending("family").len(), scene.store.groups_waiting().unwrap().len()), (0, 0));
    say("call".into(), Means::Call);
    say("after".into(), Means::Talk);
    let pending = scene.pending("family");
    assert_eq!((pending.len(), &*pending[0], &*pending[MOST_TALK + 1]), (MOST_TALK + 2, "t49", "call"));
    assert_eq!(scene.store.calls_waiting(&name("family")).unwrap().len(), 1);
}

#[test]
fn what_is_wrong_with_the_file_is_said_in_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    std::fs::write(&path, "this is a letter to my aunt, and surely no database at all").unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("damaged or no database"), "{error}");
    let error = Store::open(&dir.path().join("no/such/doorward.db")).unwrap_err().to_string();
    assert!(error.contains("no/such/doorward.db"), "{error}");
}

/// If a daemon has served, the database held groups and people's wishes.
#[test]
fn a_database_that_was_emptied_or_removed_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, version) = (dir.path().join("doorward.db"), dir.path().join("version"));
    let mends = |error: StoreError, what: &str| {
        let error = error.to_string();
        assert!(error.contains(what) && error.contains(&version.display().to_string()), "{error}");
    };
    // It was never served: its creation was interrupted.
    std::fs::write(&path, "").unwrap();
    drop(Store::open(&path).unwrap());
    std::fs::write(&version, "0.1.0\n").unwrap();
    drop(Store::serve(&path).unwrap());
    std::fs::write(&path, "").unwrap();
    for refused in [Store::open(&path), Store::serve(&path)] {
        mends(refused.err().unwrap(), "is damaged or no database; restore it from a backup");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "and it is left as it is");
    std::fs::remove_file(&path).unwrap();
    for refused in [Store::open(&path), Store::serve(&path), Store::open_existing(&path).map(Option::unwrap)] {
        mends(refused.err().unwrap(), "is gone: it was removed or replaced; put it back or restore a backup");
    }
    assert!(!path.exists());
    std::fs::remove_file(&version).unwrap();
    assert!(Store::open_existing(&path).unwrap().is_none());
    drop(Store::serve(&path).unwrap());
}

#[test]
fn a_full_disk_is_called_one_and_passes() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let limit = |pages: i64| {
        scene.store.read(|connection| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0))
        })
    };
    limit(1).unwrap();
    let sender = Sender { id: "a".into(), name: "A".into() };
    let text = "x".repeat(100_000);
    let message = NewMessage {
        group: &name("family"),
        id: "m1",
        sender: &sender,
        text: &text,
        at: 0,
        means: Means::Call,
        quote: None,
    };
    let error = scene.store.insert_message(&message).unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("the disk is full"), "{error}");
    limit(1_000_000).unwrap();
    assert!(matches!(scene.store.insert_message(&message), Ok(Inserted::Row(_))));
}

/// `lock all` in the owner's chat must reach every door, whoever chose a name.
#[test]
fn no_group_has_a_name_that_means_every_group() {
    let scene = Scene::new();
    for word in EVERY_GROUP.iter().filter(|word| GroupName::parse(word).is_ok()) {
        assert!(matches!(scene.add(word, false), Err(AddGroupError::EveryGroup(_))), "{word}");
    }
    assert!(matches!(scene.add("base", false), Err(AddGroupError::Reserved)));
    assert!(scene.add("allotment", false).is_ok());
}
