//! Which runs may have written is stored before anything is sent.

use std::sync::Arc;

use proxy::audit::{Allowed, Decision, Identity, Ledger as _, Operation, Protocol, Seq};

use super::*;
use crate::store::ledger::{AuditLog, Filter, may_have_written};

fn decision(run: u64, protocol: Protocol, method: Option<&str>) -> Decision {
    let identity = Identity { group: name("family"), sandbox: sandbox() };
    Decision {
        verdict: Allowed::Allow,
        method: method.map(str::to_owned),
        ..Decision::bare(identity, Some(run), 1, protocol)
    }
}

fn operation(run: u64, effect: bool) -> Decision {
    let operation = Some(Operation { name: "send_message", effect });
    Decision { operation, ..decision(run, Protocol::Operation, None) }
}

/// A store as a daemon has it, a log that marks runs in it, and a run for each call.
struct House {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    log: AuditLog,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::serve(&dir.path().join("doorward.db")).unwrap());
        let log = AuditLog::open(&dir.path().join("audit")).unwrap().marking_runs_in(Arc::clone(&store));
        let family = name("family");
        store.add_group(&NewGroup { name: &family, channel: "terminal", chat: "c", is_main: false }).unwrap();
        House { dir, store, log }
    }

    fn run(&self) -> Run {
        let sender = Sender { id: "anna".into(), name: "Anna".into() };
        let (family, id) = (name("family"), format!("m{}", self.store.running_runs().unwrap().len()));
        let new = NewMessage {
            group: &family,
            id: &id,
            sender: &sender,
            text: "hello",
            at: 5,
            means: Means::Call,
            quote: None,
        };
        let Inserted::Row(row) = self.store.insert_message(&new).unwrap() else { panic!("it is new") };
        self.store.begin_run(&family, row, row, &sandbox()).unwrap()
    }

    fn wrote(&self, run: &Run) -> Option<bool> {
        self.store.wrote(&run.group, run.first).unwrap()
    }
}

#[tokio::test]
async fn whatever_may_write_marks_its_run_and_nothing_else_does() {
    let house = House::new();
    let deny = |decision| Decision { verdict: Allowed::Deny, ..decision };
    type Make = Box<dyn Fn(u64) -> Decision>;
    let https = |method: &'static str| -> Make { Box::new(move |run| decision(run, Protocol::Https, Some(method))) };
    let cases: Vec<(Make, bool)> = vec![
        (https("GET"), false),
        (https("HEAD"), false),
        (https("OPTIONS"), false),
        (https("POST"), true),
        (https("PUT"), true),
        (https("DELETE"), true),
        (https("PROPFIND"), true),
        (Box::new(|run| decision(run, Protocol::Http, Some("POST"))), true),
        (Box::new(|run| decision(run, Protocol::Websocket, Some("GET"))), true),
        (Box::new(|run| decision(run, Protocol::Tunnel, None)), true),
        (Box::new(|run| decision(run, Protocol::Internal, Some("POST"))), false),
        (Box::new(|run| operation(run, true)), true),
        (Box::new(|run| operation(run, false)), false),
        (Box::new(|run| Decision { alarm: true, ..decision(run, Protocol::Https, Some("POST")) }), true),
        // Asking a model can have no other effect; a socket to it can.
        (Box::new(|run| Decision { asks_model: true, ..decision(run, Protocol::Https, Some("POST")) }), false),
        (Box::new(|run| Decision { asks_model: true, ..decision(run, Protocol::Websocket, Some("GET")) }), true),
        (Box::new(move |run| deny(decision(run, Protocol::Https, Some("POST")))), false),
    ];
    for (make, writes) in cases {
        for together in [true, false] {
            let run = house.run();
            let asked = make(run.id.0);
            assert_eq!(house.wrote(&run), Some(false), "{asked:?}");
            match together {
                true => house.log.decided_together(&asked).await.unwrap(),
                false => house.log.decided(&asked).unwrap(),
            };
            assert_eq!(house.wrote(&run), Some(writes), "{asked:?}");
            assert_eq!(house.log.run_wrote_upstream(run.id).unwrap(), writes, "the log says the same: {asked:?}");
            let filter = Filter { run: Some(run.id), after: Some(Seq(0)), ..Filter::default() };
            let recorded = house.log.entries(&filter).unwrap();
            assert!(
                recorded.iter().any(|entry| may_have_written(&entry.decision)) == writes,
                "and each record: {asked:?}"
            );
        }
    }
}

/// If the mark cannot be made, the request is not sent. Requests that only read continue.
#[tokio::test]
async fn nothing_that_writes_is_decided_before_its_run_is_marked() {
    let house = House::new();
    let (marked, run) = (house.run(), house.run());
    house.log.decided_together(&decision(marked.id.0, Protocol::Https, Some("POST"))).await.unwrap();
    std::fs::remove_file(house.dir.path().join("doorward.db")).unwrap();
    for asked in [decision(run.id.0, Protocol::Https, Some("POST")), operation(run.id.0, true)] {
        let down = house.log.decided_together(&asked).await.unwrap_err().to_string();
        assert!(down.contains("doorward.db is gone"), "{down}");
        house.log.decided(&asked).unwrap_err();
    }
    assert!(!house.log.run_wrote_upstream(run.id).unwrap(), "and there is no record of it");
    house.log.decided_together(&decision(run.id.0, Protocol::Https, Some("GET"))).await.unwrap();
    // Once per run: this one is marked already.
    house.log.decided_together(&decision(marked.id.0, Protocol::Https, Some("POST"))).await.unwrap();
}

/// For an older version's run the log is asked, and if that is lost, it counts as one that wrote.
#[test]
fn a_run_of_an_older_doorward_is_asked_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = migrations::bring_up_to_date(&path, Connection::open(&path).unwrap(), &MIGRATIONS[..3]).unwrap();
    old.execute_batch(
        "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES ('family', 'terminal', 'c', '', 0, 1);
         INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at)
         VALUES ('family', 'm1', 'anna', 'Anna', 'hello', 1, 1);
         INSERT INTO runs (group_name, first_row, last_row, state, sandbox, attempt, started_at)
         VALUES ('family', 1, 1, 'running', 'abc', 1, 1);
         INSERT INTO outbox (group_name, kind, text, state, next_attempt_at, created_at)
         VALUES ('family', 'reply', 'it waits', 'queued', 1, 1)",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    let (family, first) = (name("family"), MessageRow(1));
    assert_eq!(store.wrote(&family, first).unwrap(), None);
    assert_eq!(store.log_seen().unwrap(), Some(1), "where anything ran there was a log");
    assert_eq!(store.next_outgoing_of(&family, now()).unwrap().unwrap().text.as_str(), "it waits");
    store.log_was_lost().unwrap();
    assert_eq!(store.wrote(&family, first).unwrap(), Some(true));
    store.fail_run(RunId(1), "died", None, &[]).unwrap();
    store.begin_run(&family, first, first, &sandbox()).unwrap();
    assert_eq!(store.wrote(&family, first).unwrap(), Some(true), "an attempt that failed counts too");
}
