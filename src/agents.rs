//! What an agent needs: an image, a way to start it, access to its model and a key for it. Whatever is missing is
//! reported before a sandbox starts, and by `doorward doctor`.

use std::collections::BTreeMap;
use std::sync::Arc;

use containers::images::{self, AgentProgram};
use containers::protocol::{self, Program};
use policies::{Facts, GroupName, Policy};

use crate::config::{self, Agent, Config};
use started::{codex, opencode};

mod started;

/// The variables in which Claude Code looks for an API key or a subscription's token.
const VARIABLES: [&str; 3] = ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"];

/// Whether a request is the agent asking its model: one of the two that the preset `claude` allows. Whether it can
/// have other effects is for its rule to say (`Permit::asks_model`).
pub fn is_model_call(host: &str, path: &str) -> bool {
    host == "api.anthropic.com" && matches!(path, "/v1/messages" | "/v1/messages/count_tokens")
}

/// Why a group's agent would hold no key for its model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// Its policy names no credential for it.
    #[error(
        "the agent of group {0} is Claude Code, but its policy gives it no way to Claude: put use = [\"claude\"] into \
         policies/{0}.toml"
    )]
    Policy(GroupName),
    /// The credential it names is missing, or is exposed in none of the expected variables.
    #[error(
        "the agent of group {0} is Claude Code, but its sandbox would hold no key: doorward.toml needs the credential \
         [credentials.{1}] with env = \"ANTHROPIC_API_KEY\" (an API key) or env = \"CLAUDE_CODE_OAUTH_TOKEN\" (a \
         subscription); docs/agents.md shows both"
    )]
    Credential(GroupName, String),
    /// Its policy allows no model.
    #[error(
        "the agent of group {0} is opencode, but its policy gives it no way to a model: put use = [\"claude\"] (or openai, \
         openrouter, gemini, mistral) into policies/{0}.toml"
    )]
    Model(GroupName),
    /// Its policy does not allow OpenAI.
    #[error(
        "the agent of group {0} is Codex, but its policy gives it no way to OpenAI: put use = [\"codex\"] into \
         policies/{0}.toml"
    )]
    Codex(GroupName),
    /// Codex looks for its key in one variable.
    #[error(
        "the agent of group {0} is Codex, but its sandbox would hold no key: doorward.toml needs the credential \
         [credentials.{1}] with env = \"OPENAI_API_KEY\"; `doorward credential add openai` writes it"
    )]
    OfCodex(GroupName, String),
    /// Its model's credential is missing, or is exposed in no variable.
    #[error(
        "the agent of group {0} is opencode, but its sandbox would hold no key for a model: doorward.toml needs the \
         credential [credentials.{1}] with `env`; `doorward credential add {1}` writes it"
    )]
    OfModel(GroupName, String),
    /// Its model's server is not allowed.
    #[error(
        "the agent of group {0} is opencode with the model at {1}, but its policy does not let it go there; see \
         `doorward policy explain {0} POST {1}/chat/completions`"
    )]
    Endpoint(GroupName, String),
}

impl NoKey {
    /// The command that adds what is missing, or what to do by hand.
    pub fn remedy(&self, config: &Config) -> String {
        match self {
            NoKey::Policy(group) | NoKey::Model(group) => format!("doorward policy use {group} claude"),
            NoKey::Codex(group) => format!("doorward policy use {group} codex"),
            NoKey::Credential(_, name) | NoKey::OfCodex(_, name) | NoKey::OfModel(_, name) => {
                match config.credentials.contains_key(name.as_str()) {
                    true => format!("correct `env` under [credentials.{name}] in doorward.toml"),
                    false => format!("doorward credential add {name}"),
                }
            }
            NoKey::Endpoint(group, endpoint) => {
                format!("doorward policy allow {group} POST {endpoint}/chat/completions")
            }
        }
    }
}

/// Which of its group's agents runs in a sandbox, and which would take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its index in the group's list of agents, from 0.
    pub at: usize,
    /// Its name for people.
    pub name: String,
    /// The name of the next one, if there is one.
    pub next: Option<String>,
}

/// The program of an agent for which Doorward ships an image.
pub fn program(agent: &Agent) -> Option<&'static AgentProgram> {
    match agent {
        Agent::Shell | Agent::Acp { .. } => None,
        Agent::Claude { .. } | Agent::Opencode { .. } | Agent::Codex { .. } => AgentProgram::named(agent.name()),
    }
}

/// The image of a group's sandboxes when its file names none.
pub fn image(agent: &Agent, engine: &config::Engine) -> String {
    match program(agent) {
        Some(program) => images::agent_tag(program),
        None => engine.image.clone().unwrap_or_else(images::base_tag),
    }
}

