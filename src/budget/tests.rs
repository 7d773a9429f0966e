#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use policies::{Facts, Permit, Policy, SandboxId, Source, Verdict};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol};

use super::*;
use crate::store::ledger::Filter;

/// A daemon's day: its log on disk, and what it counted.
struct Day {
    dir: tempfile::TempDir,
    log: Arc<AuditLog>,
    budgets: Budgets,
}

impl Day {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let log = Arc::new(AuditLog::open(&Self::path(&dir)).unwrap());
        Day { budgets: Budgets::new(log.clone()), log, dir }
    }

    fn path(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("audit.db")
    }

    /// The daemon ends and another one starts.
    fn restarted(self) -> Self {
        let Day { dir, log, budgets } = self;
        drop((log, budgets));
        Day::at(dir)
    }

    /// One request as the proxy makes it: admitted, stored, sent, ended.
    fn request(&self, limits: &Limits, url: &str, head: u64, body: u64) -> Result<(), Code> {
        let permit = permit(url);
        let by_wildcard = permit.by_wildcard().then(|| &permit.facts().authority.host);
        self.budgets.admit(&family(), limits, by_wildcard, head).map_err(|refusal| refusal.code)?;
        let seq = self.log.decided(&decision(&permit, head)).unwrap();
        let spent = self.budgets.spend(&family(), limits, body);
        let bytes_up = if spent.is_ok() { body } else { 0 };
        self.log.ended(seq, &Outcome { bytes_up, ..Outcome::default() }).unwrap();
        spent.map_err(|refusal| refusal.code)
    }

    fn warnings(&self) -> Vec<String> {
        let reader = rusqlite::Connection::open(Self::path(&self.dir)).unwrap();
        // Outstanding events are written before anything is read.
        self.log.entries(&Filter::default()).unwrap();
        let sql =
            "SELECT record ->> 'text' FROM events WHERE kind = 'notice' AND record ->> 'what' = 'budget' ORDER BY seq";
        let mut select = reader.prepare(sql).unwrap();
        let texts = select.query_map([], |row| row.get(0)).unwrap();
        texts.map(Result::unwrap).collect()
    }
}

fn family() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn permit(url: &str) -> Permit {
    let text =
        "[[allow]]\nhost = \"api.test\"\naccess = \"read\"\n\n[[allow]]\nhost = \"**.wild.test\"\naccess = \"read\"\n";
    let source = Source { name: "policies/family.toml".to_owned(), text: text.to_owned() };
    let policy = Policy::compile(&family(), &source, None).unwrap().policy;
    match policy.decide(Facts::parse("GET", url).unwrap()) {
        Verdict::Allow(permit) => permit,
        Verdict::Deny(_, refusal) => panic!("{refusal:?}"),
    }
}

fn decision(permit: &Permit, head: u64) -> Decision {
    Decision {
        identity: Identity { group: family(), sandbox: SandboxId::new("abc1").unwrap() },
        run: None,
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: None,
        sni: None,
        host_header: None,
        scheme: Some("https"),
        host: Some(permit.facts().authority.host.to_string()),
        port: Some(443),
        method: Some("GET".to_owned()),
        path: Some("/".to_owned()),
        query_bytes: None,
        head_bytes: Some(head),
        verdict: Allowed::Allow,
        code: None,
        why: None,
        rule: None,
        lift: Vec::new(),
        observed: false,
        by_wildcard: permit.by_wildcard(),
        asks_model: false,
        policy: None,
        credential: None,
        swap: None,
        findings: Vec::new(),
        alarm: false,
    }
}

const API: &str = "https://api.test/";
const OVER: Result<(), Code> = Err(Code::LimitExceeded);

#[test]
fn heads_and_bodies_use_up_the_day_and_a_restart_gives_nothing_back() {
    let limits = Limits { upload_per_day: Some(1000), ..Limits::default() };
    let day = Day::new();
    assert_eq!(day.request(&limits, API, 100, 400), Ok(()));
    assert_eq!(day.request(&limits, API, 100, 401), OVER, "one byte too many");
    assert_eq!(day.request(&limits, API, 100, 0), Ok(()));
    let day = day.restarted();
    assert_eq!(day.request(&limits, API, 301, 0), OVER);
    assert_eq!(day.request(&limits, API, 100, 200), Ok(()), "just all of it");
    let day = day.restarted();
    assert_eq!(day.request(&limits, API, 1, 0), OVER);
}

