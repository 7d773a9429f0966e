#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use policies::{Code, GroupName, RuleRef, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol, Seq};

use super::flood::Floods;
use super::*;
use crate::store::{RunId, StoreError, now};
use desk::lock;

mod durable;
mod floods;
mod index;
mod lost;
mod old;

struct Scene {
    dir: tempfile::TempDir,
    log: AuditLog,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&dir.path().join("audit")).unwrap();
        Scene { dir, log }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn all(&self) -> Vec<AuditEntry> {
        self.log.entries(&Filter::default()).unwrap()
    }

    fn verified(&self) -> Verified {
        verify(&self.path(), None).unwrap()
    }

    /// Simulates a failed fsync.
    fn is_not_taken(&self) {
        let error = StoreError::Other { path: self.path(), detail: "the disk does not take it".into() };
        *lock(&self.log.shared.unsynced) = Some(error);
    }

    /// The file being written.
    fn newest(&self) -> PathBuf {
        newest(&self.path())
    }
}

fn newest(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).max().unwrap()
}

/// A log's first lines: its segment, a checkpoint, and its opening.
const FIRST: u64 = 3;

fn decision(verdict: Allowed, method: &str, path: &str) -> Decision {
    let denied = verdict == Allowed::Deny;
    Decision {
        identity: Identity { group: GroupName::parse("family").unwrap(), sandbox: SandboxId::new("abc1").unwrap() },
        run: Some(7),
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: Some("api.example:443".into()),
        sni: Some("api.example".into()),
        host_header: None,
        scheme: Some("https"),
        host: Some("api.example".into()),
        port: Some(443),
        method: Some(method.into()),
        path: Some(path.into()),
        query_bytes: None,
        head_bytes: None,
        granted: None,
        observed: false,
        by_wildcard: false,
        asks_model: false,
        verdict,
        code: denied.then_some(Code::NotAllowed),
        why: denied.then(|| "no rule names it".into()),
        rule: (!denied).then(|| RuleRef { file: "policies/family.toml".into(), line: 4 }),
        lift: vec![],
        policy: Some("00ff".into()),
        credential: None,
        swap: None,
        findings: vec![],
        reserves: None,
        alarm: false,
    }
}

fn allowed(method: &str) -> Decision {
    decision(Allowed::Allow, method, "/v1")
}

fn denied() -> Decision {
    decision(Allowed::Deny, "GET", "/secret")
}

fn outcome(code: Option<Code>) -> Outcome {
    Outcome { status: Some(200), bytes_up: 3, bytes_down: 9, micros: 1500, code, ..Outcome::default() }
}

#[test]
fn a_decision_is_read_together_with_its_outcome() {
    let scene = Scene::new();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    let under_way = scene.log.entry(seq).unwrap().unwrap();
    assert_eq!((under_way.ending, &under_way.outcome), (Ending::UnderWay, &None));
    scene.log.decided(&denied()).unwrap();
    scene.log.ended(seq, &outcome(None)).unwrap();
    let [first, second] = scene.all().try_into().unwrap();
    assert_eq!((first.seq, first.ending), (seq, Ending::Ended));
    assert_eq!(first.outcome.unwrap().bytes_down, 9);
    assert_eq!(first.decision.rule.unwrap().line, 4);
    assert_eq!((second.ending, second.decision.code.as_deref()), (Ending::Denied, Some("not_allowed")));
    assert_eq!(scene.verified().records, FIRST + 3);
}

