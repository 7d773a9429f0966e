#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policies::{Code, GroupName, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::alarm::{Alarm, Raised};
use super::quiet::Quiet;
use super::*;
use crate::store::ledger::{AuditLog, Notice};

fn alarm(group: &str, kind: &str) -> Alarm {
    Alarm::unrecorded(Raised { kind: kind.into(), group: group.into(), ..Raised::default() })
}

fn decision(alarm: bool) -> Decision {
    Decision {
        identity: Identity { group: GroupName::parse("family").unwrap(), sandbox: SandboxId::new("abc1").unwrap() },
        run: None,
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: None,
        sni: None,
        host_header: None,
        scheme: Some("https"),
        host: Some("news.example".into()),
        port: Some(443),
        method: Some("GET".into()),
        path: Some("/today".into()),
        query_bytes: None,
        head_bytes: None,
        granted: None,
        observed: false,
        by_wildcard: false,
        asks_model: false,
        verdict: if alarm { Allowed::Deny } else { Allowed::Allow },
        code: alarm.then_some(Code::SurrogateUnbound),
        why: alarm.then(|| "no credential goes to news.example".into()),
        rule: None,
        lift: vec![],
        policy: None,
        credential: None,
        swap: None,
        findings: vec![],
        reserves: None,
        alarm,
    }
}

struct Scene {
    dir: tempfile::TempDir,
    log: Arc<AuditLog>,
    alarms: Alarms,
    told: mpsc::UnboundedReceiver<String>,
}

impl Scene {
    fn new(command: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(AuditLog::open(&dir.path().join("audit")).unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        let alarms =
            Alarms::start(Arc::clone(&log), command(dir.path()), move |words| tell.send(words.in_english()).is_ok());
        Scene { dir, log, alarms, told }
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await.unwrap().unwrap()
    }
}

/// A command that runs a script.
fn script(text: &str) -> Vec<String> {
    vec!["/bin/sh".into(), "-c".into(), text.into()]
}

#[test]
fn one_message_a_minute_of_a_kind_in_a_group() {
    let (mut quiet, now) = (Quiet::default(), Instant::now());
    let second = Duration::from_secs(1);
    assert_eq!(quiet.admit(alarm("family", "a"), now).unwrap().more, 0);
    (0..12).for_each(|_| assert_eq!(quiet.admit(alarm("family", "a"), now + second), None));
    assert!(quiet.admit(alarm("family", "b"), now).is_some(), "another kind");
    assert!(quiet.admit(alarm("work", "a"), now).is_some(), "another group");
    assert!(quiet.due(now + 59 * second).is_empty());
    let due = quiet.due(now + 60 * second);
    assert_eq!(due.iter().map(|alarm| alarm.more).collect::<Vec<_>>(), [12]);
    assert_eq!(quiet.admit(alarm("family", "a"), now + 61 * second), None, "the count was a message as well");
    assert_eq!(quiet.rest().len(), 1);
    assert!(quiet.next().is_none());
}

#[tokio::test]
async fn an_alarm_is_told_and_the_rest_is_not() {
    let mut scene = Scene::new(|_| vec![]);
    scene.log.decided(&decision(false)).unwrap();
    let seq = scene.log.decided(&decision(true)).unwrap();
    let text = scene.next().await;
    for part in
        ["ALARM in group family", "news.example", "surrogate_unbound", "nothing of it went out", "doorward stop family"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains(&format!("`doorward audit show {0}` shows all of it (record {0})", seq.0)), "{text}");
    scene.log.decided(&decision(true)).unwrap();
    scene.alarms.end().await;
    assert!(
        scene.told.recv().await.unwrap().contains("This is the second within a minute."),
        "what was counted is told at the end"
    );
    assert_eq!(scene.told.recv().await, None);
}

/// Nothing real was in it, so nothing has to be replaced.
#[tokio::test]
async fn a_bait_has_words_of_its_own() {
    let mut scene = Scene::new(|_| vec![]);
    let why = Some("the request holds a bait diary in base64".to_owned());
    scene.log.decided(&Decision { code: Some(Code::SecretInRequest), why, ..decision(true) }).unwrap();
    let text = scene.next().await;
    for part in ["the bait diary was on its way to news.example", "nothing has to be replaced"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("a real secret") && !text.contains("at its issuer"), "{text}");
}

#[tokio::test]
async fn an_outcome_that_is_an_alarm_names_its_request() {
    let mut scene = Scene::new(|_| vec![]);
    let seq = scene.log.decided(&decision(false)).unwrap();
    let code = Some(Code::SecretInRequest);
    scene
        .log
        .ended(seq, &Outcome { code, alarm: true, address: "127.0.0.1:443".parse().ok(), ..Outcome::default() })
        .unwrap();
    let text = scene.next().await;
    assert!(text.contains("group family: a real secret was on its way to news.example"), "{text}");
    assert!(text.contains("part of it may have gone out") && text.contains("replace the secret"), "{text}");
}

/// About the whole installation, and no request.
#[tokio::test]
async fn a_log_or_a_store_that_is_gone_is_told() {
    let mut scene = Scene::new(|_| vec![]);
    for what in ["log_lost", "store_gone"] {
        scene.log.notice(&Notice::new(what, None, format!("{what}: it is not there"))).unwrap();
        assert_eq!(scene.next().await, format!("ALARM: {what}: it is not there."));
    }
}

/// A full disk keeps a text out of the outbox, but not for good.
#[tokio::test]
async fn what_cannot_be_told_now_is_told_later_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditLog::open(&dir.path().join("audit")).unwrap());
    let (tell, mut told) = mpsc::unbounded_channel();
    let (full, tried) = (Arc::new(std::sync::atomic::AtomicBool::new(true)), Arc::new(tokio::sync::Notify::new()));
    let (is_full, trying) = (Arc::clone(&full), Arc::clone(&tried));
    let alarms = Alarms::start(Arc::clone(&log), vec![], move |words| {
        trying.notify_one();
        !is_full.load(std::sync::atomic::Ordering::SeqCst) && tell.send(words.in_english()).is_ok()
    });
    for what in ["log_lost", "store_gone"] {
        log.notice(&Notice::new(what, None, format!("{what}: it is not there"))).unwrap();
        tried.notified().await;
    }
    full.store(false, std::sync::atomic::Ordering::SeqCst);
    for what in ["log_lost", "store_gone"] {
        let text = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap();
        assert!(text.contains(what), "{text}");
    }
    alarms.end().await;
    assert_eq!(told.recv().await, None, "each once");
}

