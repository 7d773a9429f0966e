//! Decisions that share a commit.

use super::*;
use crate::store::ledger::together::HandedIn;

impl Scene {
    fn hand_in(&self, path: &str) -> HandedIn<'_> {
        let decision = decision(Allowed::Allow, "GET", path);
        self.log.shared.hand_in(self.log.event("decision", None, &decision).unwrap())
    }

    fn paths(&self) -> Vec<String> {
        let mut entries = self.all();
        entries.sort_by_key(|entry| entry.seq);
        entries.into_iter().map(|entry| entry.decision.path.unwrap()).collect()
    }
}

#[test]
fn whoever_comes_first_commits_for_all() {
    let scene = Scene::new();
    let [first, second, third] = ["/1", "/2", "/3"].map(|path| scene.hand_in(path));
    assert_eq!(scene.all().len(), 0);
    let middle = second.stored().unwrap();
    assert_eq!(scene.paths(), ["/1", "/2", "/3"]);
    assert_eq!([first.stored().unwrap(), third.stored().unwrap()], [Seq(middle.0 - 1), Seq(middle.0 + 1)]);
    assert_eq!(scene.all().len(), 3, "nothing is written twice");
    scene.verified().unwrap();
}

#[test]
fn many_at_once_each_get_the_number_of_their_own() {
    let scene = Scene::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let log = Arc::new(scene.log);
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let log = log.clone();
            runtime.spawn(async move {
                let asked = decision(Allowed::Allow, "GET", &format!("/{number}"));
                let seq = log.decided_together(&asked).await.unwrap();
                log.ended(seq, &outcome(None)).unwrap();
                (seq, asked.path)
            })
        })
        .collect();
    for task in tasks {
        let (seq, path) = runtime.block_on(task).unwrap();
        let entry = log.entry(seq).unwrap().unwrap();
        assert_eq!((entry.decision.path, entry.ending), (path, Ending::Ended));
    }
    let verified = AuditReader::open(&scene.dir.path().join("audit.db")).unwrap().verify(None).unwrap();
    assert_eq!(verified.records, 1 + 2 * 500);
}

#[test]
fn who_leaves_before_the_commit_is_not_written_down() {
    let scene = Scene::new();
    let (gone, stays) = (scene.hand_in("/gone"), scene.hand_in("/stays"));
    drop(gone);
    stays.stored().unwrap();
    assert_eq!(scene.paths(), ["/stays"]);
}

#[test]
fn of_who_leaves_after_the_commit_nothing_came() {
    let scene = Scene::new();
    let (gone, stays) = (scene.hand_in("/gone"), scene.hand_in("/stays"));
    let seq = stays.stored().unwrap();
    drop(gone);
    let entry = scene.log.entry(Seq(seq.0 - 1)).unwrap().unwrap();
    assert_eq!(entry.outcome.map(|outcome| (outcome.status, outcome.bytes_up)), Some((None, 0)));
    assert_eq!(scene.log.entry(seq).unwrap().unwrap().ending, Ending::UnderWay);
}

#[test]
fn a_commit_that_fails_fails_all_who_share_it() {
    let scene = Scene::new();
    let [first, second] = ["/1", "/2"].map(|path| scene.hand_in(path));
    let big = scene.hand_in(&"x".repeat(100_000));
    lock(&scene.log.shared.writer).limit_pages(1);
    for handed_in in [first, second, big] {
        let error = handed_in.stored().unwrap_err().to_string();
        assert!(error.contains("the disk is full"), "{error}");
    }
    lock(&scene.log.shared.writer).limit_pages(1_000_000);
    scene.hand_in("/after").stored().unwrap();
    assert_eq!(scene.paths(), ["/after"]);
    scene.verified().unwrap();
}

#[test]
fn together_or_alone_a_disk_that_does_not_take_it_closes_the_door() {
    let scene = Scene::new();
    *lock(&scene.log.shared.unsynced) = Some("the disk does not take it".into());
    scene.log.shared.sync_failed.store(true, Ordering::Release);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(scene.log.decided_together(&allowed("GET"))).unwrap_err().to_string();
    assert!(error.contains("the disk does not take it"), "{error}");
}
