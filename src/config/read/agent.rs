//! Who answers in a group, read from its file.

use super::super::{Agent, values};
use super::{Block, all};

/// What is said of an agent beside its name.
const BESIDE: [&str; 3] = ["model", "endpoint", "command"];

/// Reads it; what the agent has no use for is a problem.
pub(super) fn agent(file: &mut Block<'_, '_>) -> Agent {
    let mut agent = file.read("agent", Agent::parse).unwrap_or_default();
    let said_model = file.read("model", values::word);
    let said_endpoint = file.read("endpoint", values::endpoint);
    let said_command = file.strings("command");
    let said_command = all(file, said_command, values::argument);
    let used: &[&str] = match &mut agent {
        Agent::Shell => &[],
        Agent::Claude { model } => {
            *model = said_model;
            &["model"]
        }
        Agent::Opencode { model, endpoint } => {
            (*model, *endpoint) = (said_model, said_endpoint);
            &["model", "endpoint"]
        }
        Agent::Acp { command, model } => {
            (*command, *model) = (said_command, said_model);
            &["model", "command"]
        }
    };
    for key in BESIDE.into_iter().filter(|key| !used.contains(key)) {
        useless(file, key, &agent);
    }
    whole(file, &agent);
    agent
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

/// What is missing.
fn whole(file: &mut Block<'_, '_>, agent: &Agent) {
    let has_image = file.has("image");
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
            problem("model", "opencode names models PROVIDER/MODEL", "say for example \"anthropic/claude-sonnet-5\"");
        }
        Agent::Acp { command, .. } if command.is_empty() => {
            problem(
                "agent",
                "the agent acp needs `command`, with which it is started",
                "say for example command = [\"goose\", \"acp\"]",
            );
        }
        Agent::Acp { .. } if !has_image => {
            problem(
                "agent",
                "the agent acp needs `image`, which has its command",
                "docs/agents.md shows how to make one",
            );
        }
        _ => {}
    }
}
