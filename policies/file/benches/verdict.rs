//! How long a verdict takes, at 10 and at 1,000 rules.
//!
//! ```sh
//! cargo bench -p policy-file --bench verdict
//! ```
//! Prints the median and the slowest of a hundred rounds, in nanoseconds a verdict.
//! The facts are cloned for each, as a door makes them anew for each request.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use policies::{Facts, Grant, GrantId, GroupName, Moment, Policy, Verdict};
use policy_file::Source;

const ROUNDS: usize = 100;
const VERDICTS: u32 = 2_000;

fn main() {
    let requests = [
        ("allowed", "GET", "https://h7.example.com/repos/me/notes?page=2"),
        ("allowed below a star", "GET", "https://x.w7.example.com/repos/me/notes"),
        ("path not covered", "POST", "https://h7.example.com/other"),
        ("denied", "POST", "https://h7.example.com/gists/1"),
        ("named by none", "GET", "https://nobody.example.org/"),
    ];
    for rules in [10, 1000] {
        let policy = policy(rules);
        for (what, method, url) in requests {
            let facts = Facts::parse(method, url).unwrap();
            let (median, worst) = measure(&policy, &facts);
            println!("{rules:>5} rules  {what:<22} median {median:>6} ns  slowest round {worst:>6} ns");
        }
        let asking = asking(rules);
        let issue = Facts::parse("POST", "https://h7.example.com/repos/me/notes/issues").unwrap();
        let beside = Facts::parse("GET", "https://h7.example.com/repos/me/notes?page=2").unwrap();
        let yes = yes(&asking, &issue);
        for (what, facts, grants) in
            [("beside an ask", &beside, &[][..]), ("asked about", &issue, &[]), ("by a yes", &issue, &[yes])]
        {
            let (median, worst) = measure_with(&asking, facts, grants);
            println!("{rules:>5} rules  {what:<22} median {median:>6} ns  slowest round {worst:>6} ns");
        }
        let facts = Facts::parse("GET", "https://one.example.com/repos/r7/notes").unwrap();
        let (median, worst) = measure(&one_host(rules), &facts);
        println!("{rules:>5} rules  {:<22} median {median:>6} ns  slowest round {worst:>6} ns", "all for this host");
    }
}

fn measure(policy: &Policy, facts: &Facts) -> (u128, u128) {
    measure_with(policy, facts, &[])
}

fn measure_with(policy: &Policy, facts: &Facts, grants: &[Grant]) -> (u128, u128) {
    let mut rounds: Vec<u128> = (0..ROUNDS).map(|_| round(policy, facts, grants)).collect();
    rounds.sort_unstable();
    (rounds[ROUNDS / 2], rounds[ROUNDS - 1])
}

fn round(policy: &Policy, facts: &Facts, grants: &[Grant]) -> u128 {
    let start = Instant::now();
    for _ in 0..VERDICTS {
        black_box(policy.at(Moment::FAR).with_grants(grants).decide(black_box(facts.clone())));
    }
    start.elapsed().as_nanos() / u128::from(VERDICTS)
}

/// The same, with an ask about one of the requests.
fn asking(rules: usize) -> Policy {
    let ask = "[[ask]]\nhost = \"h7.example.com\"\ndo = [\"POST /repos/*/notes/issues\"]\n";
    compile(mixture(rules) + ask)
}

fn yes(policy: &Policy, facts: &Facts) -> Grant {
    match policy.at(Moment::FAR).decide(facts.clone()) {
        Verdict::Ask(ask) => ask.once(GrantId(1), b"{}"),
        other => panic!("{other:?}"),
    }
}

/// The worst case for a file of this length: every rule names the host.
fn one_host(rules: usize) -> Policy {
    let rule = |n: usize| format!("[[allow]]\nhost = \"one.example.com\"\ndo = [\"GET /repos/r{n}/**\"]\n");
    compile((0..rules).map(rule).collect())
}

/// A mixture: of four allows three name a host and one has a star; one rule in ten denies.
fn policy(rules: usize) -> Policy {
    compile(mixture(rules))
}

fn mixture(rules: usize) -> String {
    let rule = |n: usize| match n % 10 {
        9 => format!("[[deny]]\nhost = \"h{}.example.com\"\ndo = [\"* /gists/**\"]\n", n - 2),
        3 | 6 => format!("[[allow]]\nhost = \"*.w{}.example.com\"\ndo = [\"GET /repos/**\"]\n", n + 1),
        _ => format!(
            "[[allow]]\nhost = \"h{n}.example.com\"\ndo = [\"GET /repos/**\", \"POST /repos/*/notes/issues\"]\n"
        ),
    };
    (0..rules).map(rule).collect()
}

fn compile(text: String) -> Policy {
    let source = Source { name: "family.toml".to_owned(), text };
    policy_file::compile(&GroupName::parse("family").unwrap(), &source, None).unwrap().policy
}
