#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use policies::{Facts, Permit, SandboxId, Verdict};
use policy_file::Source;
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol};

use super::*;
use crate::store::ledger::{Events, Filter};

/// A daemon's day: its log on disk, and its counts.
struct Day {
    dir: tempfile::TempDir,
    log: Arc<AuditLog>,
    budgets: Budgets,
    runtime: tokio::runtime::Runtime,
}

fn clock() -> OwnersClock {
    OwnersClock::new(jiff::tz::TimeZone::UTC)
}

impl Day {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let log = Arc::new(AuditLog::open(&Self::path(&dir)).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Day { budgets: Budgets::new(log.clone(), clock()), log, dir, runtime }
    }

    fn path(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("audit")
    }

    /// The daemon ends and another one starts.
    fn restarted(self) -> Self {
        let Day { dir, log, budgets, .. } = self;
        drop((log, budgets));
        Day::at(dir)
    }

    fn admit(&self, group: &GroupName, limits: &Limits, by_wildcard: Option<&Host>, head: u64) -> Result<(), Code> {
        let admitted = self.runtime.block_on(self.budgets.admit(group, limits, by_wildcard, head));
        admitted.map_err(|refusal| refusal.code)
    }

    /// One request as the proxy handles it: admitted, stored, sent, ended.
    fn request(&self, limits: &Limits, url: &str, head: u64, body: u64) -> Result<(), Code> {
        let permit = permit(url);
        let by_wildcard = permit.by_wildcard().then(|| &permit.facts().authority.host);
        self.admit(&family(), limits, by_wildcard, head)?;
        let seq = self.log.decided(&decision(&permit, head)).unwrap();
        let spent = self.budgets.spend(&family(), limits, body);
        let bytes_up = if spent.is_ok() { body } else { 0 };
        self.log.ended(seq, &Outcome { bytes_up, ..Outcome::default() }).unwrap();
        spent.map_err(|refusal| refusal.code)
    }

    fn warnings(&self) -> Vec<String> {
        let events = self.log.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap();
        let events = events.into_iter().filter_map(|entry| entry.event);
        events.filter(|event| event.what == "budget").map(|event| event.text).collect()
    }
}

fn family() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn permit(url: &str) -> Permit {
    let text =
        "[[allow]]\nhost = \"api.test\"\naccess = \"read\"\n\n[[allow]]\nhost = \"**.wild.test\"\naccess = \"read\"\n";
    let source = Source { name: "policies/family.toml".to_owned(), text: text.to_owned() };
    let policy = policy_file::compile(&family(), &source, None).unwrap().policy;
    match policy.at(policies::Moment::FAR).decide(Facts::parse("GET", url).unwrap()) {
        Verdict::Allow(permit) => permit,
        Verdict::Ask(ask) => panic!("{ask:?}"),
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
        granted: None,
        observed: false,
        by_wildcard: permit.by_wildcard(),
        asks_model: false,
        policy: None,
        credential: None,
        swap: None,
        findings: Vec::new(),
        reserves: None,
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
    lock(&day.budgets.groups).get_mut(&family()).unwrap().last_minute[0] = long_ago;
    assert_eq!([day.request(&limits, API, 1, 0), day.request(&limits, API, 1, 0)], [Ok(()), OVER]);
}

/// A host that a rule names is not a new name; one under a wildcard is new once.
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

/// Limits change during the day: earlier traffic counts.
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
    assert!(day.admit(&work, &limits, None, 1000).is_ok());
}

/// What cannot be read cannot be relied on.
#[test]
fn a_log_that_cannot_be_read_lets_nothing_through() {
    let day = Day::new();
    std::fs::remove_dir_all(Day::path(&day.dir)).unwrap();
    let limits = Limits { upload_per_day: Some(1000), ..Limits::default() };
    assert_eq!(day.admit(&family(), &limits, None, 1), Err(Code::AuditUnavailable));
}

/// Without limits the log is not read.
#[test]
fn without_limits_nothing_is_counted() {
    let day = Day::new();
    std::fs::remove_dir_all(Day::path(&day.dir)).unwrap();
    assert!(day.admit(&family(), &Limits::default(), None, 1 << 40).is_ok());
    assert!(day.budgets.spend(&family(), &Limits::default(), 1 << 40).is_ok());
    assert!(lock(&day.budgets.groups).is_empty());
}

