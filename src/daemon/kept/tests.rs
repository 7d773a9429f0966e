#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::channels::protocol::Sender;
use crate::store::ledger::Recorded;
use crate::store::{Means, NewGroup, NewMessage};

fn clock() -> OwnersClock {
    OwnersClock::new(jiff::tz::TimeZone::UTC)
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    fn log(&self) -> std::path::PathBuf {
        self.0.path().join("audit")
    }

    fn old(&self) -> std::path::PathBuf {
        self.0.path().join("audit.db")
    }

    fn segment(&self) -> std::path::PathBuf {
        self.log().join("000000000001.jsonl")
    }

    fn remove_log(&self) {
        fs::remove_dir_all(self.log()).unwrap();
    }

    /// A start: its report about the log, and the log's number of records then.
    fn start(&self) -> (Option<String>, u64) {
        let store = Arc::new(Store::serve(&self.0.path().join("doorward.db")).unwrap());
        let (log, lost) = open_log(&self.log(), &self.old(), Retention::default(), &store, &clock()).unwrap();
        let lost = lost.map(|lost| {
            let mut alarms = log.subscribe_to_alarms();
            tell_lost(&log, &store, &lost);
            assert!(matches!(alarms.try_recv().unwrap(), Recorded::Notice(..)), "the owner is told");
            lost.text
        });
        (lost, log.sync().unwrap().0)
    }
}

#[test]
fn a_log_that_is_away_empty_or_older_is_told_once() {
    let home = Home::new();
    assert_eq!(home.start(), (None, 3), "a first start has lost nothing");
    let old = fs::read(home.segment()).unwrap();
    assert_eq!(home.start(), (None, 4));
    assert_eq!(home.start(), (None, 5));

    home.remove_log();
    let store = Arc::new(Store::serve(&home.0.path().join("doorward.db")).unwrap());
    let (log, lost) = open_log(&home.log(), &home.old(), Retention::default(), &store, &clock()).unwrap();
    assert!(lost.is_some(), "and that start came to nothing before anybody was told");
    drop((log, store));
    let (lost, records) = home.start();
    assert!(lost.unwrap().contains("ends with record 3; record 5"));
    assert_eq!(records, 5, "that it was lost is among the first that the new one says");
    assert_eq!(home.start().0, None, "it is told once");

    fs::write(home.segment(), "").unwrap();
    assert!(home.start().0.unwrap().contains("removed or emptied"));
    assert_eq!(home.start().0, None);

    fs::write(home.segment(), &old).unwrap();
    assert!(home.start().0.unwrap().contains("older copy"));
    assert_eq!(home.start().0, None);
}

#[tokio::test]
async fn a_store_that_is_removed_is_told_once_while_the_daemon_runs() {
    const LOOK: Duration = Duration::from_millis(5);
    let home = Home::new();
    let path = home.0.path().join("doorward.db");
    let store = Arc::new(Store::serve(&path).unwrap());
    let (log, _) = open_log(&home.log(), &home.old(), Retention::default(), &store, &clock()).unwrap();
    let mut alarms = log.subscribe_to_alarms();
    let (ending, ended) = watch::channel(false);
    let watching = tokio::spawn(super::watch(Arc::clone(&store), Arc::clone(&log), LOOK, ended));
    // Meanwhile the store is told how far the log has reached on the disk.
    log.notice(&Notice::new("budget", None, "half")).unwrap();
    alarms.recv().await.unwrap();
    let seq = log.sync().unwrap().0;
    while store.log_seen().unwrap() != Some(seq) {
        tokio::time::sleep(LOOK).await;
    }
    assert!(alarms.try_recv().is_err(), "it is there");
    fs::rename(&path, home.0.path().join("away")).unwrap();
    let Recorded::Notice(_, notice) = alarms.recv().await.unwrap() else { panic!("a notice") };
    assert_eq!(notice.what, "store_gone");
    tokio::time::sleep(4 * LOOK).await;
    ending.send_replace(true);
    watching.await.unwrap();
    assert!(alarms.try_recv().is_err(), "it is told once");
}

/// In the background, once the daemon has settled; and it ends with the daemon.
#[tokio::test]
async fn what_has_had_its_time_goes_while_the_daemon_runs() {
    let home = Home::new();
    let path = home.0.path().join("doorward.db");
    let store = Arc::new(Store::serve(&path).unwrap());
    let name = policies::GroupName::parse("family").unwrap();
    store.add_group(&NewGroup { name: &name, channel: "terminal", chat: "family", is_main: false }).unwrap();
    let sender = Sender { id: "anna".into(), name: "Anna".into() };
    for n in 0..1100 {
        let (id, means) = (format!("m{n}"), Means::Talk);
        let talk = NewMessage { group: &name, id: &id, sender: &sender, text: "talk", at: 1, means, quote: None };
        store.insert_message(&talk).unwrap();
    }
    let (ending, ended) = watch::channel(false);
    let task =
        tokio::spawn(retain(Arc::clone(&store), |_| Old { before: now(), ..Old::default() }, Duration::ZERO, ended));
    let reader = rusqlite::Connection::open(&path).unwrap();
    let count = || reader.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    while count() > 1000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ending.send_replace(true);
    task.await.unwrap();
    assert_eq!(count(), 1000);
}