#[test]
fn requests_of_the_day_survive_a_restart() {
    let limits = Limits { requests_per_day: Some(3), ..Limits::default() };
    let day = Day::new();
    assert_eq!([day.request(&limits, API, 1, 0), day.request(&limits, API, 1, 0)], [Ok(()), Ok(())]);
    let day = day.restarted();
    assert_eq!([day.request(&limits, API, 1, 0), day.request(&limits, API, 1, 0)], [Ok(()), OVER]);
}

#[test]
fn a_minute_has_so_many_requests() {
    let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    let day = Day::new();
    let requests = [1, 2, 3].map(|_| day.request(&limits, API, 1, 0));
    assert_eq!(requests, [Ok(()), Ok(()), OVER]);
    // A minute later, without waiting for it.
    let long_ago = Instant::now().checked_sub(MINUTE).unwrap();
    day.budgets.lock().get_mut(&family()).unwrap().last_minute[0] = long_ago;
    assert_eq!([day.request(&limits, API, 1, 0), day.request(&limits, API, 1, 0)], [Ok(()), OVER]);
}

/// A host that a rule names is no new name; one below a wildcard is new once.
#[test]
fn new_names_are_counted_once_each() {
    let limits = Limits { new_names_per_day: Some(2), ..Limits::default() };
    let name = |name: &str| format!("https://{name}.wild.test/");
    let day = Day::new();
    for url in [&name("a"), &name("b"), &name("a"), API] {
        assert_eq!(day.request(&limits, url, 1, 0), Ok(()), "{url}");
    }
    assert_eq!(day.request(&limits, &name("c"), 1, 0), OVER);
    let day = day.restarted();
    assert_eq!([day.request(&limits, &name("c"), 1, 0), day.request(&limits, &name("b"), 1, 0)], [OVER, Ok(())]);
}

#[test]
fn the_owner_is_warned_at_half_and_near_the_end_once_each() {
    let limits = Limits { upload_per_day: Some(1000), ..Limits::default() };
    let day = Day::new();
    day.request(&limits, API, 99, 400).unwrap();
    assert_eq!(day.warnings(), [""; 0]);
    for _ in 0..3 {
        day.request(&limits, API, 1, 0).unwrap();
    }
    assert_eq!(day.warnings(), ["group family has used 50 % of its upload_per_day (1000)"]);
    for _ in 0..2 {
        day.request(&limits, API, 0, 150).unwrap();
    }
    assert_eq!(day.warnings().len(), 2);
    assert!(day.warnings()[1].contains("80 %"), "{:?}", day.warnings());
    let by_number = Limits { requests_per_day: Some(10), ..Limits::default() };
    day.request(&by_number, API, 0, 0).unwrap();
    assert!(day.warnings()[2].contains("requests_per_day"), "{:?}", day.warnings());
}

/// Limits that change during the day: what went before counts.
#[test]
fn a_limit_that_is_added_counts_what_was_sent_before_it() {
    let (none, minute) = (Limits::default(), Limits { requests_per_minute: Some(99), ..Limits::default() });
    let bytes = Limits { upload_per_day: Some(1000), ..minute };
    for before in [none, minute] {
        let day = Day::new();
        day.request(&minute, API, 0, 100).unwrap();
        day.request(&before, API, 100, 800).unwrap();
        assert_eq!(day.request(&bytes, API, 0, 1), OVER, "{before:?}");
    }
}

#[test]
fn another_group_has_its_own() {
    let limits = Limits { upload_per_day: Some(1000), ..Limits::default() };
    let day = Day::new();
    day.request(&limits, API, 0, 1000).unwrap();
    let work = GroupName::parse("work").unwrap();
    assert!(day.budgets.admit(&work, &limits, None, 1000).is_ok());
}

/// What cannot be read cannot be counted on.
#[test]
fn a_log_that_cannot_be_read_lets_nothing_through() {
    let day = Day::new();
    std::fs::remove_file(Day::path(&day.dir)).unwrap();
    let limits = Limits { upload_per_day: Some(1000), ..Limits::default() };
    let refused = day.budgets.admit(&family(), &limits, None, 1).map_err(|refusal| refusal.code);
    assert_eq!(refused, Err(Code::AuditUnavailable));
}

/// What is not limited costs no look at the log.
#[test]
fn without_limits_nothing_is_counted() {
    let day = Day::new();
    std::fs::remove_file(Day::path(&day.dir)).unwrap();
    assert!(day.budgets.admit(&family(), &Limits::default(), None, 1 << 40).is_ok());
    assert!(day.budgets.spend(&family(), &Limits::default(), 1 << 40).is_ok());
    assert!(day.budgets.lock().is_empty());
}
