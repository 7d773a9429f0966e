#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use policies::{Code, RuleRef, SandboxId};
use proxy::audit::{Allowed, Identity, Protocol};
use rusqlite::Connection;

use super::*;

mod checkpoints;
mod durable;
mod floods;
mod lost;
mod together;

struct Scene {
    dir: tempfile::TempDir,
    log: AuditLog,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&dir.path().join("audit.db")).unwrap();
        Scene { dir, log }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.db")
    }

    fn all(&self) -> Vec<AuditEntry> {
        self.log.entries(&Filter::default()).unwrap()
    }

    fn verified(&self) -> Result<Verified, VerifyError> {
        AuditReader::open(&self.path()).unwrap().verify(None)
    }

    /// Another program with the owner's rights, which does not mind the triggers.
    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("DROP TRIGGER append_only_update; DROP TRIGGER append_only_delete").unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

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
    assert_eq!(scene.verified().unwrap().records, 4);
}

/// Invariant 9: what `decided` has returned survives `kill -9`. The test starts
/// itself as a child that writes until it is killed.
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
    let path = dir.path().join("audit.db");
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
        if told == 300 {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(told >= 300, "the child ended after {told}");
    let reader = AuditReader::open(&path).unwrap();
    assert!(reader.verify(None).unwrap().records >= told);
    let after = AuditLog::open(&path).unwrap();
    let entries = after.entries(&Filter::default()).unwrap();
    assert!(entries.iter().all(|entry| entry.ending == Ending::Interrupted));
    assert_eq!(after.decided(&denied()).unwrap().0, reader.verify(None).unwrap().records);
}

#[test]
fn the_log_refuses_to_be_changed() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    let connection = Connection::open(scene.path()).unwrap();
    for sql in ["UPDATE events SET at_ms = 0", "DELETE FROM events"] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

/// The first bad record is named.
#[test]
fn verify_names_the_first_bad_record() {
    for (sql, seq, what) in [
        ("UPDATE events SET record = replace(record, 'deny', 'allow') WHERE seq = 3", 3, "was changed"),
        ("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 3", 3, "was changed"),
        ("UPDATE events SET kind = 'notice' WHERE seq = 3", 3, "was changed"),
        ("UPDATE events SET about = 1 WHERE seq = 3", 3, "was changed"),
        ("UPDATE events SET about = 9 WHERE seq = 3", 3, "not been made"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 5", 5, "was changed"),
        ("DELETE FROM events WHERE seq = 3", 3, "is missing"),
        ("DELETE FROM events WHERE seq <= 2", 1, "is missing"),
        ("DELETE FROM events WHERE seq = 3; UPDATE events SET seq = seq - 1 WHERE seq > 3", 3, "was changed"),
        (
            "UPDATE events SET seq = 99 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = 99",
            3,
            "was changed",
        ),
        (
            "INSERT INTO events (seq, at_ms, kind, record, hash) VALUES (7, 0, 'notice', '{}', zeroblob(32))",
            7,
            "put in",
        ),
        (
            "INSERT INTO events (seq, at_ms, kind, record, hash) VALUES (-4, 0, 'notice', '{}', zeroblob(32))",
            4,
            "no record can have",
        ),
    ] {
        let scene = Scene::new();
        for _ in 0..5 {
            scene.log.decided(&denied()).unwrap();
        }
        assert_eq!(scene.verified().unwrap().records, 6);
        scene.tamper(sql);
        let VerifyError::Bad(bad) = scene.verified().unwrap_err() else { panic!("{sql}") };
        assert_eq!(bad.seq, seq, "{sql}");
        assert!(bad.what.contains(what), "{sql}: {bad}");
    }
}

/// A file that was cut short is damaged: no record of it was changed by anybody.
#[test]
fn a_log_whose_file_was_cut_is_called_damaged() {
    let scene = Scene::new();
    for _ in 0..400 {
        scene.log.decided(&denied()).unwrap();
    }
    let path = scene.dir.path().join("copy.db");
    let whole = Connection::open(scene.path()).unwrap();
    whole.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for part in [2, 4, 8] {
        file.set_len(file.metadata().unwrap().len() / part * (part - 1)).unwrap();
        let looked = AuditReader::open(&path).map_err(VerifyError::from).and_then(|reader| reader.verify(None));
        let found = looked.unwrap_err();
        assert!(matches!(found, VerifyError::Store(StoreError::Damaged { .. })), "{part}: {found}");
    }
}

#[test]
fn a_tail_that_was_cut_is_found_by_a_head_that_was_kept() {
    let scene = Scene::new();
    scene.log.decided(&denied()).unwrap();
    let head = scene.verified().unwrap().head;
    scene.log.decided(&denied()).unwrap();
    let ask = || AuditReader::open(&scene.path()).unwrap().verify(Some(&head)).unwrap().holds_head;
    assert_eq!(ask(), Some(true));
    scene.tamper("DELETE FROM events WHERE seq >= 2");
    assert_eq!(ask(), Some(false));
}

/// Two writers cannot happen under the home's lock; if they do, the chain holds.
#[test]
fn two_writers_keep_one_chain() {
    let scene = Scene::new();
    let other = AuditLog::open(&scene.path()).unwrap();
    std::thread::scope(|scope| {
        for log in [&scene.log, &other] {
            scope.spawn(move || {
                for _ in 0..50 {
                    log.decided(&allowed("GET")).unwrap();
                }
            });
        }
    });
    assert_eq!(scene.verified().unwrap().records, 102);
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
    assert_eq!(seqs(Filter { limit: Some(2), ..Filter::default() }), [5, 6]);
    assert_eq!(seqs(Filter { limit: Some(2), after: Some(Seq(2)), ..Filter::default() }), [3, 4]);
}

/// Attacks L01, L02: one line per event, nothing in it that a terminal obeys.
#[test]
fn hidden_characters_are_named_where_they_are_stored() {
    let scene = Scene::new();
    let forged = "/a\r\n{\"verdict\":\"allow\"}\u{9b}2J\u{202e}";
    let seq = scene.log.decided(&Decision { raw_target: Some(forged.into()), ..denied() }).unwrap();
    let connection = Connection::open(scene.path()).unwrap();
    let stored: String = connection.query_row("SELECT record FROM events WHERE seq = 2", [], |row| row.get(0)).unwrap();
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
    let reader = AuditReader::open(&dir.path().join("audit.db")).unwrap();
    let entries = reader.entries(&Filter::default()).unwrap();
    assert_eq!(entries[0].ending, Ending::Interrupted);
    assert_eq!(reader.verify(None).unwrap().records, 2);
}
