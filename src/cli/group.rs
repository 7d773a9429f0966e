//! `doorward group`: registers chats as groups, lists and forgets them.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use policies::GroupName;

use super::{Failure, refused, show, stop, usage};
use crate::channels::terminal;
use crate::config;
use crate::home::{Home, create_private_dir};
use crate::store::{AddGroupError, Group, NewGroup, Store, StoreError};

/// The channels that a group's messages can come from.
const CHANNELS: [&str; 2] = [terminal::CHANNEL, config::WHATSAPP];

/// The agents that a group can have.
const AGENTS: [&str; 1] = ["shell"];

/// Register, list and remove groups.
///
/// A group is a registered chat with its own folder, policy and container. Its policy
/// is a TOML file; as long as that names nothing, nothing can be reached.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward group add family
  doorward group list
  doorward group remove family")]
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
    /// Forget a group and its messages; its folder and policy file stay
    Remove {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
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
    /// Who answers: `shell` takes each message as a command, its output is the reply
    #[arg(long, default_value = "shell", value_parser = AGENTS)]
    agent: String,
    /// Where its messages come from
    #[arg(long, default_value = terminal::CHANNEL, value_parser = CHANNELS)]
    channel: String,
    /// The channel's id of the chat; the group's name where nothing is said. On WhatsApp: a
    /// phone number, `self`, or an id that `doorward whatsapp chats` shows
    #[arg(long, value_name = "ID")]
    chat: Option<String>,
}

/// Runs the command.
pub(super) async fn run(home: &Home, args: GroupArgs) -> Result<ExitCode, Failure> {
    match args.command {
        GroupCommand::Add(args) => add(home, &args),
        GroupCommand::List { json } => list(home, json),
        GroupCommand::Remove { group, yes } => remove(home, &group, yes).await,
    }
}

/// The store of a home, made where it is missing.
pub(super) fn open_store(home: &Home) -> anyhow::Result<Store> {
    home.prepare()?;
    Ok(Store::open(&home.main_db())?)
}

/// Registers a group with its folder and a policy file that allows nothing.
pub(super) fn register(home: &Home, store: &Store, new: &NewGroup<'_>) -> anyhow::Result<Result<Group, AddGroupError>> {
    let group = match store.add_group(new) {
        Ok(group) => group,
        Err(error) => return Ok(Err(error)),
    };
    let made = create_private_dir(&home.group_dir(new.name))
        .map_err(anyhow::Error::from)
        .and_then(|()| write_example_policy(home, new.name));
    if let Err(error) = made {
        // Half a group would be worse than none.
        store.remove_group(new.name)?;
        return Err(error);
    }
    Ok(Ok(group))
}

