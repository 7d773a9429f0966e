//! A `[[chat]]` in a file under `tests/vectors`.

use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct Attack {
    id: String,
    #[serde(default)]
    chat: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// The result of each request, in order.
    pub(super) ends: Vec<String>,
    /// The log's records of it: exactly these, in order.
    pub(super) record: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) what: String,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) has: Vec<String>,
    #[serde(default)]
    pub(super) lacks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Step {
    Asks(Asks),
    Says(Says),
    /// On the machine.
    Command(Command),
    /// Seconds, on both clocks.
    Passes(u64),
    /// Seconds, on the clock that can be set.
    ClockJumps(i64),
    Happens(Event),
    /// An agent's reason for asking that this be allowed.
    AgentSays(String),
    /// The client of this request goes away.
    Leaves(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The daemon ends and starts again.
    Restarts,
    /// The group's policy is replaced.
    PolicyChanges,
}

/// A request that the owner is to be asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asks {
    pub(super) url: String,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) fields: Vec<String>,
    /// This many times, each with another body.
    #[serde(default = "once")]
    pub(super) times: usize,
    /// What its question contains, and must not.
    #[serde(default)]
    pub(super) shows: Vec<String>,
    #[serde(default)]
    pub(super) hides: Vec<String>,
}

/// A message in a chat.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Says {
    #[serde(default)]
    pub(super) text: String,
    #[serde(default = "owners_chat")]
    pub(super) chat: String,
    #[serde(default = "anna")]
    pub(super) by: String,
    /// A reply to the question with this number; 0: to another message.
    pub(super) reply: Option<usize>,
    /// The same for a reaction.
    pub(super) reacts: Option<usize>,
    #[serde(default)]
    pub(super) forwarded: bool,
    #[serde(default)]
    pub(super) edited: bool,
    /// In a chat of several people.
    #[serde(default)]
    pub(super) several: bool,
    /// What its sender is told; "" for nothing. Without it, the message is left to the agent.
    pub(super) told: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub(super) answer: String,
    pub(super) code: String,
    pub(super) told: String,
}

fn once() -> usize {
    1
}

fn owners_chat() -> String {
    "owner".to_owned()
}

fn anna() -> String {
    "anna".to_owned()
}

/// All cases, by attack and name.
pub(super) fn cases() -> Vec<(String, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let entries = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let files = entries(&root).into_iter().filter(|dir| dir.is_dir()).flat_map(|dir| entries(&dir));
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if text.contains("[[chat]]") {
            let attack: Attack = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let id = attack.id;
            cases.extend(attack.chat.into_iter().map(|case| (format!("{id} {}", case.name), case)));
        }
    }
    cases
}
