//! The attacks through a sandbox's files in `tests/vectors`, as `[[file]]`: each comes through a real door as the guest
//! forwards it; the README there describes the format.

use std::path::Path;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Attack {
    id: String,
    #[serde(default)]
    file: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "family")]
    door: String,
    folder: String,
    text: String,
    status: u16,
    /// What the agent reads.
    #[serde(default)]
    says: Vec<String>,
    /// What neither the agent nor the log contains.
    #[serde(default)]
    lacks: Vec<String>,
    /// The texts that go to chats, each after the group's name.
    #[serde(default)]
    sent: Vec<String>,
    record: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    group: String,
    operation: String,
    /// Why it was refused; without it, it succeeded.
    code: Option<String>,
}

fn family() -> String {
    "family".to_owned()
}

/// `<<repeat 100 x>>`.
fn filled(text: &str) -> String {
    let mut pieces = text.split("<<repeat ");
    let mut filled = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (value, behind) = piece.split_once(">>").unwrap();
        let (times, what) = value.split_once(' ').unwrap();
        filled += &what.repeat(times.parse().unwrap());
        filled += behind;
    }
    filled
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/N");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let attack: Attack = toml::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let id = attack.id;
        cases.extend(attack.file.into_iter().map(|case| (format!("{id} {}", case.name), case)));
    }
    cases
}

async fn faults(case: &Case) -> Vec<String> {
    let house = House::new();
    let doors = [house.door("family"), house.door("main")];
    house.run("family", &doors[0]);
    house.run("main", &doors[1]);
    let heard =
        house.ask(&case.door, "POST", &format!("/ipc/{}", case.folder), "", filled(&case.text).as_bytes()).await;
    let mut faults = Vec::new();
    if heard.status != case.status || !case.says.iter().all(|says| heard.body.contains(says)) {
        faults.push(format!("{} {}", heard.status, heard.body));
    }
    let log: Vec<_> = house.log.entries(&Filter::default()).unwrap().iter().map(AuditEntry::to_json).collect();
    for lacks in &case.lacks {
        if heard.body.contains(lacks) || log.iter().any(|line| line.contains(lacks)) {
            faults.push(format!("{lacks:?} stands in the answer or in the log"));
        }
    }
    let sent: Vec<_> =
        house.queued().iter().map(|queued| format!("{}: {}", queued.group, queued.text.as_str())).collect();
    if sent != case.sent {
        faults.push(format!("sent {sent:?}"));
    }
    let records: Vec<_> = house
        .operations()
        .into_iter()
        .map(|entry| {
            let name = entry.decision.operation.as_ref().unwrap().name.clone();
            (entry.decision.group.clone(), name, entry.code().map(ToString::to_string))
        })
        .collect();
    let wanted: Vec<_> =
        case.record.iter().map(|one| (one.group.clone(), one.operation.clone(), one.code.clone())).collect();
    if records != wanted {
        faults.push(format!("the log has {records:?}"));
    }
    // The same group's next file succeeds, and the other group's.
    for name in ["family", "main"] {
        let own = json!({ "type": "message", "chatJid": name, "text": "afterwards" }).to_string();
        if house.ask(name, "POST", "/ipc/messages", "", own.as_bytes()).await.status != 200 {
            faults.push(format!("afterwards {name} is not served"));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_by_a_file_meets_its_answer() {
    let (cases, mut all) = (cases(), Vec::new());
    for (name, case) in &cases {
        all.extend(faults(case).await.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
    assert!(cases.len() >= 20, "cases are missing: {}", cases.len());
}
