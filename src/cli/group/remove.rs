//! `doorward group remove`: forgets a group; with `--everything` nothing of it is left.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use policies::GroupName;

use super::super::{Failure, change, show, stop, usage};
use super::open_store;
use crate::home::Home;

/// Runs the command.
pub(super) async fn run(home: &Home, name: &GroupName, everything: bool, yes: bool) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    let registered = store.group(name)?.is_some();
    let is_main = store.main_group()?.is_some_and(|main| main.name == *name);
    let left = what_it_left(home, name);
    // What an earlier removal has left can still be deleted.
    if !registered && (!everything || left.is_empty()) {
        return Err(change::no_group(name, &change::registered(home)?));
    }
    if !yes && !confirmed(name, is_main, everything, &left)? {
        show::line("Nothing was removed.")?;
        return Ok(ExitCode::from(1));
    }
    // First forgotten, then stopped: nothing can start it in between.
    store.remove_group(name)?;
    stop::stop(home, name).await?;
    store.clear_access_requests(Some(name))?;
    // Messages, too; there may be none.
    let _ = std::fs::remove_file(home.chat_history(name));
    if is_main {
        show::aside(
            "It was the main group: alarms and questions reach nobody now. `doorward group set GROUP main` makes another the \
             main one.",
        );
    }
    if !everything {
        show::line(format!("Group {name} is forgotten, with its messages."))?;
        if !left.is_empty() {
            show::line(format!(
                "These stay; `doorward group remove {name} --everything` deletes them too:{}",
                listed(&left)
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut kept = Vec::new();
    for (path, what) in &left {
        if let Err(error) = delete(path) {
            kept.push((path.clone(), format!("{what}: {error}")));
        }
    }
    if kept.is_empty() {
        show::line(format!("Group {name} is gone: its messages and these:{}", listed(&left)))?;
        show::aside("The audit log keeps what went through its doors; it is never changed.");
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!(
        "group {name} is forgotten, but these could not be deleted (files of its sandbox's user may need root):{}",
        listed(&kept)
    )
    .into())
}

/// All that is a group's beside its messages, as far as it is there.
fn what_it_left(home: &Home, name: &GroupName) -> Vec<(PathBuf, String)> {
    let previous = |path: PathBuf| PathBuf::from(format!("{}.previous", path.display()));
    let all = [
        (home.group_dir(name), "the folder it works in"),
        (home.agent_home(name), "the agent's home: memory, transcripts of conversations"),
        (home.inbox(name), "what people sent"),
        (home.received_dir(name), "files that it sent to the terminal"),
        (home.set_aside_dir().join(name.as_str()), "hosts that get no credential any more"),
        (home.group_file(name), "its settings"),
        (previous(home.group_file(name)), "the settings before"),
        (home.policy_file(name), "its policy"),
        (previous(home.policy_file(name)), "the policy before"),
        (home.skills_file(name), "its skills"),
        (previous(home.skills_file(name)), "the skills before"),
    ];
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    all.into_iter().filter(|(path, _)| is_there(path)).map(|(path, what)| (path, what.to_owned())).collect()
}

fn listed(all: &[(PathBuf, String)]) -> String {
    all.iter().map(|(path, what)| format!("\n  {}\n      {what}", path.display())).collect()
}

fn delete(path: &Path) -> anyhow::Result<()> {
    let found = path.symlink_metadata().context("it cannot be looked at")?;
    let gone = if found.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match gone {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        gone => Ok(gone?),
    }
}

fn confirmed(name: &GroupName, is_main: bool, everything: bool, left: &[(PathBuf, String)]) -> Result<bool, Failure> {
    if !show::is_interactive() {
        return Err(usage(anyhow!("nobody is here to ask; say it with --yes: `doorward group remove {name} --yes`")));
    }
    let main = if is_main { "It is the main group: alarms and questions reach nobody without it. " } else { "" };
    let question = match everything {
        true => {
            format!("{main}Forget the group {name} and all its messages, and delete this for good?{}\n", listed(left))
        }
        false => format!("{main}Forget the group {name} and all its messages? Its folders and files stay."),
    };
    Ok(show::asks(&question)?)
}
