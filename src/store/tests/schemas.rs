//! A database of every schema that was ever on main: brought up to date, with a copy of its earlier state.

use super::*;

/// The steps as they were introduced, frozen: changing a shipped step would yield another schema.
pub(super) const STEPS: [&str; 9] = [
    include_str!("schemas/main-1.sql"),
    include_str!("schemas/main-2.sql"),
    include_str!("schemas/main-3.sql"),
    include_str!("schemas/main-4.sql"),
    include_str!("schemas/main-5.sql"),
    include_str!("schemas/main-6.sql"),
    include_str!("schemas/main-7.sql"),
    include_str!("schemas/main-8.sql"),
    include_str!("schemas/main-9.sql"),
];

/// The rows in them, by the first schema that can hold them.
const ROWS: [&str; 9] = [
    "INSERT INTO groups (name, channel, chat, agent, is_main, cursor, created_at) VALUES
       ('main', 'terminal', 'main', 'shell', 1, 0, 1), ('family', 'whatsapp', '1@g.us', 'shell', 0, 1, 2);
     INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at) VALUES
       ('family', 'm1', 'ann', 'Ann', 'answered', 10, 11), ('family', 'm2', 'ann', 'Ann', 'waits', 12, 13);
     INSERT INTO runs (group_name, first_row, last_row, state, sandbox, attempt, started_at, ended_at)
       VALUES ('family', 1, 1, 'done', 'abc', 1, 10, 11);
     INSERT INTO outbox (group_name, run, kind, text, in_reply_to, state, next_attempt_at, created_at)
       VALUES ('family', 1, 'reply', 'the answer', 'm1', 'sent', 0, 11), ('family', 1, 'reply', 'more', 'm1', 'queued', 0, 11);",
    "INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at, means, quote_id, quote_sender, quote_text)
       VALUES ('family', 'm3', 'ben', 'Ben', 'among us', 14, 15, 'talk', 'm1', 'Ann', 'answered');
     UPDATE groups SET session = 's-1' WHERE name = 'family';",
    "INSERT INTO access_requests (group_name, authority, method, path, why, first_at, last_at)
       VALUES ('family', 'example.org:443', 'GET', '/', 'to read', 1, 1);",
    "UPDATE runs SET wrote = 1; INSERT INTO audit_log (one, seen) VALUES (1, 7);",
    "INSERT INTO asks (code, group_name, sandbox, method, authority, path, exact, shape, says, state, asked_at)
       VALUES ('k7q2mx', 'family', 'abc', 'GET', 'example.org:443', '/', 'e', 's', 'reads', 'no', 1);",
    "INSERT INTO pauses (group_name, until) VALUES ('family', 1);",
    "INSERT INTO outbox_files (outbox, name, media, size, bytes) SELECT min(id), 'a.txt', 'text/plain', 2, NULL FROM outbox;",
    "INSERT INTO digests (one, day, at, off) VALUES (1, '2026-11-28', 1, 0);",
    "INSERT INTO people (group_name, number, sender_id, name) VALUES ('family', 1, 'ann', 'Ann');",
];

/// A database as a version with that schema left it, in its own folder.
pub(super) fn left_by(schema: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = Connection::open(&path).unwrap();
    for (step, rows) in STEPS.iter().zip(ROWS).take(schema) {
        old.execute_batch(step).unwrap();
        old.execute_batch(rows).unwrap();
    }
    old.pragma_update(None, "user_version", schema as i64).unwrap();
    (dir, path)
}

/// A database's schema, however it came about.
fn schema_of(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare("SELECT name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let names: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let columns = |name: &String| -> String {
        let mut select = connection.prepare("SELECT name || ' ' || type FROM pragma_table_info(?1)").unwrap();
        let all: Vec<String> = select.query_map([name], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        format!("{name}: {}", all.join(", "))
    };
    names.iter().map(columns).collect()
}

#[test]
fn every_schema_that_was_ever_there_is_brought_up_to_date() {
    assert!(STEPS.len() + 1 >= MIGRATIONS.len(), "freeze the step before the newest in tests/schemas");
    let new = tempfile::tempdir().unwrap();
    let new = new.path().join("doorward.db");
    drop(Store::open(&new).unwrap());
    for schema in 1..=STEPS.len() {
        let (dir, path) = left_by(schema);
        let store = Store::open(&path).unwrap();
        assert_eq!(schema_of(&path), schema_of(&new), "schema {schema}");
        let family = name("family");
        let waits = store.calls_waiting(&family).unwrap();
        assert_eq!(waits.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["m2"], "schema {schema}");
        assert_eq!(store.quoted(&family, "m1").unwrap(), Some((Some("Ann".to_owned()), "answered".to_owned())));
        assert_eq!(store.next_outgoing_of(&family, i64::MAX).unwrap().unwrap().text.as_str(), "more");
        assert_eq!(store.session(&family).unwrap(), (schema > 1).then(|| "s-1".to_owned()));
        // If anything ran there was a log, which older versions did not record.
        assert_eq!(store.log_seen().unwrap(), Some(if schema > 3 { 7 } else { 1 }));
        assert_eq!(store.main_group().unwrap().unwrap().name, name("main"));
        assert_eq!(store.quick_check().unwrap(), None);
        let copy = dir.path().join(format!("doorward.db.schema-{schema}"));
        let copied = copy.exists().then(|| migrations::version(&Connection::open(&copy).unwrap()).unwrap());
        assert_eq!(copied, (schema < MIGRATIONS.len()).then_some(schema as u32), "a copy as it was");
    }
}

#[test]
fn what_was_copied_is_whole_private_and_gone_in_time() {
    let (dir, path) = left_by(1);
    let store = Store::open(&path).unwrap();
    let copy = dir.path().join("doorward.db.schema-1");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let rows: i64 =
        Connection::open(&copy).unwrap().query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
    store.remove_copies(Duration::from_hours(1)).unwrap();
    assert!(copy.exists());
    store.remove_copies(Duration::ZERO).unwrap();
    assert!(!copy.exists() && path.exists());
}

/// If the copy cannot be made, nothing is changed.
#[test]
fn without_a_copy_nothing_is_brought_up_to_date() {
    let (dir, path) = left_by(2);
    // A non-empty folder cannot be replaced by a file.
    std::fs::create_dir_all(dir.path().join("doorward.db.schema-2/full")).unwrap();
    assert!(Store::open(&path).is_err());
    assert_eq!(migrations::version(&Connection::open(&path).unwrap()).unwrap(), 2);
    std::fs::remove_dir_all(dir.path().join("doorward.db.schema-2")).unwrap();
    Store::open(&path).unwrap();
}
