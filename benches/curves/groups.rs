//! What groups cost: the start, the first door of one, and a door beside those of all others.

use std::path::Path;
use std::sync::Arc;

use doorward::config::Config;
use doorward::gateway::Gateway;
use doorward::home::Home;
use doorward::operations::Operations;
use doorward::store::ledger::AuditLog;
use policies::GroupName;
use proxy::ports::NobodyToAsk;

use crate::chart::{Chart, Line};
use crate::{Reach, millis, sizes, timed};

/// Doors that are held open at a time.
const DOORS: u64 = 500;

pub(crate) fn charts(reach: Reach) -> Vec<Chart> {
    let mut chart = Chart {
        name: "groups",
        title: "Groups, each with a policy of its own",
        across: "groups",
        up: "milliseconds",
        lines: ["the gateway starts", "all policies load", "one more door opens"].map(Line::new).into(),
    };
    // A gateway watches files by tasks.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    for groups in sizes(reach, 1, [20, 2_000, 2_000]) {
        chart.add(groups, measured(groups));
    }
    vec![chart]
}

fn measured(groups: u64) -> [f64; 3] {
    let dir = tempfile::tempdir().unwrap();
    let home = home(dir.path(), groups);
    let config = Config::load(&home).unwrap();
    let ledger = Arc::new(AuditLog::open(&home.audit_log()).unwrap());
    let start = || {
        Gateway::open(&home, &config, ledger.clone(), Operations::of(ledger.clone(), None), Arc::new(NobodyToAsk))
            .unwrap()
    };
    let starts = millis(3, || drop(start()));
    let gateway = start();
    let load = || (0..groups).for_each(|number| assert!(!gateway.policy(&group(number)).hash().to_string().is_empty()));
    let loads = timed(load).as_secs_f64() * 1e3;
    let socket = |number: u64| dir.path().join(format!("{number}.sock"));
    let beside = 1..groups.min(DOORS);
    let others: Vec<_> = beside.map(|number| gateway.open_door(&group(number), &socket(number)).unwrap()).collect();
    let opens = millis(3, || gateway.open_door(&group(0), &socket(0)).unwrap().close());
    drop(others);
    [starts, loads, opens]
}

fn home(dir: &Path, groups: u64) -> Home {
    let home = Home::at(dir).unwrap();
    home.prepare().unwrap();
    for number in 0..groups {
        let rule = |rule: u64| format!("[[allow]]\nhost = \"h{rule}.example.com\"\ndo = [\"GET /g{number}/**\"]\n");
        std::fs::write(home.policy_file(&group(number)), (0..20).map(rule).collect::<String>()).unwrap();
    }
    home
}

fn group(number: u64) -> GroupName {
    GroupName::parse(&format!("g{number}")).unwrap()
}