/// While one group's day is read, which takes as long as the day was, no worker waits, and only that group's requests
/// do.
#[tokio::test]
async fn a_long_day_is_read_aside_and_holds_up_its_own_group_alone() {
    let Day { budgets, log, dir: _dir, runtime } = Day::new();
    runtime.shutdown_background();
    let limits = Limits { requests_per_day: Some(3), ..Limits::default() };
    log.decided(&decision(&permit(API), 1)).unwrap();
    let (family, work) = (family(), GroupName::parse("work").unwrap());
    // As during a read.
    let turn = lock(&budgets.reading).entry(family.clone()).or_default().clone();
    let reading = turn.lock().await;
    let mut waiting: Vec<_> = (0..4).map(|_| budgets.admit(&family, &limits, None, 1)).collect();
    for one in &mut waiting {
        assert!(futures_util::poll!(one).is_pending());
    }
    assert!(budgets.admit(&work, &limits, None, 1).await.is_ok(), "another group");
    assert!(budgets.admit(&family, &Limits::default(), None, 1).await.is_ok(), "without limits");
    drop(reading);
    let mut admitted = 0;
    for one in waiting {
        admitted += usize::from(one.await.is_ok());
    }
    assert_eq!(admitted, 2, "one of three was used before, and each is counted once");
}

/// A clock was ahead and came back: usage is read again, and nothing counts twice.
#[test]
fn a_clock_that_is_set_back_gives_nothing_back() {
    let limits = Limits { requests_per_day: Some(3), ..Limits::default() };
    let day = Day::new();
    assert_eq!([1, 2].map(|_| day.request(&limits, API, 1, 0)), [Ok(()), Ok(())]);
    // As after a day that existed only on the clock.
    *lock(&day.budgets.groups).get_mut(&family()).unwrap() = Used::of(Date::LAST, UsedSince::default());
    assert_eq!([1, 2].map(|_| day.request(&limits, API, 1, 0)), [Ok(()), OVER]);
}

/// A clock was behind and was set right: the day that it reaches has had its requests before.
#[test]
fn a_clock_that_is_set_forward_gives_nothing_back() {
    let limits = Limits { requests_per_day: Some(3), ..Limits::default() };
    let day = Day::new();
    assert_eq!([1, 2, 3].map(|_| day.request(&limits, API, 1, 0)), [Ok(()); 3]);
    let mut yesterday = Used::of(Date::new(2026, 1, 1).unwrap(), UsedSince::default());
    yesterday.counted.0 = SystemTime::now().checked_sub(24 * 60 * MINUTE).unwrap();
    *lock(&day.budgets.groups).get_mut(&family()).unwrap() = yesterday;
    assert_eq!(day.request(&limits, API, 1, 0), OVER);
}

#[test]
fn a_new_day_begins_with_nothing_and_asks_the_log_nothing() {
    let limits = Limits { requests_per_day: Some(1), ..Limits::default() };
    let day = Day::new();
    assert_eq!([1, 2].map(|_| day.request(&limits, API, 1, 0)), [Ok(()), OVER]);
    lock(&day.budgets.groups).get_mut(&family()).unwrap().day = Date::new(2026, 1, 1).unwrap();
    std::fs::remove_dir_all(Day::path(&day.dir)).unwrap();
    assert_eq!(day.admit(&family(), &limits, None, 1), Ok(()));
    assert_eq!(day.admit(&family(), &limits, None, 1), OVER);
}

/// From its end: what precedes the day costs nothing, and a clock that was wrong for a while in between hides nothing.
#[test]
fn the_day_is_read_back_to_where_it_began() {
    let day = Day::new();
    let (start, hour) = (clock().start_of_day(), 3_600_000);
    let store = |at: i64, url: &str| {
        let seq = day.log.decided(&decision(&permit(url), 1)).unwrap();
        day.log.ended(seq, &Outcome { bytes_up: 9, ..Outcome::default() }).unwrap();
        (seq, at)
    };
    let wild = "https://a.wild.test/";
    let stored = [
        store(start - 1, API),
        store(start + hour, API),
        store(start - hour, API),
        store(start - 30 * 24 * hour, API),
        store(start, wild),
    ];
    day.log.entries(&Filter::default()).unwrap();
    // As if each had been stored then: the index is rebuilt from the lines.
    day.log.sync().unwrap();
    let lines = day.dir.path().join("audit/000000000001.jsonl");
    let mut text = std::fs::read_to_string(&lines).unwrap();
    for (seq, at) in stored {
        let when =
            text.find(&format!("{{\"seq\":{},", seq.0)).map(|line| line + text[line..].find("\"at\":\"").unwrap() + 6);
        let at = jiff::Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        text.replace_range(when.unwrap()..when.unwrap() + at.len(), &at);
    }
    std::fs::write(lines, text).unwrap();
    let _ = std::fs::remove_file(day.dir.path().join("audit-index.db"));
    let used = day.log.used_since(&family(), start).unwrap();
    let names = ["a.wild.test".to_owned()].into();
    assert_eq!(used, UsedSince { requests: 2, bytes_up: 20, names });
}
