//! What records of the audit log cost: one more, questions, the proof, the start, and what has had its time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use audit::{Due, Retention};
use doorward::home::Home;
use doorward::store::ledger::{AuditLog, AuditReader, verify};

use crate::chart::{Chart, Line};
use crate::{Reach, log, millis, sizes, timed};

/// Requests that are written to see what one more costs; two lines each.
const MORE: u64 = 500;

pub(crate) fn charts(reach: Reach) -> Vec<Chart> {
    let chart = |name, title, lines: &[&str]| Chart {
        name,
        title,
        across: "records",
        up: "milliseconds",
        lines: lines.iter().map(|name| Line::new(name)).collect(),
    };
    let mut daily = chart(
        "records",
        "The audit log, by its records: what is done all the time",
        &[
            "500 requests are written",
            "`doorward audit` (the newest 50)",
            "`doorward audit digest`",
            "the log is opened",
        ],
    );
    let mut rare = chart(
        "records-whole",
        "The audit log, by its records: what looks at all of it",
        &["`doorward audit verify`", "the index is made anew", "`doorward audit --json`", "what is due is removed"],
    );
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    home.prepare().unwrap();
    let mut written = 0;
    for records in sizes(reach, 1_000, [10_000, 1_000_000, 10_000_000]) {
        let folder = home.audit_log();
        let log = AuditLog::open(&folder).unwrap();
        log::write(&log, written..records / 2, 100);
        let more = millis(3, || log::write(&log, 0..MORE, 100));
        written = records / 2 + 3 * MORE;
        drop(log);
        let opens = millis(3, || drop(AuditLog::open(&folder).unwrap()));
        let verifies = millis(1, || assert!(verify(&folder, None).is_ok()));
        // It is there if a second has passed.
        let _ = std::fs::remove_file(dir.path().join("data/audit-index.db"));
        let index = millis(1, || assert!(AuditReader::open(&folder).unwrap().catch_up().unwrap()));
        let newest = millis(5, || command(dir.path(), &["audit"]));
        let digest = millis(5, || command(dir.path(), &["audit", "digest"]));
        let all = millis(1, || command(dir.path(), &["audit", "--json"]));
        daily.add(records, [more, newest, digest, opens]);
        rare.add(records, [verifies, index, all, removed(&folder)]);
    }
    vec![daily, rare]
}

/// By the hosts that were asked: requests to all of them, each as often.
pub(crate) fn of_hosts(reach: Reach) -> Vec<Chart> {
    let mut chart = Chart {
        name: "hosts",
        title: "The audit log of 200,000 records, by the hosts that were asked",
        across: "hosts",
        up: "milliseconds",
        lines: ["`doorward audit` (the newest 50)", "`doorward audit digest`", "`doorward audit --host` (one of them)"]
            .map(Line::new)
            .into(),
    };
    for hosts in sizes(reach, 1, [100, 100_000, 100_000]) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        log::write(&AuditLog::open(&home.audit_log()).unwrap(), 0..100_000, hosts);
        command(dir.path(), &["audit"]);
        let costs = [&["audit"][..], &["audit", "digest"], &["audit", "--host", "h0.example"]];
        chart.add(hosts, costs.map(|arguments| millis(5, || command(dir.path(), arguments))));
    }
    vec![chart]
}

fn command(home: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    let ran = command.arg("--home").arg(home).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(ran.unwrap().success());
}

/// Of a copy, sixty days from now: all but the newest file.
fn removed(folder: &Path) -> f64 {
    let copy = folder.with_file_name("copy");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        std::fs::hard_link(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let keep = Retention { age: Some(Duration::from_hours(24 * 30)), ..Retention::default() };
    let then = jiff::Timestamp::now().as_millisecond() + 60 * 24 * 60 * 60 * 1000;
    let took = timed(|| {
        if let Some(due) = Due::find(&copy, &keep, then).unwrap() {
            due.remove().unwrap();
        }
    });
    std::fs::remove_dir_all(copy).unwrap();
    took.as_secs_f64() * 1e3
}
