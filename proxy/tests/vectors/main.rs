//! The attack cases under `tests/vectors`, each through a real door; and the proof that they can
//! fail.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod frames;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use case::Case;
use futures_util::StreamExt;
use futures_util::stream;
use run::{BY_GUARDS, BY_POLICY, Run, rests_on_guards, rests_on_policy, run, run_weakened};

/// The attacks that must be covered, by a case here or by a test named in the README.
const IDS: &str = "A01 A02 A03 A04 A05 A06 A08 A10 B01 B02 B05 B06 B08 B09 C01 C02 C05 C06 C08 C09 C10 \
                   D01 D02 D03 D04 D06 D07 D10 D13 E01 E02 E03 E06 E07 E08 E09 E10 F01 F02 F03 F04 F05 F07 \
                   G01 G02 G03 G04 G05 G06 G07 G08 G09 G10 H01 H02 H03 H04 H05 H06 H07 H08 H09 I01 I02 I03 I04 I06 I08 I09 I12 \
                   I13 I14 I15 I16 I17 I18 I19 J01 J02 J03 J04 J06 J10 K01 K02 K03 K04 K06 K08 K09 L01 L02 L03 L04 L06 L07 L08 \
                   N01 N02 N03 N04 N05 N06 N09 O01 O02 O03 O04 O05 O06";

/// How many worlds exist at a time.
const AT_ONCE: usize = 4;

/// A case with its family and name: `A01 trailing dot`.
#[derive(Clone)]
struct Named {
    family: String,
    name: String,
    case: Case,
}

fn cases() -> Vec<Named> {
    let named = |(family, attack): (String, case::Attack)| {
        let cases = attack.cases.len() + attack.chat.len() + attack.file.len();
        let whole = !attack.title.is_empty() && !attack.source.is_empty() && cases > 0;
        assert!(whole, "{} is not whole", attack.id);
        let id = attack.id;
        attack.cases.into_iter().map(move |case| Named {
            family: family.clone(),
            name: format!("{id} {}", case.name),
            case,
        })
    };
    case::all().into_iter().flat_map(named).collect()
}

/// The cases that expect one of these codes.
fn cases_refused_by(codes: &[&str]) -> Vec<Named> {
    let expects = |case: &Case| {
        let mut said = case.record.iter().filter_map(|record| record.get("code")?.as_str());
        said.any(|code| codes.contains(&code))
    };
    cases().into_iter().filter(|named| expects(&named.case)).collect()
}

/// The result of each case, a few at a time; a panic is a fault like any other.
async fn each<F>(cases: Vec<Named>, go: impl Fn(Case) -> F + Copy) -> Vec<(Named, Run)>
where
    F: Future<Output = Run> + Send + 'static,
{
    let one = async |named: Named| {
        let ran = tokio::spawn(go(named.case.clone())).await;
        (named, ran.unwrap_or_else(|panicked| Run { faults: vec![panicked.to_string()], rows: Vec::new() }))
    };
    stream::iter(cases).map(one).buffered(AT_ONCE).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_meets_its_verdict() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    // ATTACK=D01: only this one.
    #[allow(clippy::disallowed_methods)]
    let only = std::env::var("ATTACK").ok();
    let mut cases = cases();
    cases.retain(|named| only.as_ref().is_none_or(|only| named.name.starts_with(only)));
    for (named, ran) in each(cases, async |case| run(&case).await).await {
        *counts.entry(named.family).or_default() += 1;
        faults.extend(ran.faults.into_iter().map(|fault| format!("{}: {fault}", named.name)));
    }
    let all: usize = counts.values().sum();
    let per_family: Vec<_> = counts.iter().map(|(family, count)| format!("{family} {count}")).collect();
    report(&format!("{all} attack cases: {}", per_family.join(", ")));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    if only.is_some() {
        assert!(all > 0, "there is no such attack");
        return;
    }
    assert!(all >= 800, "cases are missing: {all}");
}

#[test]
fn no_attack_is_missing() {
    let here: BTreeSet<_> = case::all().into_iter().map(|(_, attack)| attack.id).collect();
    let (readme, code) = (include_str!("../../../tests/vectors/README.md"), all_code());
    assert_eq!(gone(readme, &code), Vec::<&str>::new(), "the README names tests that are gone");
    let missing = missing(&here, readme, &code);
    assert!(missing.is_empty(), "neither a case nor a test that the README names: {missing:?}");
}