fn add(home: &Home, args: &AddArgs) -> Result<ExitCode, Failure> {
    if args.channel == config::WHATSAPP && args.chat.is_none() {
        return Err(usage(anyhow!(
            "name the chat with --chat: a phone number, `self`, or an id that `doorward whatsapp chats` shows"
        )));
    }
    let store = open_store(home)?;
    let new = NewGroup {
        name: &args.name,
        channel: &args.channel,
        chat: args.chat.as_deref().unwrap_or(args.name.as_str()),
        agent: &args.agent,
        is_main: args.main,
    };
    let group = register(home, &store, &new)?.map_err(refused)?;
    let name = &group.name;
    show::line(&format!(
        "Group {name} is there. Its agent works in {folder} and can reach nothing yet.\n\
         Next:\n  doorward chat --group {name}\n  edit {policy}   (what it may reach; read again when you save it)",
        folder = home.group_dir(name).display(),
        policy = home.policy_file(name).display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn list(home: &Home, json: bool) -> Result<ExitCode, Failure> {
    let groups = if home.main_db().exists() { Store::open(&home.main_db())?.groups()? } else { Vec::new() };
    if json {
        show::json(&groups.iter().map(|group| described(home, group)).collect::<Vec<_>>())?;
    } else if groups.is_empty() {
        show::line("There is no group yet. `doorward chat` makes the first one, `doorward group add NAME` another.")?;
    } else {
        let rows: Vec<Vec<String>> = groups.iter().map(row).collect();
        show::line(&show::table(&["group", "main", "channel", "chat", "agent"], &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(group: &Group) -> Vec<String> {
    let main = if group.is_main { "yes" } else { "" };
    let chat = show::visible(&group.chat);
    vec![group.name.to_string(), main.to_owned(), group.channel.clone(), chat, group.agent.clone()]
}

fn described(home: &Home, group: &Group) -> serde_json::Value {
    serde_json::json!({
        "name": group.name,
        "main": group.is_main,
        "channel": group.channel,
        "chat": group.chat,
        "agent": group.agent,
        "created_at_ms": group.created_at,
        "folder": home.group_dir(&group.name),
        "policy": home.policy_file(&group.name),
    })
}

async fn remove(home: &Home, name: &GroupName, yes: bool) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    if store.group(name)?.is_none() {
        return Err(refused(StoreError::NoGroup(name.to_string())));
    }
    if !yes && !confirmed(name)? {
        show::line("Nothing was removed.")?;
        return Ok(ExitCode::from(1));
    }
    // First forgotten, then stopped: nothing can start it in between.
    store.remove_group(name)?;
    stop::stop(home, name).await?;
    show::line(&format!(
        "Group {name} is forgotten, with its messages. These stay, and are yours to delete:\n  {}\n  {}",
        home.group_dir(name).display(),
        home.policy_file(name).display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn confirmed(name: &GroupName) -> Result<bool, Failure> {
    if !show::is_interactive() {
        return Err(usage(anyhow!("nobody is here to ask; say `doorward group remove {name} --yes`")));
    }
    let mut out = std::io::stdout();
    write!(out, "Forget the group {name} and all its messages? Its folder stays. [y/N] ").and_then(|()| out.flush())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// An old file of the same name stays in force: its owner wrote it.
fn write_example_policy(home: &Home, name: &GroupName) -> anyhow::Result<()> {
    let path = home.policy_file(name);
    if path.exists() {
        show::aside(&format!("{} was there already and is in force.", path.display()));
        return Ok(());
    }
    std::fs::write(&path, example_policy(name)).with_context(|| format!("cannot write {}", path.display()))
}

fn example_policy(name: &GroupName) -> String {
    format!(
        "\
# What the group {name} may reach. It is read again whenever you save it.
# What no rule names is refused; this file names nothing yet.
#
# A preset that ships with Doorward:
# use = [\"git-read\"]
#
# [[allow]]
# host = \"example.org\"
# access = \"read\"                      # GET, HEAD, OPTIONS
#
# [[allow]]
# host = \"api.github.com\"
# do = [\"GET /repos/me/**\", \"POST /repos/me/notes/issues\"]
#
# [[deny]]                             # deny beats allow, wherever it stands
# host = \"api.github.com\"
# do = [\"* /gists/**\"]
# why = \"gists are an upload channel\"
#
# Try it:  doorward policy check {name}
#          doorward policy explain {name} GET https://example.org/
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use policies::{Policy, Source};

    use super::*;

    /// The example must say nothing as it stands, and be right once uncommented.
    #[test]
    fn the_example_policy_allows_nothing_and_is_correct() {
        let name = GroupName::parse("family").unwrap();
        let text = example_policy(&name);
        let compile = |text: String| {
            Policy::compile(&name, &Source { name: "policies/family.toml".into(), text }, None).map(|it| it.policy)
        };
        assert_eq!(compile(text.clone()).unwrap().rules().count(), 0);
        let code = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "));
        let uncommented = code.collect::<Vec<_>>().join("\n");
        assert!(compile(uncommented).unwrap().rules().count() >= 3);
    }
}
