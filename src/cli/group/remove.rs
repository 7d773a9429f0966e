//! `doorward group remove`: removes a group; with `--everything` nothing of it is left.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::super::{Failure, change, lock, show, stop, usage};
use super::open_store;
use crate::home::Home;
use crate::sandboxes::removal::remove_all;

pub(super) async fn run(home: &Home, name: &GroupName, everything: bool, yes: bool) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    let group = store.group(name)?;
    let (registered, is_main) = (group.is_some(), group.is_some_and(|group| group.is_main));
    let left = what_it_left(home, name);
    // What an earlier removal left can still be deleted.
    if !registered && (!everything || left.is_empty()) {
        return Err(change::no_group(name, &change::registered(home)?));
    }
    if !yes && !confirmed(name, everything, is_main, &left)? {
        show::line("Nothing was removed.")?;
        return Ok(ExitCode::from(1));
    }
    // First removed, then stopped: nothing can start it in between.
    store.remove_group(name)?;
    stop::stop(home, name).await?;
    store.clear_access_requests(Some(name))?;
    // It contains messages, too. It may not exist.
    let _ = std::fs::remove_file(home.chat_history(name));
    if !everything {
        show::line(format!("Group {name} is forgotten, with its messages."))?;
        tell_what_it_was(home, name, is_main);
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
        tell_what_it_was(home, name, is_main);
        return Ok(ExitCode::SUCCESS);
    }
    tell_what_it_was(home, name, is_main);
    Err(anyhow!(
        "group {name} is forgotten, but these could not be deleted (files of its sandbox's user may need root):{}",
        listed(&kept)
    )
    .into())
}

/// Reports what reached its owner through it, and what would affect a new group of its name.
fn tell_what_it_was(home: &Home, name: &GroupName, was_main: bool) {
    if was_main {
        let others = change::registered(home).is_ok_and(|groups| !groups.is_empty());
        let way = match others {
            true => "`doorward group set NAME main` makes one of the others the main group",
            false => "`doorward group add NAME --main` makes one",
        };
        show::aside(format!("No group is the main group now, so alarms and questions reach nobody: {way}."));
    }
    if lock::left_locked(home, name) {
        show::aside(format!(
            "It was locked, and a new group of its name would be locked from the start: `doorward unlock {name}` ends that."
        ));
    }
}

/// Everything of a group besides its messages, as far as it exists.
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

fn delete(path: &Path) -> io::Result<()> {
    match remove_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        gone => gone,
    }
}

fn confirmed(name: &GroupName, everything: bool, is_main: bool, left: &[(PathBuf, String)]) -> Result<bool, Failure> {
    if !show::is_interactive() {
        return Err(usage(anyhow!("nobody is here to ask; say it with --yes: `doorward group remove {name} --yes`")));
    }
    let main = match is_main {
        true => format!("{name} is the main group: without one, alarms and questions reach nobody. "),
        false => String::new(),
    };
    let question = match everything {
        true => {
            format!("{main}Forget the group {name} and all its messages, and delete this for good?{}\n", listed(left))
        }
        false => format!("{main}Forget the group {name} and all its messages? Its folders and files stay."),
    };
    Ok(show::asks(&question)?)
}
