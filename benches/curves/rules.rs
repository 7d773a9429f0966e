//! What rules cost: a verdict, and loading them.

use std::hint::black_box;

use policies::{Facts, GroupName, Moment, Policy};
use policy_file::Source;

use crate::chart::{Chart, Line};
use crate::{Reach, millis, sizes};

const VERDICTS: u32 = 20_000;

pub(crate) fn charts(reach: Reach) -> Vec<Chart> {
    let mut verdict = Chart {
        name: "rules",
        title: "A verdict, against the rules of a policy",
        across: "rules",
        up: "microseconds",
        lines: ["allowed", "named by none", "every rule names the host"].map(Line::new).into(),
    };
    let mut loading = Chart {
        name: "rules-loading",
        title: "Loading a policy, against its rules",
        across: "rules",
        up: "milliseconds",
        lines: ["each rule names another host", "every rule names the same host"].map(Line::new).into(),
    };
    for rules in sizes(reach, 10, [500, 20_000, 20_000]) {
        let (mixed, of_one_host) = (mixed(rules), of_one_host(rules));
        let (hosts, one_host) = (compiled(&mixed), compiled(&of_one_host));
        let allowed = micros(&hosts, "GET", "https://h7.example.com/repos/me/notes?page=2");
        let unnamed = micros(&hosts, "GET", "https://nobody.example.org/");
        let same = micros(&one_host, "GET", "https://one.example.com/repos/r7/notes");
        verdict.add(rules, [allowed, unnamed, same]);
        loading.add(rules, [&mixed, &of_one_host].map(|text| millis(5, || drop(compiled(text)))));
    }
    vec![verdict, loading]
}

fn micros(policy: &Policy, method: &str, url: &str) -> f64 {
    let facts = Facts::parse(method, url).unwrap();
    let all = millis(5, || {
        for _ in 0..VERDICTS {
            black_box(policy.at(Moment::FAR).decide(black_box(facts.clone())));
        }
    });
    all * 1e3 / f64::from(VERDICTS)
}

/// Three allows in four name a host, one a star; one rule in ten denies.
fn mixed(rules: u64) -> String {
    let rule = |n: u64| match n % 10 {
        9 => format!("[[deny]]\nhost = \"h{}.example.com\"\ndo = [\"* /gists/**\"]\n", n - 2),
        3 | 6 => format!("[[allow]]\nhost = \"*.w{}.example.com\"\ndo = [\"GET /repos/**\"]\n", n + 1),
        _ => format!("[[allow]]\nhost = \"h{n}.example.com\"\ndo = [\"GET /repos/**\", \"POST /repos/*/notes\"]\n"),
    };
    (0..rules).map(rule).collect()
}

fn of_one_host(rules: u64) -> String {
    let rule = |n: u64| format!("[[allow]]\nhost = \"one.example.com\"\ndo = [\"GET /repos/r{n}/**\"]\n");
    (0..rules).map(rule).collect()
}

fn compiled(text: &str) -> Policy {
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    policy_file::compile(&GroupName::parse("family").unwrap(), &source, None).unwrap().policy
}
