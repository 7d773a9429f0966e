//! A group's agents, parsed from its file.

use std::collections::BTreeMap;
use std::ops::Range;

use desk::toml::TableKeys;

use super::super::keys::{self, names};
use super::super::{Agent, values};
use super::{Block, all, section};

/// The settings of an agent besides its name.
const BESIDE: [&str; 3] = ["model", "endpoint", "command"];

pub(super) const MODELS: TableKeys = TableKeys { header: "[models]", keys: &names(&keys::OF_GROUP_MODELS) };

/// The file's models, servers and commands, for whichever agent.
struct Beside {
    endpoint: Option<String>,
    command: Vec<String>,
    /// By agent name.
    models: BTreeMap<&'static str, (Range<usize>, String)>,
}

/// Parses the agent and its successors; settings that none of them uses are problems.
pub(super) fn agents(file: &mut Block<'_, '_>) -> (Agent, Vec<Agent>) {
    let mut all = named(file);
    let mut beside = beside(file, all[0].name());
    for agent in &mut all {
        equip(agent, &mut beside);
    }
    for key in BESIDE.into_iter().filter(|key| !all.iter().any(|agent| uses(agent).contains(key))) {
        useless(file, key, &all[0]);
    }
    for (name, (span, _)) in beside.models {
        let help = Some("name it in `agents`, or leave this out".to_owned());
        file.reader.problem(span, format!("{name} does not answer here"), help);
    }
    all.iter().for_each(|agent| whole(file, agent));
    (all.remove(0), all)
}

/// `agent`, or `agents` in order; at least one.
fn named(file: &mut Block<'_, '_>) -> Vec<Agent> {
    let one = file.read("agent", Agent::parse);
    let words = file.strings("agents");
    if file.has("agent") && file.has("agents") {
        let help = Some("leave one of the two out".to_owned());
        file.reader.problem(file.span_of("agents"), "`agent` says who answers already", help);
        return vec![one.unwrap_or_default()];
    }
    let several = words.len() > 1;
    let mut all: Vec<Agent> = Vec::new();
    for word in words {
        let span = word.0.clone();
        let Some(agent) = file.meaning(word, Agent::parse) else { continue };
        let why = match &agent {
            Agent::Shell if several => Some("the shell stands in for nobody, and nobody for it".to_owned()),
            agent if all.iter().any(|other| other.name() == agent.name()) => Some(format!("{agent} is there twice")),
            _ => None,
        };
        match why {
            Some(why) => file.reader.problem(span, why, Some("leave it out".to_owned())),
            None => all.push(agent),
        }
    }
    if all.is_empty() { vec![one.unwrap_or_default()] } else { all }
}

fn beside(file: &mut Block<'_, '_>, first: &'static str) -> Beside {
    let mut models = section(file, "models", &MODELS, |block| {
        let said = |name: &'static str| {
            let span = block.span_of(name);
            block.read(name, values::word).map(|model| (name, (span, model)))
        };
        keys::OF_GROUP_MODELS.map(|key| key.name).into_iter().filter_map(said).collect::<BTreeMap<_, _>>()
    });
    let span = file.span_of("model");
    if let Some(model) = file.read("model", values::word)
        && models.insert(first, (span.clone(), model)).is_some()
    {
        file.reader.problem(span, format!("[models] names the model of {first} as well"), None);
    }
    let command = file.strings("command");
    Beside { models, endpoint: file.read("endpoint", values::endpoint), command: all(file, command, values::argument) }
}

/// Which of [`BESIDE`] an agent uses.
fn uses(agent: &Agent) -> &'static [&'static str] {
    match agent {
        Agent::Shell => &[],
        Agent::Claude { .. } | Agent::Codex { .. } => &["model"],
        Agent::Opencode { .. } => &["model", "endpoint"],
        Agent::Acp { .. } => &["model", "command"],
    }
}

fn equip(agent: &mut Agent, beside: &mut Beside) {
    let said = beside.models.remove(agent.name()).map(|(_, model)| model);
    match agent {
        Agent::Shell => {}
        Agent::Claude { model } | Agent::Codex { model } => *model = said,
        Agent::Opencode { model, endpoint } => (*model, *endpoint) = (said, beside.endpoint.clone()),
        Agent::Acp { command, model } => (*command, *model) = (beside.command.clone(), said),
    }
}

fn useless(file: &mut Block<'_, '_>, key: &str, agent: &Agent) {
    if !file.has(key) {
        return;
    }
    let (why, help) = match (key, agent) {
        ("model", Agent::Shell) => ("the shell has no model".to_owned(), "say agent = \"claude\" as well"),
        ("command", Agent::Shell) => ("the shell has no command of its own".to_owned(), "say agent = \"acp\" as well"),
        ("command", agent) => {
            (format!("{agent} has a command of its own"), "say agent = \"acp\" for a program of yours")
        }
        (_, agent) => (format!("{agent} has no {key}"), "say agent = \"opencode\" for a model of yours"),
    };
    file.reader.problem(file.span_of(key), &why, Some(format!("{help}, or leave this out")));
}

/// Reports missing settings.
fn whole(file: &mut Block<'_, '_>, agent: &Agent) {
    let has_image = file.has("image");
    let key = |wanted: &'static str| {
        if file.has(wanted) {
            wanted
        } else {
            ["agents", "models"].into_iter().find(|key| file.has(key)).unwrap_or("agent")
        }
    };
    let (of_agent, of_model) = (key("agent"), if file.has("model") { "model" } else { key("models") });
    let mut problem = |key, why: &str, help: &str| {
        let span = file.span_of(key);
        file.reader.problem(span, why, Some(help.to_owned()));
    };
    match agent {
        Agent::Opencode { model: None, endpoint: Some(_) } => {
            problem(
                "endpoint",
                "an endpoint needs `model`, as its server names it",
                "say for example model = \"llama3.2\"",
            );
        }
        Agent::Opencode { model: Some(model), endpoint: None } if !model.contains('/') => {
            problem(of_model, "opencode names models PROVIDER/MODEL", "say for example \"anthropic/claude-sonnet-5\"");
        }
        Agent::Acp { command, .. } if command.is_empty() => {
            problem(
                of_agent,
                "the agent acp needs `command`, with which it is started",
                "say for example command = [\"goose\", \"acp\"]",
            );
        }
        Agent::Acp { .. } if !has_image => {
            problem(
                of_agent,
                "the agent acp needs `image`, which has its command",
                "docs/agents.md shows how to make one",
            );
        }
        _ => {}
    }
}