/// An agent as the guest starts it, with the session to resume.
pub fn driven(agent: &Agent, resume: Option<String>) -> protocol::Agent {
    match agent {
        Agent::Shell => protocol::Agent::Shell,
        Agent::Claude { model } => protocol::Agent::Claude { model: model.clone(), resume },
        Agent::Opencode { model, endpoint } => protocol::Agent::Acp {
            program: opencode(model.as_deref(), endpoint.as_deref()),
            // Its settings name the model, and it reads them first.
            model: None,
            resume,
        },
        // Its arguments name the model.
        Agent::Codex { model } => protocol::Agent::Acp { program: codex(model.as_deref()), model: None, resume },
        Agent::Acp { command, model } => {
            let name = command.first().map(|command| command.rsplit('/').next().unwrap_or(command).replace(':', "-"));
            let program = Program {
                name: name.unwrap_or_default(),
                command: command.clone(),
                environment: BTreeMap::new(),
                sealed: Vec::new(),
            };
            protocol::Agent::Acp { program, model: model.clone(), resume }
        }
    }
}

/// Whether a sandbox under this policy would hold a key for its agent.
pub fn check_key(group: &GroupName, agent: &Agent, policy: &Policy, config: &Config) -> Result<(), NoKey> {
    match agent {
        Agent::Claude { .. } => claude_key(group, policy, config),
        Agent::Codex { .. } => codex_key(group, policy, config),
        Agent::Opencode { endpoint: None, model } => model_key(group, model.as_deref(), policy, config),
        Agent::Opencode { endpoint: Some(endpoint), .. } => reaches(group, policy, endpoint),
        // What the owner's own program needs, only the owner knows.
        Agent::Shell | Agent::Acp { .. } => Ok(()),
    }
}

fn claude_key(group: &GroupName, policy: &Policy, config: &Config) -> Result<(), NoKey> {
    let wanted = policy.credentials();
    let Some(first) = wanted.iter().find(|name| ***name == *"anthropic").or(wanted.first()) else {
        return Err(NoKey::Policy(group.clone()));
    };
    let shows_key = |name: &&Arc<str>| variable(config, name).is_some_and(|env| VARIABLES.contains(&env));
    if wanted.iter().any(|name| shows_key(&name)) {
        Ok(())
    } else {
        Err(NoKey::Credential(group.clone(), first.to_string()))
    }
}

/// OpenAI's Responses API, with the key in the variable where Codex looks.
fn codex_key(group: &GroupName, policy: &Policy, config: &Config) -> Result<(), NoKey> {
    let asked = Facts::parse("POST", started::RESPONSES);
    let host = asked.map(|facts| facts.authority.host.to_string()).unwrap_or_default();
    let thinks = policy.rules().allows.iter().filter(|rule| rule.model && rule.host.to_string() == host);
    let wanted: Vec<&Arc<str>> = thinks.filter_map(|rule| rule.credential.as_ref()).collect();
    let Some(first) = wanted.first() else { return Err(NoKey::Codex(group.clone())) };
    match wanted.iter().any(|name| variable(config, name) == Some(started::CODEX_KEY)) {
        true => Ok(()),
        false => Err(NoKey::OfCodex(group.clone(), first.to_string())),
    }
}

/// The hosts of opencode's providers, where a preset allows them.
const PROVIDERS: [(&str, &str); 5] = [
    ("anthropic", "api.anthropic.com"),
    ("google", "generativelanguage.googleapis.com"),
    ("mistral", "api.mistral.ai"),
    ("openai", "api.openai.com"),
    ("openrouter", "openrouter.ai"),
];

/// The named model, or any, with whichever key.
fn model_key(group: &GroupName, model: Option<&str>, policy: &Policy, config: &Config) -> Result<(), NoKey> {
    let provider = model.and_then(|model| model.split_once('/')).map(|(provider, _)| provider);
    let host = PROVIDERS.iter().find(|(name, _)| Some(*name) == provider).map(|(_, host)| *host);
    let leads_there = |rule: &policies::AllowRule| host.is_none_or(|host| rule.host.to_string() == host);
    let thinks = policy.rules().allows.iter().filter(|rule| rule.model && leads_there(rule));
    let wanted: Vec<&Arc<str>> = thinks.filter_map(|rule| rule.credential.as_ref()).collect();
    let Some(first) = wanted.first() else { return Err(NoKey::Model(group.clone())) };
    match wanted.iter().any(|name| variable(config, name).is_some()) {
        true => Ok(()),
        false => Err(NoKey::OfModel(group.clone(), first.to_string())),
    }
}

