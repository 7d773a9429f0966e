#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use policies::{Date, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol, Seq};

use super::*;
use crate::store::ledger::{Events, Filter};

const MODEL: &str = "claude-sonnet-4-5";

/// A daemon's day: its log on disk, and its counts.
struct Day {
    dir: tempfile::TempDir,
    log: Arc<AuditLog>,
    meters: Meters,
    runtime: tokio::runtime::Runtime,
}

/// A request in flight.
#[derive(Debug)]
struct Asked {
    seq: Seq,
    hold: u64,
    limits: Limits,
}

impl Day {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let path: PathBuf = dir.path().join("audit");
        let log = Arc::new(AuditLog::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = OwnersClock::new(jiff::tz::TimeZone::UTC);
        let prices = Prices::default().with_shipped();
        Day { meters: Meters::new(log.clone(), clock, prices), log, dir, runtime }
    }

    /// The daemon ends, in whatever way, and another one starts.
    fn restarted(self) -> Self {
        let Day { dir, log, meters, .. } = self;
        drop((log, meters));
        Day::at(dir)
    }

    /// A request as the proxy handles it: reserved and stored.
    fn ask(&self, limits: Limits, model: &str, most: u64) -> Result<Asked, String> {
        let most = Tokens { model: Some(model.to_owned()), output: most, estimated: true, ..Tokens::default() };
        let held = self.runtime.block_on(self.meters.reserve(&family(), &limits, &most));
        let hold = held.map_err(|refusal| {
            assert_eq!(refusal.code, Code::UsedUp);
            refusal.why
        })?;
        let decision = Decision { reserves: Some(most), verdict: Allowed::Allow, ..bare() };
        Ok(Asked { seq: self.log.decided(&decision).unwrap(), hold, limits })
    }

    fn goes_on(&self, asked: &Asked, so_far: &Tokens) -> Result<(), String> {
        self.meters.goes_on(&family(), &asked.limits, asked.hold, so_far).map_err(|refusal| refusal.why)
    }

    fn end(&self, asked: &Asked, tokens: Option<Tokens>) {
        self.log.ended(asked.seq, &Outcome { tokens: tokens.clone(), ..Outcome::default() }).unwrap();
        self.meters.settle(&family(), asked.hold, tokens.as_ref());
    }

    fn used(&self) -> Vec<(String, u64, u64)> {
        let used = self.log.tokens_since(Some(&family()), 0).unwrap();
        used.into_iter()
            .map(|used| (used.tokens.model.clone().unwrap_or_default(), used.requests, used.tokens.sum()))
            .collect()
    }

    fn warnings(&self) -> Vec<String> {
        let events = self.log.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap();
        let events = events.into_iter().filter_map(|entry| entry.event);
        events.filter(|event| event.what == "budget").map(|event| event.text).collect()
    }
}

fn bare() -> Decision {
    let identity = Identity { group: family(), sandbox: SandboxId::new("0123456789abcdef").unwrap() };
    Decision::bare(identity, None, 1, Protocol::Https)
}

fn family() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn tokens(model: &str, input: u64, output: u64) -> Tokens {
    Tokens { model: Some(model.to_owned()), input, output, ..Tokens::default() }
}

fn per_day(tokens: u64) -> Limits {
    Limits { tokens_per_day: Some(tokens), ..Limits::default() }
}

#[test]
fn a_request_that_may_take_more_than_is_left_is_refused_with_a_way_out() {
    let day = Day::new();
    let first = day.ask(per_day(1000), MODEL, 600).unwrap();
    let why = day.ask(per_day(1000), MODEL, 600).unwrap_err();
    assert!(why.contains("has 400 of its tokens_per_day of 1000 left, beside what other requests"), "{why}");
    day.end(&first, Some(tokens(MODEL, 50, 100)));
    let second = day.ask(per_day(1000), MODEL, 850).unwrap();
    day.end(&second, Some(tokens(MODEL, 0, 850)));
    let why = day.ask(per_day(1000), MODEL, 0).unwrap_err();
    assert!(why.contains("has used up its tokens_per_day of 1000; it starts anew at midnight"), "{why}");
}

#[test]
fn what_was_used_survives_a_restart_and_so_does_what_was_only_held() {
    let day = Day::new();
    let ended = day.ask(per_day(1000), MODEL, 500).unwrap();
    day.end(&ended, Some(tokens(MODEL, 10, 20)));
    let failed = day.ask(per_day(1000), MODEL, 500).unwrap();
    day.end(&failed, None);
    let _killed = day.ask(per_day(1000), MODEL, 300).unwrap();
    assert_eq!(day.used(), [(MODEL.to_owned(), 2, 330)]);
    let day = day.restarted();
    assert_eq!(day.used(), [(MODEL.to_owned(), 2, 330)]);
    assert!(day.ask(per_day(1000), MODEL, 671).is_err());
    assert!(day.ask(per_day(1000), MODEL, 670).is_ok());
    let day = day.restarted();
    assert_eq!(day.used(), [(MODEL.to_owned(), 3, 1000)], "read again, it is the same");
    assert!(day.ask(per_day(1000), MODEL, 0).is_err());
}

