//! The attack cases under `tests/vectors`, each through a real door; and the proof
//! that they can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod run;

use std::collections::BTreeMap;

use case::Case;
use run::{rests_on_guards, rests_on_policy, run, run_weakened};

/// Each case with its name: `A01 trailing dot`.
fn cases() -> Vec<(String, String, Case)> {
    let named = |(family, attack): (String, case::Attack)| {
        assert!(!attack.title.is_empty() && !attack.cases.is_empty(), "{}", attack.id);
        let id = attack.id.clone();
        attack.cases.into_iter().map(move |case| (family.clone(), format!("{id} {}", case.name), case))
    };
    let only = option_env!("DOORWARD_VECTOR").unwrap_or_default();
    case::all().into_iter().flat_map(named).filter(|(_, name, _)| name.contains(only)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_meets_its_verdict() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (family, name, case) in cases() {
        *counts.entry(family).or_default() += 1;
        let run = run(&case).await;
        faults.extend(run.faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    let all: usize = counts.values().sum();
    let per_family: Vec<_> = counts.iter().map(|(family, count)| format!("{family} {count}")).collect();
    report(&format!("{all} attack cases: {}", per_family.join(", ")));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(all >= 150, "cases are missing: {all}");
}

/// Behind an open door each case that only the verdict stops must be found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_open_policy_the_attacks_are_noticed() {
    let (mut tried, mut unnoticed, mut reached) = (0, Vec::new(), 0);
    for (_, name, case) in cases() {
        let rows = run(&case).await.rows;
        if rows.is_empty() || !rows.iter().any(rests_on_policy) {
            continue;
        }
        tried += 1;
        let weakened = run_weakened(&case, &rows, true).await;
        reached += usize::from(weakened.faults.iter().any(|fault| fault.contains("canary")));
        if weakened.faults.is_empty() {
            unnoticed.push(name);
        }
    }
    report(&format!("{tried} cases rest on the policy; without it {reached} reach the canary"));
    assert!(unnoticed.is_empty(), "these cannot fail: {unnoticed:#?}");
    assert!(tried >= 30 && reached >= 5, "{tried} tried, {reached} reached the canary");
}

/// Without watchlist and guarded hosts each case that only they stop must be found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_guards_the_leaks_are_noticed() {
    let (mut tried, mut unnoticed) = (0, Vec::new());
    for (_, name, case) in cases() {
        let rows = run(&case).await.rows;
        if !rows.iter().any(rests_on_guards) {
            continue;
        }
        tried += 1;
        if run_weakened(&case, &rows, false).await.faults.is_empty() {
            unnoticed.push(name);
        }
    }
    report(&format!("{tried} cases rest on the watchlist and on guarded hosts"));
    assert!(unnoticed.is_empty(), "these cannot fail: {unnoticed:#?}");
    assert!(tried >= 20, "{tried}");
}

/// The count per family is a result of this test, not a trace of it.
#[expect(clippy::print_stderr, reason = "what the runner found, for who runs it")]
fn report(text: &str) {
    eprintln!("{text}");
}
