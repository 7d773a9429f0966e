//! A database that is removed or replaced while it is open; clocks that were wrong.

use super::*;

fn served() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::serve(&dir.path().join("doorward.db")).unwrap();
    Scene { dir, store }
}

impl Scene {
    fn takes(&self) -> Result<OutboxId, StoreError> {
        self.store.enqueue(&name("family"), None, &reply("hi"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Moves files away, puts something else in their place, expects writes to fail, and moves them back.
#[tokio::test]
async fn a_database_that_is_not_what_it_was_takes_nothing() {
    let both = ["doorward.db", "doorward.db-wal"];
    let cases: [(&str, &[&str], bool); 4] = [
        ("removed", &both, false),
        ("the database alone", &both[..1], false),
        ("its write-ahead log alone", &both[1..], false),
        ("copied back", &both, true),
    ];
    for scene in [Scene::new(), served()] {
        scene.add("family", false).unwrap();
        for (case, files, copied) in cases {
            scene.takes().unwrap();
            scene.store.durable().await.unwrap();
            for file in files {
                std::fs::rename(scene.file(file), scene.file("away-").with_extension(file)).unwrap();
                if copied {
                    std::fs::copy(scene.file("away-").with_extension(file), scene.file(file)).unwrap();
                }
            }
            assert!(matches!(scene.takes(), Err(StoreError::Gone { .. })), "{case}");
            if scene.store.durable.is_some() {
                assert!(matches!(scene.store.durable().await, Err(StoreError::Gone { .. })), "{case}");
            }
            for file in files {
                std::fs::rename(scene.file("away-").with_extension(file), scene.file(file)).unwrap();
            }
            scene.takes().unwrap_or_else(|error| panic!("{case}: {error}"));
            scene.store.durable().await.unwrap_or_else(|error| panic!("{case}: {error}"));
        }
    }
}

/// Many that wait at once are answered, and another reader sees what they wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_wait_for_the_disk_share_it() {
    let scene = served();
    scene.add("family", false).unwrap();
    let (path, store) = (scene.path(), std::sync::Arc::new(scene.store));
    let tasks: Vec<_> = (0..600)
        .map(|_| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                store.enqueue(&name("family"), None, &reply("hi")).unwrap();
                store.durable().await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let other = Connection::open(&path).unwrap();
    let count = |sql| other.query_row::<i64, _, _>(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM outbox"), 600);
    drop(store);
}

/// A first attempt is due at once; one further away than any pause was set by a clock that was ahead.
#[test]
fn a_clock_that_was_ahead_or_behind_silences_no_chat() {
    const YEAR: Millis = 365 * 86_400_000;
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let id = scene.takes().unwrap();
    for clock in [-YEAR, 0, 1, now() - YEAR, now(), now() + 10 * YEAR] {
        assert!(scene.store.next_outgoing_of(&name("family"), clock).unwrap().is_some(), "a first attempt, at {clock}");
    }
    for (from_now, due) in [
        (-YEAR, true),
        (0, true),
        (1, false),
        (LONGEST_PAUSE, false),
        (LONGEST_PAUSE + 1, true),
        (3_600_000, true),
        (YEAR, true),
    ] {
        let clock = now();
        scene.store.mark_failed(id, "offline", Some(clock + from_now)).unwrap();
        let heads = scene.store.next_outgoing("terminal", clock).unwrap();
        assert_eq!(!heads.is_empty(), due, "a retry {from_now} ms away");
        assert_eq!(scene.store.next_outgoing_of(&name("family"), clock).unwrap().is_some(), due);
        let next = scene.store.next_outgoing_at("terminal", clock).unwrap();
        assert_eq!(next, (!due).then_some(clock + from_now));
    }
}
