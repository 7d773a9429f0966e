//! The audit log alone, at a million records: what it takes to write them, to check them, to
//! build the index, and to answer from it.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use doorward::store::ledger::{AuditLog, AuditReader, Events, Filter, verify};
use policies::{GroupName, RuleRef, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol, Seq};

/// Two lines each.
const REQUESTS: u64 = 500_000;

/// Prints a line for each thing that is measured; `dir` is where the log is made.
pub(crate) fn measure(dir: &Path) {
    let folder = dir.join("audit");
    let log = AuditLog::open(&folder).unwrap();
    let written = timed(|| write(&log, 0..REQUESTS, 100));
    println!("| written: {REQUESTS} requests, two lines each | {:.1} µs a request |", micros(written));
    timed(|| drop(log));
    let checked = timed(|| assert!(verify(&folder, None).is_ok()));
    println!("| verified | {:.0} records a second |", 2.0 * REQUESTS as f64 / checked.as_secs_f64());
    let index = dir.join("audit-index.db");
    let _ = std::fs::remove_file(&index);
    let reader = AuditReader::open(&folder).unwrap();
    let built = timed(|| assert!(reader.catch_up().unwrap()));
    let mebibytes = std::fs::metadata(&index).unwrap().len() >> 20;
    println!("| index built anew | {:.1} s, {mebibytes} MiB |", built.as_secs_f64());
    drop(reader);
    let newest = Filter { limit: Some(50), events: Events::With, ..Filter::default() };
    let opened = || AuditReader::open(&folder).unwrap();
    println!("| newest 50 | {:?} |", timed(|| drop(opened().entries(&newest).unwrap())));
    println!("| digest | {:?} |", timed(|| drop(opened().digest(None, Some(0)).unwrap())));
    let streamed = timed(|| stream(&opened()));
    println!("| all as JSON | {:.1} s, {} MiB at most |", streamed.as_secs_f64(), peak_mebibytes());
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn micros(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / REQUESTS as f64
}

/// Requests to so many hosts, every fourth with a credential.
pub(crate) fn write(log: &AuditLog, numbers: Range<u64>, hosts: u64) {
    let mut decision = decision();
    for number in numbers {
        decision.path = Some(format!("/repos/me/notes/issues/{number}"));
        decision.host = Some(format!("h{}.example", number % hosts));
        decision.credential = number.is_multiple_of(4).then(|| "github".into());
        let seq = log.decided(&decision).unwrap();
        let address = "192.0.2.1:443".parse().ok();
        let ended = Outcome { status: Some(200), address, bytes_up: 120, bytes_down: 4_000, ..Outcome::default() };
        log.ended(seq, &ended).unwrap();
    }
}

fn decision() -> Decision {
    let group = GroupName::parse("bench").unwrap();
    let identity = Identity { group, sandbox: SandboxId::new("b0").unwrap() };
    Decision {
        verdict: Allowed::Allow,
        scheme: Some("https"),
        method: Some("GET".to_owned()),
        port: Some(443),
        head_bytes: Some(300),
        rule: Some(RuleRef { file: "policies/bench.toml".into(), line: 4 }),
        policy: Some("9f86d081884c7d65".to_owned()),
        ..Decision::bare(identity, Some(7), 1, Protocol::Https)
    }
}

/// All of it as JSON, as `doorward audit --json` reads it.
pub(crate) fn stream(reader: &AuditReader) {
    let mut filter = Filter { after: Some(Seq(0)), limit: Some(1_000), events: Events::With, ..Filter::default() };
    let mut bytes = 0;
    loop {
        let entries = reader.entries(&filter).unwrap();
        let Some(last) = entries.last() else { break };
        filter.after = Some(last.seq);
        bytes += entries.iter().map(|entry| entry.to_json().len()).sum::<usize>();
    }
    assert!(bytes > 0);
}

pub(crate) fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}
