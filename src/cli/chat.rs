//! `doorward chat`: the other end of the terminal channel.

mod conversation;
mod editor;
mod growing;
mod received;
mod terminal;

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::{Failure, change, group, reach, refused, show, up, usage};
use crate::channels::terminal::CHANNEL;
use crate::config::{Agent, GroupSettings};
use crate::home::Home;
use crate::store::{Group, NewGroup, Store};

use conversation::Conversation;

/// The longest message; its JSON line stays below the channel's limit even if every character takes six bytes.
const MESSAGE_LIMIT: usize = 160 << 10;

/// Talk to a group.
///
/// At a terminal: a prompt with history, until /quit or Ctrl-D; /help says more. Otherwise everything on stdin, to its end, is
/// one message, and the answer goes to stdout. What the door refused, why, and the lines
/// that would allow it are shown with the answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward chat
  doorward chat --group family --once 'date'
  echo 'curl -sS https://example.org/' | doorward chat --group family

Exit codes: 0 answered (also where the door refused something), 1 the run failed.")]
pub struct ChatArgs {
    /// The group; the main group where nothing is said
    #[arg(long, value_name = "GROUP", value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Send this one message, print the answer, leave
    #[arg(long, value_name = "TEXT")]
    once: Option<String>,
    /// One line of JSON for each message that comes back
    #[arg(long)]
    json: bool,
}

/// A chat with a group, at this terminal.
pub(super) async fn with(home: &Home, group: &GroupName) -> Result<ExitCode, Failure> {
    run(home, ChatArgs { group: Some(group.clone()), once: None, json: false }).await
}

pub(super) async fn run(home: &Home, args: ChatArgs) -> Result<ExitCode, Failure> {
    let message = one_message(&args)?;
    let store = group::open_store(home)?;
    let group = find_or_make(home, &store, args.group.as_ref())?;
    // An error in its file is reported when its sandbox fails to start.
    let agent = GroupSettings::load(home, &group.name).unwrap_or_default().agent.to_string();
    let mut reached = reach::daemon(home).await?;
    let talk = async {
        let mut conversation = Conversation::open(
            reached.client().await?,
            &group,
            home.received_dir(&group.name),
            args.json,
            message.is_none(),
        )
        .await?;
        match &message {
            Some(text) => conversation.once(text, &store, &group).await,
            None => terminal::talk(&mut conversation, &group, &agent, home.chat_history(&group.name)).await,
        }
    };
    let done = tokio::select! {
        done = talk => done,
        () = up::interrupted() => {
            if reached.stays() {
                show::aside(format!("\nWhat you sent goes on; `doorward stop {}` ends it.", group.name));
            }
            // As a shell reports a command ended by SIGINT.
            Ok(ExitCode::from(130))
        }
    };
    reached.leave().await;
    done
}

/// The message from `--once` or stdin; `None` at a terminal.
fn one_message(args: &ChatArgs) -> Result<Option<String>, Failure> {
    let text = match &args.once {
        Some(text) => text.clone(),
        None if std::io::stdin().is_terminal() => return Ok(None),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MESSAGE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
            String::from_utf8(bytes).map_err(|_| usage(anyhow!("the message on stdin is not UTF-8 text")))?
        }
    };
    if text.trim().is_empty() {
        return Err(usage(anyhow!("the message is empty")));
    }
    if text.len() > MESSAGE_LIMIT {
        return Err(usage(anyhow!(
            "the message is longer than {} KiB; put it into a file of the group",
            MESSAGE_LIMIT >> 10
        )));
    }
    Ok(Some(text.trim_end_matches('\n').to_owned()))
}

/// The group to talk to. The very first one is created.
fn find_or_make(home: &Home, store: &Store, wanted: Option<&GroupName>) -> Result<Group, Failure> {
    let groups = store.groups()?;
    let Some(name) = wanted else { return usual(home, store, groups) };
    let names: Vec<GroupName> = groups.iter().map(|group| group.name.clone()).collect();
    let group = groups.into_iter().find(|group| group.name == *name).ok_or_else(|| change::no_group(name, &names))?;
    if group.channel != CHANNEL {
        return Err(refused(anyhow!("the group {} is a chat on {}; write to it there", group.name, group.channel)));
    }
    Ok(group)
}

/// The default: the main group, or the terminal's group if the main group is elsewhere.
fn usual(home: &Home, store: &Store, groups: Vec<Group>) -> Result<Group, Failure> {
    let main = groups.iter().find(|group| group.is_main).cloned();
    if groups.is_empty() {
        return make(home, store, "main", &Agent::Shell, true);
    }
    let mut here: Vec<Group> = groups.into_iter().filter(|group| group.channel == CHANNEL).collect();
    if here.len() > 1 && !here[0].is_main {
        let names: Vec<String> = here.iter().map(|group| group.name.to_string()).collect();
        return Err(usage(anyhow!("which group? Say --group with one of: {}", names.join(", "))));
    }
    if let Some(main) = main.as_ref().filter(|main| main.channel != CHANNEL) {
        show::aside(format!(
            "The main group is {}, a chat on {}; this terminal has a group of its own.",
            main.name, main.channel
        ));
    }
    if here.is_empty() {
        let agent = main.map(|main| GroupSettings::load(home, &main.name).unwrap_or_default().agent);
        return make(home, store, "terminal", &agent.unwrap_or_default(), false);
    }
    Ok(here.remove(0))
}

fn make(home: &Home, store: &Store, name: &str, agent: &Agent, is_main: bool) -> Result<Group, Failure> {
    let name = GroupName::parse(name).map_err(|why| usage(anyhow!(why)))?;
    let new = NewGroup { name: &name, channel: CHANNEL, chat: name.as_str(), is_main };
    let policy = home.policy_file(&name);
    let reach = match agent {
        _ if policy.exists() => "what its policy file of before allows",
        Agent::Shell => "nothing yet",
        Agent::Claude { .. } | Agent::Opencode { .. } => "nothing yet but Claude",
        Agent::Codex { .. } => "nothing yet but OpenAI",
        Agent::Acp { .. } => "nothing yet",
    };
    let group = group::register(home, store, &new, agent)?;
    let what = if is_main { "your main one, " } else { "" };
    let agent = match agent {
        Agent::Shell => "a plain shell: what you write is a command, its output is the answer".to_owned(),
        Agent::Claude { .. } | Agent::Opencode { .. } | Agent::Codex { .. } | Agent::Acp { .. } => agent.to_string(),
    };
    show::aside(format!(
        "There was no group for this terminal yet, so Doorward made {what}`{name}`. Its agent is {agent}. It can reach \
         {reach}; {} says what it may.",
        policy.display(),
    ));
    Ok(group)
}
