//! Expired rows are removed; open and new ones stay.

use super::*;
use crate::store::retention::{Old, Retained};

const OLD: Millis = 1_000;
const NEW: Millis = 9_000;

impl Scene {
    fn retain(&self, before: Millis) -> usize {
        self.retain_by(&Old { before, ..Old::default() })
    }

    fn retain_by(&self, old: &Old) -> usize {
        let mut so_far = Retained::default();
        while let Some(next) = self.store.retain(old, so_far).unwrap() {
            so_far = next;
        }
        so_far.removed
    }

    fn sql(&self, text: &str) {
        self.store.connection().execute_batch(text).unwrap();
    }

    fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.store.connection().query_row(&count, [], |row| row.get(0)).unwrap()
    }

    /// This many of each, all answered.
    fn answered(&self, many: usize) {
        for n in 0..many {
            let row = self.row("family", &format!("m{n}"));
            let run = self.store.begin_run(&name("family"), row, row, &SandboxId::new("abc1").unwrap()).unwrap();
            let sent = self.store.finish_run_with_reply(run.id, row, &[reply("hi")]).unwrap();
            self.store.mark_sent(sent[0], None).unwrap();
        }
    }

    fn all_are_from(&self, at: Millis) {
        self.sql(&format!(
            "UPDATE messages SET received_at = {at}; UPDATE runs SET started_at = {at}, ended_at = iif(ended_at, {at}, NULL);
             UPDATE outbox SET created_at = {at}, ended_at = iif(ended_at, {at}, NULL)"
        ));
    }
}

#[test]
fn what_is_old_goes_but_for_the_newest() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.answered(1250);
    scene.all_are_from(OLD);
    assert_eq!(scene.retain(OLD), 0, "not old yet");
    assert_eq!(scene.retain(NEW), 3 * 250);
    for table in ["messages", "runs", "outbox"] {
        assert_eq!(scene.count(table), 1000, "{table}");
    }
    assert_eq!(scene.retain(NEW), 0);
    let again = scene.say("family", "m1249");
    assert!(matches!(again, Inserted::AlreadyThere(_)), "the newest are known when they come once more: {again:?}");
    scene.row("family", "next");
    assert_eq!(scene.pending("family"), ["next"]);
}

/// At any age: an unanswered call, an unsent answer, a run that is in flight, or failed and to be tried again.
#[test]
fn what_is_open_stays() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.add("open", false).unwrap();
    let sandbox = SandboxId::new("abc2").unwrap();
    let (call, next) = (scene.row("open", "call"), scene.row("open", "next"));
    let failed = scene.store.begin_run(&name("open"), call, call, &sandbox).unwrap().id;
    scene.store.fail_run(failed, "no", None, &[]).unwrap();
    let running = scene.store.begin_run(&name("open"), call, next, &sandbox).unwrap().id;
    let queued = scene.store.enqueue(&name("open"), None, &reply("waits")).unwrap();
    scene.answered(1250);
    scene.all_are_from(OLD);
    scene.retain(NEW);
    assert_eq!(scene.pending("open"), ["call", "next"]);
    assert_eq!(scene.store.failed_attempts(&name("open"), call).unwrap(), 1);
    assert_eq!(scene.store.running_runs().unwrap()[0].id, running);
    assert_eq!(scene.store.outgoing_state(queued).unwrap(), Some(OutboxState::Queued));
    assert_eq!((scene.count("messages"), scene.count("runs"), scene.count("outbox")), (1002, 1002, 1001));
}

/// Talk that was never asked about is no open call, and where nobody calls there is nothing else.
#[test]
fn old_talk_goes_also_where_nobody_calls() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.row("family", "call");
    scene.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at, means)
         SELECT 'family', 't' || i, 'a', 'a', 'talk', 1, 1, 'talk' FROM n",
    );
    scene.all_are_from(OLD);
    assert_eq!(scene.retain(NEW), 500);
    assert_eq!(scene.pending("family"), ["call"]);
}

/// A clock was ahead and came back: rows with its times are among the others.
#[test]
fn rows_of_a_wrong_clock_do_not_end_the_search() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.answered(1700);
    scene.all_are_from(OLD);
    scene.sql("UPDATE messages SET received_at = 99000 WHERE row_id % 3 = 0");
    scene.retain(NEW);
    assert_eq!(scene.count("messages"), 1700 - 700 + 700 / 3);
}

#[test]
fn a_group_keeps_for_as_long_as_it_says() {
    let scene = Scene::new();
    for group in ["family", "short", "long"] {
        scene.add(group, false).unwrap();
    }
    let old =
        |before, of: &[(&str, Millis)]| Old { before, of: of.iter().map(|(group, at)| (name(group), *at)).collect() };
    for n in 0..600 {
        for group in ["family", "short", "long"] {
            scene.row(group, &format!("m{n}"));
        }
    }
    scene.sql("UPDATE messages SET received_at = 5000; UPDATE groups SET cursor = 100000");
    let of = |group: &str| -> i64 {
        let count = format!("SELECT count(*) FROM messages WHERE group_name = '{group}'");
        scene.store.connection().query_row(&count, [], |row| row.get(0)).unwrap()
    };
    // The last thousand stay, whatever their group.
    assert_eq!(scene.retain_by(&old(1000, &[("short", 9000)])), 267);
    assert_eq!((of("family"), of("short"), of("long")), (600, 333, 600));
    assert!(scene.retain_by(&old(9000, &[("long", 1000)])) > 0);
    assert_eq!(of("long"), 600, "one that keeps longer than usual");
}
