//! Compares the door's reading of requests with that of real frameworks: a spelling that one of
//! them takes for another method, another path or a foreign key must not get through.
//!
//! Each request of a generated corpus goes to every framework directly, which shows the effect of
//! each spelling, and through a real door. What the door lets through goes to every framework as it
//! left the door, and must be read there as it was judged.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod servers;

use std::collections::BTreeMap;

use corpus::{ATTACKER, Case, Does};
use percent_encoding::percent_decode_str;
use servers::{Reading, Server};
use support::upstream::Received;
use support::{Client, Setup, World};

/// Allowed beside the fixture: a host that takes GET, HEAD and POST, and nothing else.
const RULES: &str =
    "[[allow]]\nhost = \"ro.allowed.test\"\ndo = [\"POST /public/**\"]\nprivate = [\"127.0.0.13/32\"]\n";

/// The least number of frameworks that must have answered.
const LEAST_FRAMEWORKS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_framework_reads_a_request_as_another_than_was_judged() {
    let servers = servers::start().await;
    let world = World::with(with_rules()).await;
    let cases = corpus::attacks(world.values["SUR4"].as_str());
    let (direct, passed) = tokio::join!(ask_all(&servers, as_they_are(&cases)), through_the_door(&world, &cases));
    let through = ask_all(&servers, passed.iter().map(|one| one.left.clone()).collect()).await;

    let mut renamed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut spellings = 0;
    for (case, readings) in cases.iter().zip(&direct) {
        let by: Vec<_> = readings.iter().filter(|reading| case.succeeds(reading)).collect();
        by.iter().for_each(|reading| *renamed.entry(reading.framework.as_str()).or_default() += 1);
        spellings += usize::from(!by.is_empty());
    }
    let mut faults = Vec::new();
    for (one, readings) in passed.iter().zip(&through) {
        let case = &cases[one.case];
        faults.extend(readings.iter().filter_map(|reading| fault(case, one, reading)));
    }
    let frameworks: Vec<_> = renamed.iter().map(|(name, count)| format!("{name} {count}")).collect();
    report(&format!(
        "{} requests asked of {} frameworks; {spellings} are read as another request ({}); {} got through the door, \
         {} of them are",
        cases.len(),
        names(&direct).len(),
        frameworks.join(", "),
        passed.len(),
        faults.len(),
    ));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Proves the corpus: without a door each framework is deceived.
    assert!(names(&direct).len() >= LEAST_FRAMEWORKS && renamed.len() == names(&direct).len(), "{renamed:?}");
    assert!(cases.len() > 2000 && spellings > 300, "{} cases, {spellings} of them do something", cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_send_passes_and_is_read_as_it_was_judged() {
    let servers = servers::start().await;
    let world = World::with(with_rules()).await;
    let cases = corpus::benign(world.values["SUR4"].as_str());
    let passed = through_the_door(&world, &cases).await;
    let refused: Vec<_> = (0..cases.len()).filter(|index| passed.iter().all(|one| one.case != *index)).collect();
    let refused: Vec<_> = refused.into_iter().map(|index| &cases[index].name).collect();
    assert!(refused.is_empty(), "false alarms: {refused:#?}");
    let through = ask_all(&servers, passed.iter().map(|one| one.left.clone()).collect()).await;
    let readings = || passed.iter().zip(&through);
    let faults: Vec<_> = readings()
        .flat_map(|(one, readings)| readings.iter().filter_map(|reading| fault(&cases[one.case], one, reading)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    report(&format!("{} benign requests pass, read alike by {} frameworks", cases.len(), names(&through).len()));
}

/// A request that got through, as it left the door.
struct Passed {
    case: usize,
    left: Vec<u8>,
    method: String,
    path: Vec<u8>,
}

fn with_rules() -> Setup {
    let mut setup = Setup::default();
    setup.family.push_str(RULES);
    setup
}

fn as_they_are(cases: &[Case]) -> Vec<Vec<u8>> {
    cases.iter().map(|case| case.request.clone()).collect()
}

/// What each framework reads in each request.
async fn ask_all(servers: &[Server], requests: Vec<Vec<u8>>) -> Vec<Vec<Reading>> {
    let asked = servers.iter().map(|server| server.ask_each(&requests));
    let mut all: Vec<Vec<Reading>> = requests.iter().map(|_| Vec::new()).collect();
    for readings in futures_util::future::join_all(asked).await {
        all.iter_mut().zip(readings).for_each(|(all, new)| all.extend(new));
    }
    all
}

/// Sends all of them through one door, a connection to each host.
async fn through_the_door(world: &World, cases: &[Case]) -> Vec<Passed> {
    let mut passed = Vec::new();
    let hosts: std::collections::BTreeSet<_> = cases.iter().map(|case| case.host).collect();
    for host in hosts {
        let mut client: Option<Client> = None;
        let mut through = Vec::new();
        for (index, case) in cases.iter().enumerate().filter(|(_, case)| case.host == host) {
            let mut open = match client.take() {
                Some(open) => open,
                None => world.family.connect().await.tunnel(&format!("{host}:443")).await,
            };
            open.send(&case.request).await;
            let answer = open.answer().await;
            let over = answer.as_ref().is_none_or(|answer| answer.header("connection").is_some_and(|it| it == "close"));
            if answer.is_some_and(|answer| answer.status == 200) {
                through.push(index);
            }
            client = (!over).then_some(open);
        }
        let received: Vec<_> = world.upstream(host).received().into_iter().filter(|one| one.complete).collect();
        assert_eq!(received.len(), through.len(), "{host}: what was answered and what arrived");
        passed.extend(through.into_iter().zip(received).map(|(case, received)| left(case, &received)));
    }
    passed
}

fn left(case: usize, received: &Received) -> Passed {
    let head = String::from_utf8_lossy(&received.head).into_owned();
    let mut line = head.split(' ');
    let (method, target) = (line.next().unwrap().to_owned(), line.next().unwrap());
    let path = percent_decode_str(target.split('?').next().unwrap()).collect();
    Passed { case, left: [&*received.head, &*received.body].concat(), method, path }
}

/// What a framework reads differently from the verdict.
fn fault(case: &Case, passed: &Passed, reading: &Reading) -> Option<String> {
    let wrong = if reading.method != passed.method {
        format!("method {}", reading.method)
    } else if reading.path != passed.path {
        format!("path {}", String::from_utf8_lossy(&reading.path))
    } else if case.succeeds(reading) {
        format!("{:?}", case.does)
    } else {
        return None;
    };
    Some(format!("{}: {} reads {wrong}", case.name, reading.framework))
}

impl Case {
    /// Whether a framework reads what the spelling intends.
    fn succeeds(&self, reading: &Reading) -> bool {
        let holds = |list: &serde_json::Value, name| list.get(name).is_some_and(|it| it.to_string().contains(ATTACKER));
        match self.does {
            Does::OtherMethod => !self.request.starts_with(format!("{} ", reading.method).as_bytes()),
            Does::OtherPath => corpus::resolved(&reading.path).is_none_or(|path| !path.starts_with("public/")),
            Does::ForeignKey(name) => holds(&reading.query, name) || holds(&reading.form, name),
            Does::Nothing => false,
        }
    }
}

fn names(readings: &[Vec<Reading>]) -> std::collections::BTreeSet<&str> {
    readings.iter().flatten().map(|reading| reading.framework.as_str()).collect()
}

/// The count is a result of this test, not a trace.
#[expect(clippy::print_stderr, reason = "what the test found, for who runs it")]
fn report(text: &str) {
    eprintln!("{text}");
}