/// Invariant 9: what `decided` has returned survives `kill -9`. The test starts itself as a child that writes until it
/// is killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that kills a process has to start one")]
fn what_was_decided_survives_kill_9() {
    if let Some(path) = std::env::var_os("DOORWARD_TEST_LEDGER") {
        let log = AuditLog::open(Path::new(&path)).unwrap();
        loop {
            let seq = log.decided(&allowed("GET")).unwrap();
            writeln!(std::io::stdout(), "\nseq {}", seq.0).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::ledger::tests::what_was_decided_survives_kill_9", "--nocapture"])
        .env("DOORWARD_TEST_LEDGER", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(seq) = line.unwrap().strip_prefix("seq ") {
            told = seq.parse::<u64>().unwrap_or(told);
        }
        if told >= 300 {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(told >= 300, "the child ended after {told}");
    assert!(verify(&path, None).unwrap().records >= told);
    let after = AuditLog::open(&path).unwrap();
    let entries = after.entries(&Filter::default()).unwrap();
    assert!(entries.iter().all(|entry| entry.ending == Ending::Interrupted));
    assert_eq!(after.decided(&denied()).unwrap().0, verify(&path, None).unwrap().records);
}

#[test]
fn a_tail_that_was_cut_is_found_by_a_head_that_was_kept() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    let head = scene.verified().last.chain;
    scene.log.decided(&denied()).unwrap();
    let holds = || verify(&scene.path(), Some(head)).unwrap().holds_head;
    assert_eq!(holds(), Some(true));
    let text = std::fs::read_to_string(scene.newest()).unwrap();
    let kept: Vec<&str> = text.lines().take(3).collect();
    std::fs::write(scene.newest(), kept.join("\n") + "\n").unwrap();
    assert_eq!(holds(), Some(false));
}

/// The home's lock admits one daemon; the journal has its own lock.
#[test]
fn a_log_has_one_writer() {
    let scene = Scene::new();
    let refused = AuditLog::open(&scene.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    let refused =
        add_notice(&scene.path(), &scene.dir.path().join("none"), &Notice::new("stopped", None, "by a command"))
            .unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    let Scene { dir, log } = scene;
    drop(log);
    add_notice(&dir.path().join("audit"), &dir.path().join("none"), &Notice::new("stopped", None, "by a command"))
        .unwrap();
    assert_eq!(verify(&dir.path().join("audit"), None).unwrap().records, FIRST + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_each_get_the_number_of_their_own() {
    let scene = Scene::new();
    let log = Arc::new(scene.log);
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let log = log.clone();
            tokio::spawn(async move {
                let asked = decision(Allowed::Allow, "GET", &format!("/{number}"));
                let seq = log.decided_together(&asked).await.unwrap();
                log.ended(seq, &outcome(None)).unwrap();
                (seq, asked.path)
            })
        })
        .collect();
    for task in tasks {
        let (seq, path) = task.await.unwrap();
        let entry = log.entry(seq).unwrap().unwrap();
        assert_eq!((entry.decision.path, entry.ending), (path, Ending::Ended));
    }
    assert_eq!(verify(&scene.dir.path().join("audit"), None).unwrap().records, FIRST + 2 * 500);
}

#[test]
fn what_a_run_did_and_was_refused() {
    let scene = Scene::new();
    let run = |run, decision: Decision| scene.log.decided(&Decision { run: Some(run), ..decision }).unwrap();
    run(1, allowed("GET"));
    run(1, decision(Allowed::Deny, "POST", "/x"));
    run(2, allowed("POST"));
    let tunnel = run(3, Decision { method: None, path: None, ..allowed("GET") });
    scene.log.ended(tunnel, &outcome(Some(Code::UpstreamFailed))).unwrap();
    run(5, Decision { protocol: Protocol::Websocket, ..allowed("GET") });
    run(6, Decision { protocol: Protocol::Websocket, ..decision(Allowed::Deny, "GET", "/x") });
    let wrote: Vec<bool> = (1..=6).map(|run| scene.log.run_wrote_upstream(RunId(run)).unwrap()).collect();
    assert_eq!(wrote, [false, true, true, false, true, false]);
    let refused = |run| {
        let entries = scene.log.refusals_of_run(RunId(run), 10).unwrap();
        entries.iter().map(|entry| entry.code().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(refused(1), ["not_allowed"]);
    assert_eq!(refused(2), [""; 0]);
    assert_eq!(refused(3), ["upstream_failed"]);
}

#[test]
fn filters_narrow_and_limits_keep_the_newest() {
    let scene = Scene::new();
    for host in ["a.example", "b.example", "a.example", "[::1]"] {
        scene.log.decided(&Decision { host: Some(host.into()), ..allowed("GET") }).unwrap();
    }
    scene.log.decided(&denied()).unwrap();
    let count = |filter: Filter| scene.log.entries(&filter).unwrap().len();
    let host = |host: &str| count(Filter { host: Some(host.into()), ..Filter::default() });
    assert_eq!((host("A.example"), host("*.example"), host("[::1]"), host("c")), (2, 4, 1, 0));
    assert_eq!(count(Filter { which: Some(Which::Denied), ..Filter::default() }), 1);
    assert_eq!(count(Filter { which: Some(Which::Allowed), ..Filter::default() }), 4);
    assert_eq!(count(Filter { code: Some("not_allowed".into()), ..Filter::default() }), 1);
    assert_eq!(count(Filter { group: GroupName::parse("work").ok(), ..Filter::default() }), 0);
    assert_eq!(count(Filter { since: Some(now() + 60_000), ..Filter::default() }), 0);
    assert_eq!(count(Filter { until: Some(now() + 60_000), ..Filter::default() }), 5);
    let seqs = |filter: Filter| scene.log.entries(&filter).unwrap().iter().map(|e| e.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(Filter { limit: Some(2), ..Filter::default() }), [FIRST + 4, FIRST + 5]);
    assert_eq!(
        seqs(Filter { limit: Some(2), after: Some(Seq(FIRST + 1)), ..Filter::default() }),
        [FIRST + 2, FIRST + 3]
    );
}

/// Attacks L01, L02: one line per event, with nothing that a terminal obeys.
#[test]
fn hidden_characters_are_named_where_they_are_stored() {
    let scene = Scene::new();
    let forged = "/a\r\n{\"verdict\":\"allow\"}\u{9b}2J\u{202e}";
    let seq = scene.log.decided(&Decision { raw_target: Some(forged.into()), ..denied() }).unwrap();
    let stored = std::fs::read_to_string(scene.newest()).unwrap().lines().last().unwrap().to_owned();
    let shown = scene.log.entry(seq).unwrap().unwrap();
    for line in [stored, shown.to_json()] {
        assert!(line.contains("\\u009b2J\\u202e") && line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
    }
    assert_eq!(shown.decision.raw_target.as_deref(), Some(forged));
    assert_eq!(shown.ending, Ending::Denied);
}

#[test]
fn followers_inside_the_daemon_hear_of_events() {
    let scene = Scene::new();
    let mut follower = scene.log.subscribe();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    scene.log.ended(seq, &outcome(None)).unwrap();
    assert!(matches!(follower.try_recv(), Ok(Recorded::Decision(heard, _)) if heard == seq));
    assert!(
        matches!(follower.try_recv(), Ok(Recorded::Outcome(heard, outcome)) if heard == seq && outcome.bytes_up == 3)
    );
    assert!(follower.try_recv().is_err());
}

#[test]
fn the_log_is_read_without_a_daemon_and_after_it_was_closed() {
    let Scene { dir, log } = Scene::new();
    log.decided(&allowed("GET")).unwrap();
    drop(log);
    let reader = AuditReader::open(&dir.path().join("audit")).unwrap();
    let entries = reader.entries(&Filter::default()).unwrap();
    assert_eq!(entries[0].ending, Ending::Interrupted);
    assert_eq!(verify(&dir.path().join("audit"), None).unwrap().records, FIRST + 1);
}