#[test]
fn an_attack_without_a_case_or_a_test_is_noticed() {
    let here: BTreeSet<_> = IDS.split_whitespace().skip(3).map(str::to_owned).collect();
    let readme = "| A01 | `there` |\n| A02 | only `words` and `gone` |\n";
    assert_eq!(missing(&here, readme, "async fn there() {}"), ["A02", "A03"]);
    let row = "| A01, more | `a_test_there`, `a_test_gone`, `_method`, `proxy/tests` |";
    assert_eq!(gone(row, "fn a_test_there() {}"), ["a_test_gone"]);
}

/// Tests that the README names but that do not exist.
fn gone<'r>(readme: &'r str, code: &str) -> Vec<&'r str> {
    let is_name = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        text.bytes().all(plain) && text.matches('_').count() > 1
    };
    let rows = readme.lines().filter(|line| line.starts_with("| "));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(is_name);
    names.filter(|name| !code.contains(&format!("fn {name}("))).collect()
}

/// Attacks without a case, and without a row in the README that names an existing test.
fn missing(here: &BTreeSet<String>, readme: &str, code: &str) -> Vec<&'static str> {
    let tested = |id: &str| {
        let mut rows = readme.lines().filter(|line| line.starts_with(&format!("| {id} ")));
        let is_test = |name: &str| code.contains(&format!("fn {name}("));
        rows.any(|row| row.split('`').skip(1).step_by(2).any(is_test))
    };
    IDS.split_whitespace().filter(|id| !here.contains(*id) && !tested(id)).collect()
}

/// The source of the crates and their tests.
fn all_code() -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = [
        "policies",
        "scan",
        "proxy",
        "containers/src",
        "containers/guest/src",
        "containers/tests",
        "src",
        "tests",
        "channels",
    ]
    .map(|one| top.join(one))
    .into();
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    code
}

/// Behind an open door, each case that only the verdict stops must be noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_open_policy_the_attacks_are_noticed() {
    let opened = each(cases_refused_by(&BY_POLICY), async |case| {
        let rows = run(&case).await.rows;
        if rows.iter().any(rests_on_policy) { run_weakened(&case, &rows, true).await } else { untried() }
    });
    let (tried, unnoticed, faults) = noticed(opened.await);
    let reached = faults.iter().filter(|fault| fault.contains("canary")).count();
    report(&format!("{tried} cases rest on the policy; without it {reached} reach the canary"));
    assert!(unnoticed.is_empty(), "these cannot fail: {unnoticed:#?}");
    assert!(tried >= 60 && reached >= 5, "{tried} tried, {reached} reached the canary");
}

/// Without watchlist and guarded hosts, each case that only they stop must be noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_guards_the_leaks_are_noticed() {
    let opened = each(cases_refused_by(&BY_GUARDS), async |case| {
        let rows = run(&case).await.rows;
        if rows.iter().any(rests_on_guards) { run_weakened(&case, &rows, false).await } else { untried() }
    });
    let (tried, unnoticed, _) = noticed(opened.await);
    report(&format!("{tried} cases rest on the watchlist and on guarded hosts"));
    assert!(unnoticed.is_empty(), "these cannot fail: {unnoticed:#?}");
    assert!(tried >= 100, "{tried}");
}

/// A case that cannot be weakened.
fn untried() -> Run {
    Run { faults: vec![UNTRIED.to_owned()], rows: Vec::new() }
}

const UNTRIED: &str = "not tried";

/// How many were tried, which of them noticed nothing, and what the others noticed.
fn noticed(ran: Vec<(Named, Run)>) -> (usize, Vec<String>, Vec<String>) {
    let tried: Vec<_> = ran.into_iter().filter(|(_, run)| run.faults != [UNTRIED]).collect();
    let unnoticed =
        tried.iter().filter(|(_, run)| run.faults.is_empty()).map(|(named, _)| named.name.clone()).collect();
    (tried.len(), unnoticed, tried.into_iter().flat_map(|(_, run)| run.faults).collect())
}

/// The count per family is a result of this test, not a trace.
#[expect(clippy::print_stderr, reason = "what the runner found, for who runs it")]
fn report(text: &str) {
    eprintln!("{text}");
}
