//! A log from before the journal.

use rusqlite::{Connection, params};
use serde_json::json;

use super::*;
use crate::store::Millis;
use crate::store::ledger::old::hash;

/// An `audit.db` with these events, as an older version wrote them.
fn old_log(path: &Path, events: &[(Millis, &str, Option<u64>, serde_json::Value)]) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(include_str!("../../schema/audit-1.sql")).unwrap();
    connection.execute_batch(include_str!("../../schema/audit-2.sql")).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let mut before = [0; 32];
    for (seq, (at, kind, about, record)) in (1..).zip(events) {
        let record = record.to_string();
        before = hash(&before, seq, *at, kind, *about, &record);
        let about = about.map(u64::cast_signed);
        connection
            .execute(
                "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![seq.cast_signed(), at, kind, about, record, before],
            )
            .unwrap();
    }
}

fn some_events() -> Vec<(Millis, &'static str, Option<u64>, serde_json::Value)> {
    let allow = |host: &str| {
        json!({ "group": "family", "sandbox": "abc1", "protocol": "https", "method": "GET", "host": host,
                                     "verdict": "allow", "head_bytes": 100, "by_wildcard": true })
    };
    vec![
        (now() - 90_000_000, "notice", None, json!({ "what": "opened", "text": "" })),
        (now() - 90_000_000, "decision", None, allow("yesterday.example")),
        (now(), "decision", None, allow("a.example")),
        (now(), "outcome", Some(3), json!({ "bytes_up": 11, "bytes_down": 5 })),
        (
            now(),
            "decision",
            None,
            json!({ "group": "work", "verdict": "deny", "code": "not_allowed", "protocol": "https" }),
        ),
    ]
}

#[test]
fn the_journal_goes_on_from_an_older_log() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, old) = (dir.path().join("audit"), dir.path().join("audit.db"));
    assert!(Before::the_journal(&folder, &old).unwrap().is_none(), "there is none");
    old_log(&old, &some_events());
    let before = Before::the_journal(&folder, &old).unwrap().unwrap();
    assert_eq!((before.head.seq, &before.damage), (5, &None));
    add_notice(&folder, &old, &Notice::new("preset_accepted", None, "before the first start")).unwrap();
    assert_eq!(Before::the_journal(&folder, &old).unwrap().unwrap().head, before.head, "nothing is carried yet");
    let open = || AuditLog::open_to_keep(&folder, Retention::default(), before.head).unwrap();
    let log = open();
    assert_eq!(log.found(), Seq(5 + 3), "nothing is missing, and its event is there");
    drop(log);
    // It was killed before anything had been carried over.
    let before = Before::the_journal(&folder, &old).unwrap().unwrap();
    let log = open();
    log.carry_over(&before, now() - 1000).unwrap();
    let family = GroupName::parse("family").unwrap();
    let names = std::iter::once("a.example".to_owned()).collect();
    let used = UsedSince { requests: 1, bytes_up: 111, names };
    assert_eq!(log.used_since(&family, now() - 1000).unwrap(), used, "of the day, and once");
    assert!(log.decided(&allowed("GET")).unwrap() > Seq(8));
    assert!(Before::the_journal(&folder, &old).unwrap().is_none(), "it is done");
    let verified = verify(&folder, Some(before.head.chain)).unwrap();
    assert_eq!((verified.removed, verified.holds_head), (5, Some(true)));
}

#[test]
fn an_older_log_can_be_read_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("audit.db");
    old_log(&old, &some_events());
    let reader = AuditReader::open_old(&old).unwrap();
    let entries = reader.entries(&Filter::default()).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!(entries[1].outcome.as_ref().unwrap().bytes_down, 5);
    assert_eq!(reader.digest(None, None).unwrap().ways.len(), 3);
    let log = OldLog::open(&old).unwrap();
    let whole = log.verify(None).unwrap();
    assert_eq!((whole.records, whole.head), (5, log.head().unwrap().chain.to_string()));
    let connection = Connection::open(&old).unwrap();
    connection.execute_batch("DROP TRIGGER append_only_update; UPDATE events SET at_ms = 1 WHERE seq = 4").unwrap();
    let Err(OldVerifyError::Bad(bad)) = log.verify(None) else { panic!("it was changed") };
    assert_eq!((bad.seq, bad.what), (4, "was changed, moved or put in"));
    let before = Before::the_journal(&dir.path().join("audit"), &old).unwrap().unwrap();
    assert_eq!(before.damage, Some(bad));
}