#[tokio::test]
async fn a_policy_that_was_not_taken_and_a_sandbox_that_filled_the_disk_are_told() {
    let mut scene = Scene::new(|_| vec![]);
    let group = GroupName::parse("family").ok();
    let noted = |what, text: &str| Notice::new(what, group.as_ref(), text.to_owned());
    scene
        .log
        .notice(&noted("policy_rejected", "policy 1 stays in force, the file is rejected: key = \"hunter2\""))
        .unwrap();
    let text = scene.next().await;
    for part in ["The policy of group family", "the one before it stays in force", "`doorward policy check family`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("hunter2") && !text.contains("ALARM"), "{text}");
    scene.log.notice(&noted("disk", "a sandbox of group family was ended: the disk is almost full")).unwrap();
    assert_eq!(scene.next().await, "A sandbox of group family was ended: the disk is almost full.");
}

#[tokio::test]
async fn a_budget_that_runs_out_is_told() {
    let mut scene = Scene::new(|_| vec![]);
    let text = "group family has used 80 % of its requests_per_day (100)".to_owned();
    let group = GroupName::parse("family").ok();
    scene.log.notice(&Notice::new("budget", group.as_ref(), text.clone())).unwrap();
    assert!(scene.next().await.starts_with(&text));
}

#[tokio::test]
async fn a_reply_that_was_withheld_is_told() {
    let mut scene = Scene::new(|_| vec![]);
    let group = GroupName::parse("family").ok();
    scene.log.notice(&Notice::new("reply", group.as_ref(), "a reply of 5 bytes went to the chat")).unwrap();
    let text = "a reply held a secret of credential bank in hex and was withheld";
    scene.log.notice(&Notice { alarm: true, ..Notice::new("reply_withheld", group.as_ref(), text) }).unwrap();
    let told = scene.next().await;
    for part in ["ALARM in group family", text, "record 5", "replace it at its issuer"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn what_a_sandbox_chose_does_nothing_to_a_terminal() {
    let host = Some("a\u{1b}]0;x\u{7}.example".into());
    let bad = Alarm::unrecorded(Raised { host, why: "\u{202e}".repeat(999), ..Raised::clone(&alarm("family", "x")) });
    let text = words(&bad).in_english();
    assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)) && text.len() < 1_000, "{text}");
}

#[tokio::test]
async fn the_command_reads_the_alarm_and_nothing_of_the_daemon() {
    let scene = Scene::new(|dir| script(&format!("cat > {0}/alarm; env > {0}/env", dir.display())));
    scene.log.decided(&decision(true)).unwrap();
    let Scene { dir, alarms, .. } = scene;
    alarms.end().await;
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("alarm")).unwrap()).unwrap();
    assert_eq!((&json["kind"], &json["group"]), (&"surrogate_unbound".into(), &"family".into()));
    assert_eq!((&json["host"], &json["path"]), (&"news.example".into(), &"/today".into()));
    let environment = std::fs::read_to_string(dir.path().join("env")).unwrap();
    assert!(!environment.contains("CARGO") && !environment.contains("HOME="), "{environment}");
}

/// However a command behaves, the next alarm is reported.
#[tokio::test]
async fn a_command_that_hangs_is_not_waited_for() {
    let mut scene = Scene::new(|_| script("sleep 9"));
    scene.log.decided(&decision(true)).unwrap();
    scene.next().await;
    let started = std::time::Instant::now();
    scene.log.decided(&Decision { code: Some(Code::SecretInRequest), ..decision(true) }).unwrap();
    scene.next().await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

/// Captures what this thread logs.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_command_that_fails_is_logged() {
    let said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    for command in [script("exit 3"), vec!["/no/such/program".into()]] {
        let scene = Scene::new(|_| command);
        scene.log.decided(&decision(true)).unwrap();
        scene.alarms.end().await;
    }
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("exit status: 3") && said.contains("No such file"), "{said}");
}
