//! `doorward group`: registers chats as groups, lists and removes them.

mod remove;
mod set;

use std::process::ExitCode;

use anyhow::anyhow;
use policies::{Date, GroupName, Policy};

use super::{Failure, change, refused, show, stop, times, usage};
use crate::channels::terminal;
use crate::config::{self, Agent, Config, GroupSettings};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::registration::whatsapp as ids;
use crate::registration::{self, Registered};
use crate::store::{Group, NewGroup, Store};

/// The channels for a group's chat.
const CHANNELS: [&str; 2] = [terminal::CHANNEL, config::WHATSAPP];

/// Register, list and remove groups.
///
/// A group is a registered chat with its own folder, policy and container. Its policy
/// is a TOML file; as long as that names nothing, nothing can be reached.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward group add family
  doorward group list
  doorward group set family agent claude
  doorward group set family model opus
  doorward group set me main               this chat is the owner's own from now on
  doorward group reset family
  doorward group remove family
  doorward group remove family --everything")]
pub struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, clap::Subcommand)]
enum GroupCommand {
    /// Register a chat as a group, with a folder and a policy that allows nothing
    Add(AddArgs),
    /// List the groups
    List {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Begin anew: ends what runs for a group and drops its agent's session, so that the next
    /// message starts a fresh conversation. Its files stay, CLAUDE.md among them
    Reset {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
    },
    /// Change who answers in a group, and when
    Set(set::SetArgs),
    /// Forget a group and its messages; its folders and files stay
    Remove {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
        /// Delete all of it: folder, agent's memory and transcripts, what people sent, settings, policy
        #[arg(long)]
        everything: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Its name: lower-case letters, digits, - and _
    #[arg(value_parser = GroupName::parse)]
    name: GroupName,
    /// This is the owner's own chat, where the owner administers (there is one)
    #[arg(long)]
    main: bool,
    /// Who answers: `claude` is Claude Code, `shell` takes each message as a command and
    /// its output is the reply. Without a word: `shell` in the terminal, `claude` elsewhere
    #[arg(long, value_parser = Agent::NAMES)]
    agent: Option<String>,
    /// Where its messages come from
    #[arg(long, default_value = terminal::CHANNEL, value_parser = CHANNELS)]
    channel: String,
    /// The channel's id of the chat; the group's name where nothing is said. On WhatsApp: a
    /// phone number, `self`, or an id that `doorward whatsapp chats` shows
    #[arg(long, value_name = "ID")]
    chat: Option<String>,
}

pub(super) async fn run(home: &Home, args: GroupArgs) -> Result<ExitCode, Failure> {
    match args.command {
        GroupCommand::Add(args) => add(home, &args),
        GroupCommand::List { json } => list(home, json),
        GroupCommand::Reset { group } => reset(home, &group).await,
        GroupCommand::Set(args) => set::run(home, &args),
        GroupCommand::Remove { group, everything, yes } => remove::run(home, &group, everything, yes).await,
    }
}

/// The store of a home, created if it is missing.
pub(super) fn open_store(home: &Home) -> anyhow::Result<Store> {
    home.prepare()?;
    Ok(Store::open(&home.main_db())?)
}

/// Registers a group, and reports files of an earlier group of that name that are in force.
pub(super) fn register(home: &Home, store: &Store, new: &NewGroup<'_>, agent: &Agent) -> Result<Group, Failure> {
    let Registered { group, stayed } = registration::register(home, store, new, agent).map_err(refused)?;
    for path in stayed {
        show::aside(format!("{} was there already and is in force.", path.display()));
    }
    Ok(group)
}

fn add(home: &Home, args: &AddArgs) -> Result<ExitCode, Failure> {
    // An error in doorward.toml is reported by commands that need it.
    let config = Config::load(home).unwrap_or_default();
    let chat = chat(args, &config)?;
    let store = open_store(home)?;
    let moved = match store.main_group()? {
        Some(main) if args.main => takes_over(&main, &args.name)?,
        _ => false,
    };
    let new = NewGroup { name: &args.name, channel: &args.channel, chat: &chat, is_main: args.main && !moved };
    let agent = agent_of(args).map_err(|why| usage(anyhow!(why)))?;
    let policy_stays = home.policy_file(new.name).exists() || home.skills_file(new.name).exists();
    let mut group = register(home, &store, &new, &agent)?;
    if moved {
        group.is_main = store.set_main(&group.name)?;
    }
    if matches!(agent, Agent::Shell) && group.channel == config::WHATSAPP && ids::is_of_people(&group.chat) {
        show::aside(format!(
            "Its agent is the shell, which takes every message of this chat as a command. For an assistant: agent = \
             \"claude\" in {}",
            home.group_file(&group.name).display()
        ));
    }
    show::line(next_steps(home, &group, &agent, policy_stays))?;
    if store.main_group()?.is_none() {
        show::aside(no_main(&group.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Alarms must always reach somebody.
fn no_main(group: &GroupName) -> String {
    format!(
        "No group is the main group yet, so alarms and questions reach nobody. If {group} is your own chat: `doorward \
         group set {group} main`."
    )
}

/// The named chat, if messages from it can arrive.
fn chat(args: &AddArgs, config: &Config) -> Result<String, Failure> {
    let of_whatsapp = args.channel == config::WHATSAPP;
    match &args.chat {
        None if of_whatsapp => Err(usage(anyhow!(
            "name the chat with --chat: a phone number, `self`, or an id that `doorward whatsapp chats` shows"
        ))),
        None => Ok(args.name.to_string()),
        Some(chat) if of_whatsapp => match ids::check(chat, &config.channels.whatsapp) {
            Ok(()) => Ok(chat.clone()),
            Err(why) => Err(usage(anyhow!("--chat {chat:?}: {why}"))),
        },
        Some(chat) => Ok(chat.clone()),
    }
}

/// In a terminal a shell answers the owner; people want an assistant.
fn agent_of(args: &AddArgs) -> Result<Agent, String> {
    let usual = if args.channel == terminal::CHANNEL { "shell" } else { "claude" };
    Agent::parse(args.agent.as_deref().unwrap_or(usual))
}

/// Whether the new group is to become the main group instead of the present one.
fn takes_over(main: &Group, new: &GroupName) -> Result<bool, Failure> {
    let question = format!(
        "The main group is {}, a chat on {}. Make {new} the main group in its place? {} stays as an ordinary group.",
        main.name, main.channel, main.name
    );
    if !show::is_interactive() || main.name == *new {
        // The store's error says what to do.
        return Ok(false);
    }
    if show::asks(&question)? {
        Ok(true)
    } else {
        Err(refused(anyhow!("{} stays the main group; nothing was added", main.name)))
    }
}

fn next_steps(home: &Home, group: &Group, agent: &Agent, policy_stays: bool) -> String {
    let name = &group.name;
    let talk = match group.channel.as_str() {
        terminal::CHANNEL => format!("doorward chat --group {name}"),
        channel => format!("doorward up, then write in the chat on {channel}"),
    };
    let (folder, policy) = (home.group_dir(name), home.policy_file(name));
    let (reach, first) = match agent {
        _ if policy_stays => ("what its policy and its skills allow, whose files were there before", String::new()),
        Agent::Shell => ("nothing yet", String::new()),
        Agent::Claude { .. } | Agent::Opencode { .. } | Agent::Codex { .. } => (
            if matches!(agent, Agent::Codex { .. }) { "nothing yet but OpenAI" } else { "nothing yet but Claude" },
            format!(
                "\n  doorward image build {}   (once)\
                 \n  give it a key: docs/agents.md; `doorward doctor` says what is missing",
                agent.name()
            ),
        ),
        Agent::Acp { .. } => (
            "nothing yet",
            format!("\n  name its command and image in {}: docs/agents.md", home.group_file(name).display()),
        ),
    };
    format!(
        "Group {name} is there. Its agent works in {folder} and can reach {reach}.\nNext:{first}\n  \
         {talk}\n  doorward policy presets          (ready rules: `doorward policy use {name} PRESET`)\n  \
         doorward policy allow {name} URL --read   (or edit {policy})",
        folder = folder.display(),
        policy = policy.display(),
    )
}

fn list(home: &Home, json: bool) -> Result<ExitCode, Failure> {
    let groups = Store::open_existing(&home.main_db())?.map(|store| store.groups()).transpose()?.unwrap_or_default();
    if json {
        show::json(&groups.iter().map(|group| described(home, group)).collect::<Vec<_>>())?;
    } else if groups.is_empty() {
        show::line("There is no group yet. `doorward chat` makes the first one, `doorward group add NAME` another.")?;
    } else {
        let rows: Vec<Vec<String>> = groups.iter().map(|group| row(home, group)).collect();
        show::line(show::table(&["group", "main", "channel", "chat", "agent", "policy"], &rows))?;
        for group in &groups {
            if mode(home, group) == WRONG {
                show::aside(format!(
                    "The policy of {0} is wrong: `doorward policy check {0}` shows where.",
                    group.name
                ));
            }
            if agent(home, group) == WRONG {
                show::aside(format!("The settings of {} are wrong: `doorward doctor` says where.", group.name));
            }
        }
        if groups.iter().all(|group| !group.is_main) {
            show::aside(no_main(&groups[0].name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shown for a file that does not load.
const WRONG: &str = "?";

/// `?` if the group's file is wrong; `doorward doctor` explains it.
fn agent(home: &Home, group: &Group) -> &'static str {
    GroupSettings::load(home, &group.name).map_or(WRONG, |settings| settings.agent.name())
}

/// Whether its policy refuses what no rule names; `?` if the file is wrong.
fn mode(home: &Home, group: &Group) -> String {
    match PolicyFiles::compile(home, &group.name) {
        Ok(compiled) => match observed_until(home, &compiled.policy) {
            Some(last) => format!("OBSERVES until {last}"),
            None => "enforced".to_owned(),
        },
        Err(_) => WRONG.to_owned(),
    }
}

/// The last day on which a policy allows what no rule names, if it does now.
pub(super) fn observed_until(home: &Home, policy: &Policy) -> Option<Date> {
    policy.observe_until().filter(|last| times::clock(home).now().date() <= *last)
}

fn row(home: &Home, group: &Group) -> Vec<String> {
    let main = if group.is_main { "yes" } else { "" };
    let (agent, policy) = (agent(home, group).to_owned(), mode(home, group));
    vec![group.name.to_string(), main.to_owned(), group.channel.clone(), group.chat.clone(), agent, policy]
}

fn described(home: &Home, group: &Group) -> serde_json::Value {
    serde_json::json!({
        "name": group.name,
        "main": group.is_main,
        "channel": group.channel,
        "chat": group.chat,
        "agent": agent(home, group),
        "policy": mode(home, group),
        "created_at_ms": group.created_at,
        "folder": home.group_dir(&group.name),
        "policy": home.policy_file(&group.name),
        "settings": home.group_file(&group.name),
    })
}

async fn reset(home: &Home, name: &GroupName) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    if store.group(name)?.is_none() {
        return Err(change::no_group(name, &change::registered(home)?));
    }
    let had_session = store.set_session(name, None)?;
    stop::stop(home, name).await?;
    // A run that was ending may have stored its session again.
    store.set_session(name, None)?;
    let begins = match had_session {
        true => format!("The next message to {name} begins a new conversation."),
        false => format!("{name} had no conversation to go on with; the next message begins one."),
    };
    show::line(format!(
        "{begins}\nThese stay: its messages, its folder, what the agent noted in CLAUDE.md, and the transcripts of \
         earlier conversations in {}.",
        home.agent_home(name).display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