fn reaches(group: &GroupName, policy: &Policy, endpoint: &str) -> Result<(), NoKey> {
    let asked = Facts::parse("POST", &format!("{endpoint}/chat/completions"));
    let named = asked.is_ok_and(|facts| {
        let host = facts.authority.host.to_string();
        // A pattern may cover it; the door will decide.
        policy.rules().allows.iter().any(|rule| !rule.host.is_exact() || rule.host.to_string() == host)
    });
    if named { Ok(()) } else { Err(NoKey::Endpoint(group.clone(), endpoint.to_owned())) }
}

fn variable<'c>(config: &'c Config, name: &Arc<str>) -> Option<&'c str> {
    config.credentials.get(name)?.env.as_deref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use policy_file::Source;

    use super::*;

    const KEY: &str = "[credentials.anthropic]\nsecret = \"env:X\"\nhosts = [\"api.anthropic.com\"]\n\
                       place = [\"header:x-api-key\"]\n";

    fn check(agent: &Agent, policy: &str, config: &str) -> Result<(), NoKey> {
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "policies/family.toml".to_owned(), text: policy.to_owned() };
        let policy = policy_file::compile(&group, &source, None).unwrap().policy;
        check_key(&group, agent, &policy, &Config::parse("doorward.toml", config, Path::new("/")).unwrap())
    }

    #[test]
    fn opencode_may_think_with_any_model_that_has_a_key_or_an_address() {
        let opencode = |endpoint: Option<&str>| Agent::Opencode { model: None, endpoint: endpoint.map(str::to_owned) };
        let key = "[credentials.openai]\nsecret = \"env:X\"\nhosts = [\"api.openai.com\"]\n\
                   place = [\"header:authorization\"]\nenv = \"OPENAI_API_KEY\"";
        assert_eq!(check(&opencode(None), "use = [\"openai\"]", key), Ok(()));
        let mistral = Agent::Opencode { model: Some("mistral/mistral-large-latest".to_owned()), endpoint: None };
        let why = check(&mistral, "use = [\"openai\", \"mistral\"]", key).unwrap_err().to_string();
        assert!(why.contains("doorward credential add mistral"), "another's key is none: {why}");
        let nas = "[[allow]]\nhost = \"nas.example\"\nscheme = \"http\"\nports = [11434]\ndo = [\"POST /v1/**\"]\n";
        assert_eq!(check(&opencode(Some("http://nas.example:11434/v1")), nas, ""), Ok(()));
        for (endpoint, policy, config, wanted) in [
            (None, "", key, "use = [\"claude\"] (or openai"),
            (None, "use = [\"openai\"]", "", "doorward credential add openai"),
            (
                Some("http://nas.example:11434/v1"),
                "",
                "",
                "policy explain family POST http://nas.example:11434/v1/chat",
            ),
        ] {
            let why = check(&opencode(endpoint), policy, config).unwrap_err().to_string();
            assert!(why.contains(wanted), "{why}");
        }
    }

    #[test]
    fn codex_wants_openai_and_its_own_variable() {
        let codex = Agent::Codex { model: None };
        let key = |env: &str| {
            format!(
                "[credentials.openai]\nsecret = \"env:X\"\nhosts = [\"api.openai.com\"]\n\
                 place = [\"header:authorization\"]\nenv = \"{env}\""
            )
        };
        for preset in ["codex", "openai"] {
            assert_eq!(check(&codex, &format!("use = [{preset:?}]"), &key("OPENAI_API_KEY")), Ok(()));
        }
        for (policy, config, wanted) in [
            ("use = [\"claude\"]", key("OPENAI_API_KEY"), "use = [\"codex\"]"),
            ("use = [\"codex\"]", key("MY_KEY"), "env = \"OPENAI_API_KEY\""),
            ("use = [\"codex\"]", String::new(), "[credentials.openai]"),
        ] {
            let why = check(&codex, policy, &config).unwrap_err().to_string();
            assert!(why.contains(wanted), "{why}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let with_env = format!("{KEY}env = \"ANTHROPIC_API_KEY\"");
        let claude = Agent::Claude { model: None };
        assert_eq!(check(&claude, "use = [\"claude\"]", &with_env), Ok(()));
        for (policy, config, wanted) in [
            ("", with_env.as_str(), "use = [\"claude\"]"),
            ("use = [\"claude\"]", "", "[credentials.anthropic]"),
            ("use = [\"claude\"]", KEY, "env = \"ANTHROPIC_API_KEY\""),
        ] {
            let why = check(&claude, policy, config).unwrap_err().to_string();
            assert!(why.contains(wanted) && why.contains("family"), "{why}");
        }
    }
}