/// A stream continues if the limits are removed for a while, or the clock is set: the log is read again.
#[test]
fn what_is_under_way_is_held_to_its_limits_through_a_new_reading() {
    let day = Day::new();
    let stream = day.ask(per_day(1000), MODEL, 100).unwrap();
    day.goes_on(&stream, &tokens(MODEL, 0, 500)).unwrap();
    let free = day.ask(Limits::default(), MODEL, 0).unwrap();
    day.end(&free, Some(tokens(MODEL, 0, 200)));
    day.goes_on(&stream, &tokens(MODEL, 0, 600)).unwrap();
    let why = day.ask(per_day(1000), MODEL, 300).unwrap_err();
    assert!(why.contains("has 200 of its tokens_per_day of 1000 left"), "{why}");
    day.goes_on(&stream, &tokens(MODEL, 0, 800)).unwrap();
    assert!(day.goes_on(&stream, &tokens(MODEL, 0, 801)).unwrap_err().contains("has used up its tokens_per_day"));
    day.end(&stream, Some(tokens(MODEL, 0, 700)));
    assert!(day.ask(per_day(1000), MODEL, 101).is_err());
    assert!(day.ask(per_day(1000), MODEL, 100).is_ok());
}

#[test]
fn money_is_counted_by_the_model_that_answered() {
    let day = Day::new();
    let limits = Limits { money_per_day: Some(100_000), ..Limits::default() };
    // 1000 tokens at 15 USD a million are 1.5 cents.
    let first = day.ask(limits, MODEL, 1000).unwrap();
    day.end(&first, Some(tokens("claude-opus-4-1-20250805", 0, 1000)));
    let why = day.ask(limits, MODEL, 2000).unwrap_err();
    assert!(why.contains("has 0.025 USD of its money_per_day of 0.10 USD left"), "{why}");
    assert!(day.ask(limits, MODEL, 1000).is_ok());
}

#[test]
fn a_model_without_a_price_cannot_be_held_against_money() {
    let day = Day::new();
    let money = Limits { money_per_month: Some(1_000_000), ..Limits::default() };
    let why = day.ask(money, "unheard-of", 0).err().unwrap();
    assert!(why.contains("[prices.\"unheard-of\"]"), "{why}");
    let unnamed = Tokens { output: 1, ..Tokens::default() };
    let why = day.runtime.block_on(day.meters.reserve(&family(), &money, &unnamed)).unwrap_err().why;
    assert!(why.contains("this request names no model") && !why.contains("[prices"), "{why}");
    let counted = day.ask(per_day(10), "unheard-of", 5).unwrap();
    day.end(&counted, Some(tokens("unheard-of", 2, 3)));
    let reports = report(day.log.tokens_since(None, 0).unwrap(), &Prices::default().with_shipped());
    assert_eq!((reports[0].tokens, reports[0].cost), (5, 0));
    assert!(reports[0].unpriced().unwrap().contains("unheard-of"));
}

/// A request that states its maximum was admitted with that: it is ended if it takes more.
#[test]
fn a_stream_is_ended_where_nothing_is_left() {
    let day = Day::new();
    let unbound = day.ask(per_day(1000), MODEL, 0).unwrap();
    day.goes_on(&unbound, &tokens(MODEL, 400, 100)).unwrap();
    let other = day.ask(per_day(1000), MODEL, 400).unwrap();
    day.goes_on(&unbound, &tokens(MODEL, 400, 200)).unwrap();
    let why = day.goes_on(&unbound, &tokens(MODEL, 400, 201)).unwrap_err();
    assert!(why.contains("used up its tokens_per_day of 1000"), "{why}");
    day.end(&unbound, Some(tokens(MODEL, 400, 201)));
    day.goes_on(&other, &tokens(MODEL, 0, 399)).unwrap();
    day.end(&other, Some(tokens(MODEL, 0, 399)));
    assert_eq!(day.used(), [(MODEL.to_owned(), 2, 1000)]);
}

#[test]
fn the_month_is_counted_beside_the_day() {
    let day = Day::new();
    let limits = Limits { tokens_per_month: Some(100), ..Limits::default() };
    let first = day.ask(limits, MODEL, 90).unwrap();
    day.end(&first, Some(tokens(MODEL, 5, 85)));
    let why = day.ask(limits, MODEL, 11).unwrap_err();
    assert!(why.contains("tokens_per_month") && why.contains("next month"), "{why}");
    assert!(day.ask(limits, MODEL, 10).is_ok());
}

#[test]
fn a_day_that_is_over_is_counted_no_more() {
    let mut used =
        Used::read(&Day::new().log, &OwnersClock::new(jiff::tz::TimeZone::UTC), &Prices::default(), &family()).unwrap();
    let (monday, tuesday) = (Date::new(2026, 11, 30).unwrap(), Date::new(2026, 12, 1).unwrap());
    used.day = monday;
    let most = Spent { tokens: 10, money: 0 };
    used.open.insert(1, Open::new(monday, most));
    used.today = Spent { tokens: 7, money: 1 };
    used.month = used.today;
    used.goes_into(tuesday);
    assert_eq!((used.today, used.month, used.others(0)), (Spent::default(), Spent::default(), most));
    used.settle(1, Spent { tokens: 9, money: 0 });
    assert_eq!((used.today, used.others(0)), (Spent::default(), Spent::default()), "it was yesterday's");
}

#[test]
fn without_limits_nothing_is_held_and_the_log_knows_all_the_same() {
    let day = Day::new();
    let free = day.ask(Limits::default(), MODEL, 1_000_000).unwrap();
    assert_eq!(free.hold, 0);
    day.end(&free, Some(tokens(MODEL, 1, 2)));
    let why = day.ask(per_day(3), MODEL, 0).unwrap_err();
    assert!(why.contains("used up"), "{why}");
}

#[test]
fn its_owner_is_warned_once() {
    let day = Day::new();
    for _ in 0..4 {
        let asked = day.ask(per_day(100), MODEL, 1).unwrap();
        day.end(&asked, Some(tokens(MODEL, 0, 27)));
        if day.ask(per_day(100), MODEL, 0).is_err() {
            break;
        }
    }
    let warnings = day.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("50 % of its tokens_per_day (100)"), "{warnings:?}");
}
