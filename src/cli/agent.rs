//! `doorward agent`: sets a group's agent, with everything that it needs.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use containers::Engine;
use policies::{Facts, GroupName, Host, Scheme};
use toml_edit::{Array, Value};

use super::change::{self, failed, finish};
use super::{Failure, environment, image, progress, reach, refused, show, usage};
use crate::agents;
use crate::config::{Agent, Config, GroupSettings};
use crate::control::client::ClientError;
use crate::control::protocol::{Answer, Request};
use crate::edit::{Edit, Rule};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;

/// Say who answers in a group: agent, model, image, what it may reach, key, and a first question.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward agent set family claude
  doorward agent set family opencode --model mistral/mistral-large-latest
  doorward agent set home opencode --model qwen3 --endpoint http://nas:11434/v1
  doorward agent set family claude codex   Codex answers where Claude is overloaded or out of credit")]
pub(super) struct AgentArgs {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AgentCommand {
    /// Change who answers, and see to everything that this needs
    Set(SetArgs),
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// Who answers; those that follow stand in for the first
    #[arg(required = true, value_name = "AGENT", value_parser = PossibleValuesParser::new(Agent::NAMES))]
    agents: Vec<String>,
    /// The first one's model; for opencode PROVIDER/MODEL
    #[arg(long)]
    model: Option<String>,
    /// The address of a server of yours that has opencode's model, `/v1` included
    #[arg(long, requires = "model")]
    endpoint: Option<String>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Ask no first question
    #[arg(long)]
    no_question: bool,
}

pub(super) async fn run(home: &Home, args: AgentArgs) -> Result<ExitCode, Failure> {
    let AgentCommand::Set(args) = args.command;
    let groups = change::registered(home)?;
    if !groups.contains(&args.group) {
        return Err(change::no_group(&args.group, &groups));
    }
    write(home, &args)?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let settings = GroupSettings::load(home, &args.group).map_err(refused)?;
    let config = Config::load(home)?;
    costs(&config, &settings)?;
    keys(home, &args.group, &config, &settings)?;
    if settings.agents().all(|agent| *agent == Agent::Shell) {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = Engine::connect(config.engine.host.as_deref()).await.map_err(environment)?;
    for program in settings.agents().filter_map(agents::program) {
        image::ensure(home, &engine, program.name).await?;
    }
    match args.no_question {
        true => Ok(ExitCode::SUCCESS),
        false => ask(home, &args.group).await,
    }
}

/// Writes the group's file, and adds to its policy what is missing.
fn write(home: &Home, args: &SetArgs) -> Result<(), Failure> {
    let SetArgs { group, agents, model, endpoint, dry_run, .. } = args;
    let edit = Edit::group(home, group).map_err(failed)?;
    // A key that is set keeps its place.
    let stays = |key: &str| match key {
        "agent" => agents.len() == 1,
        "agents" => agents.len() > 1,
        "model" => model.is_some(),
        "endpoint" => endpoint.is_some(),
        _ => false,
    };
    let mut absent = ["agent", "agents", "model", "endpoint", "command"].into_iter().filter(|key| !stays(key));
    let edit = absent.try_fold(edit, |edit, key| edit.unset(key)).map_err(failed)?;
    let edit = match &agents[..] {
        [one] => edit.set("agent", one.as_str()),
        several => edit.set("agents", Value::Array(several.iter().collect::<Array>())),
    };
    let said = [("model", model), ("endpoint", endpoint)].into_iter();
    let said = said.filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let edit = said.fold(edit, |edit, (key, value)| edit.and_then(|edit| edit.set(key, value))).map_err(failed)?;
    let who = agents.join(", and in its place ");
    finish(edit, *dry_run, &format!("{who} answers in {group}. It counts when its next sandbox starts."))?;
    let mut edit = Edit::policy(home, group).map_err(failed)?;
    let before = PolicyFiles::compile(home, group).ok();
    for agent in agents {
        let preset = match (agent.as_str(), endpoint) {
            ("opencode", Some(endpoint)) => {
                edit = at_home(edit, endpoint)?;
                continue;
            }
            (agent, _) => preset(agent, if *agent == *agents[0] { model.as_deref() } else { None })?,
        };
        let thinks = |compiled: &policy_file::Compiled| agent == "opencode" && model.is_none() && thinks(compiled);
        if let Some(preset) = preset.filter(|_| !before.as_ref().is_some_and(thinks)) {
            edit = edit.use_preset(preset).map_err(failed)?;
        }
    }
    if edit.changes() {
        finish(edit, *dry_run, &format!("{group} may reach the model."))?;
    }
    Ok(())
}

fn thinks(compiled: &policy_file::Compiled) -> bool {
    compiled.policy.rules().allows.iter().any(|rule| rule.model)
}

/// The preset through which an agent reaches its model.
fn preset(agent: &str, model: Option<&str>) -> Result<Option<&'static str>, Failure> {
    let provider = model.and_then(|model| model.split_once('/')).map(|(provider, _)| provider);
    Ok(match (agent, provider) {
        ("codex", _) => Some("codex"),
        ("claude", _) | ("opencode", None | Some("anthropic")) => Some("claude"),
        ("opencode", Some("openai")) => Some("openai"),
        ("opencode", Some("google")) => Some("gemini"),
        ("opencode", Some("mistral")) => Some("mistral"),
        ("opencode", Some("openrouter")) => Some("openrouter"),
        ("opencode", Some(other)) => {
            return Err(usage(anyhow!(
                "no preset is known for the models of {other}; known are anthropic, openai, google, mistral and openrouter. \
                 For another, write a rule with `model = true` and set the model with `doorward group set`"
            )));
        }
        _ => None,
    })
}

/// A rule for a model at home, which may be at this address only.
fn at_home(edit: Edit<crate::edit::OfPolicy>, endpoint: &str) -> Result<Edit<crate::edit::OfPolicy>, Failure> {
    let asked = format!("{}/chat/completions", endpoint.trim_end_matches('/'));
    let facts = Facts::parse("POST", &asked).map_err(|error| usage(anyhow!("--endpoint: {error}")))?;
    let host = facts.authority.host.to_string();
    if edit.text().contains(&format!("host = \"{host}\"")) {
        return Ok(edit);
    }
    let rule = Rule::of(&host).scheme(facts.scheme).port(facts.authority.port);
    let rule = rule.requests(&[format!("POST {}", facts.path.as_str())]).with("model", true);
    let rule = match &facts.authority.host {
        Host::Ip(address) if address.is_loopback() => {
            let why = "in a sandbox this is the sandbox itself; name the address of the machine that has the model";
            return Err(usage(anyhow!("--endpoint: {why}")));
        }
        Host::Ip(address) => {
            let network = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
            rule.with("private", [network.as_str()].into_iter().collect::<Array>())
        }
        Host::Name(_) => rule,
    };
    let is_plain = facts.scheme == Scheme::Http;
    if is_plain {
        show::aside("This server is asked without TLS: whoever listens on the way reads along.");
    }
    edit.add_allow(&rule.note(&change::note("doorward agent set"))).map_err(failed)
}

/// What a million tokens cost, if known.
fn costs(config: &Config, settings: &GroupSettings) -> Result<(), Failure> {
    let prices = config.prices.with_shipped();
    for agent in settings.agents() {
        let (Agent::Claude { model } | Agent::Codex { model } | Agent::Opencode { model, endpoint: None }) = agent
        else {
            continue;
        };
        let Some(model) = model else { continue };
        let name = model.rsplit('/').next().unwrap_or(model);
        let dollars = |millionths: u64| {
            let cents = millionths / 10_000;
            format!("${}.{:02}", cents / 100, cents % 100)
        };
        show::line(match prices.of(name) {
            Some(price) => format!(
                "{model}: {} for a million tokens that it reads, {} for a million that it writes.",
                dollars(price.input),
                dollars(price.output)
            ),
            None => format!("{model}: what it costs is not known here; [prices] in doorward.toml can say it."),
        })?;
    }
    Ok(())
}

/// Checks that each agent has what it needs to think; fails with what is missing.
fn keys(home: &Home, group: &GroupName, config: &Config, settings: &GroupSettings) -> Result<(), Failure> {
    let compiled = PolicyFiles::compile(home, group).map_err(refused)?;
    for agent in settings.agents() {
        if let Err(missing) = agents::check_key(group, agent, &compiled.policy, config) {
            let next = missing.remedy(config);
            return Err(refused(anyhow!("written, but {missing}\nNext: {next}")));
        }
    }
    Ok(())
}

/// Asks a first question, in a sandbox of its own.
async fn ask(home: &Home, group: &GroupName) -> Result<ExitCode, Failure> {
    let mut reached = reach::daemon(home).await?;
    let client = reached.client().await?;
    let request = Request::TryAgent { group: group.to_string() };
    let answer = progress::while_waiting("asking it a first question", client.ask(&request)).await;
    reached.leave().await;
    match answer? {
        (Answer::AgentTried { answer }, _) => {
            show::line(format!("It answers: {}", desk::screen::quotation(answer.trim(), 300)))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(ClientError::Unexpected.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_model_says_by_which_preset_it_is_reached() {
        let of = |agent, model| preset(agent, model).ok().flatten();
        for (agent, model, wanted) in [
            ("claude", Some("opus"), Some("claude")),
            ("codex", None, Some("codex")),
            ("opencode", None, Some("claude")),
            ("opencode", Some("mistral/mistral-large-latest"), Some("mistral")),
            ("opencode", Some("openrouter/z-ai/glm-5"), Some("openrouter")),
            ("opencode", Some("google/gemini-3.1-pro-preview"), Some("gemini")),
            ("shell", None, None),
        ] {
            assert_eq!(of(agent, model), wanted, "{agent} {model:?}");
            assert!(wanted.is_none_or(|preset| policy_file::presets::get(preset).is_some()));
        }
        assert!(preset("opencode", Some("nobody/model")).is_err());
    }

    #[test]
    fn a_model_at_home_gets_a_rule_that_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let group = GroupName::parse("family").unwrap();
        let edit = Edit::policy(&home, &group).unwrap();
        let edit = at_home(edit, "http://192.168.1.20:11434/v1").unwrap();
        edit.write().unwrap();
        let policy = PolicyFiles::compile(&home, &group).unwrap().policy;
        let facts = Facts::parse("POST", "http://192.168.1.20:11434/v1/chat/completions").unwrap();
        let policies::Verdict::Allow(permit) = policy.at(policies::Moment::FAR).decide(facts) else {
            panic!("refused")
        };
        assert!(permit.model() && permit.check_address("192.168.1.20:11434".parse().unwrap()).is_ok());
    }
}
