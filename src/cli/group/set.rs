//! `doorward group set`: who answers in a group, and when.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::super::change::{self, failed, finish};
use super::super::{Failure, refused, show, usage};
use super::open_store;
use crate::config::keys::{OF_GROUP, OF_GROUP_LIMITS};
use crate::edit::{Edit, OfGroup};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;

/// The one thing that no file says.
const MAIN: (&str, &str) = ("main", "this group is the owner's own chat from now on");

/// What can be set, with what it is.
fn keys() -> impl Iterator<Item = (&'static str, String)> {
    let of_file = OF_GROUP.iter().chain(&OF_GROUP_LIMITS);
    let of_file = of_file.map(|key| (key.name, format!("{}: {}", key.value, key.meaning.replace('`', ""))));
    of_file.chain([(MAIN.0, MAIN.1.to_owned())])
}

/// What `set` is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct SetArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// What to set
    key: String,
    /// To what
    #[arg(conflicts_with = "default")]
    value: Option<String>,
    /// Back to what holds where nothing is said
    #[arg(long)]
    default: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn help() -> String {
    let keys: Vec<_> = keys().map(|(key, what)| format!("  {key:<11} {what}")).collect();
    format!("What can be set:\n{}", keys.join("\n"))
}

/// Runs the command.
pub(super) fn run(home: &Home, args: &SetArgs) -> Result<ExitCode, Failure> {
    let SetArgs { group, key, value, default, dry_run } = args;
    let groups = change::registered(home)?;
    if !groups.contains(group) {
        return Err(change::no_group(group, &groups));
    }
    if key == MAIN.0 {
        return set_main(home, group, value.as_deref(), *dry_run || *default);
    }
    let known: Vec<_> = keys().map(|(known, _)| known).collect();
    if !known.contains(&key.as_str()) {
        let help = match desk::did_you_mean(key, known.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("known here: {}", known.join(", ")),
        };
        return Err(usage(anyhow!("a group has no {key}; {help}")));
    }
    let edit = Edit::group(home, group).map_err(failed)?;
    let (edit, meaning) = match value {
        Some(value) => (set(edit, key, value).map_err(failed)?, format!("{key} of {group} is {value}.")),
        None if *default => (edit.unset(key).map_err(failed)?, format!("{key} of {group} is as usual.")),
        None => return Err(usage(anyhow!("say to what: `doorward group set {group} {key} VALUE`, or --default"))),
    };
    // A model is its agent's: another one has another, and the shell none.
    let edit = match key.as_str() {
        "agent" => {
            ["agents", "model", "endpoint"].into_iter().try_fold(edit, |edit, key| edit.unset(key)).map_err(failed)?
        }
        _ => edit,
    };
    let done = finish(edit, *dry_run, &format!("{meaning} It counts when its next sandbox starts."))?;
    show::aside(format!("`doorward stop {group}` ends what runs now, so that the next message starts with it."));
    let preset = match value.as_deref() {
        Some("claude" | "opencode") => Some("claude"),
        Some("codex") => Some("codex"),
        _ => None,
    };
    if let Some(preset) = preset.filter(|_| key == "agent" && !thinks(home, group)) {
        show::aside(format!("It may not reach a model yet: doorward policy use {group} {preset}"));
    }
    Ok(done)
}

/// A number is one; all else is a text.
fn set(edit: Edit<OfGroup>, key: &str, value: &str) -> Result<Edit<OfGroup>, crate::edit::EditError> {
    if let Ok(whole) = value.parse::<i64>() {
        return edit.set(key, whole);
    }
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => edit.set(key, number),
        _ => edit.set(key, value),
    }
}

fn thinks(home: &Home, group: &GroupName) -> bool {
    let compiled = PolicyFiles::compile(home, group);
    compiled.is_ok_and(|compiled| compiled.policy.rules().allows.iter().any(|rule| rule.model))
}

fn set_main(home: &Home, group: &GroupName, value: Option<&str>, dry_run: bool) -> Result<ExitCode, Failure> {
    if value.is_some_and(|value| !matches!(value, "yes" | "true")) {
        return Err(usage(anyhow!("to make another group the main one: `doorward group set OTHER main`")));
    }
    let store = open_store(home)?;
    let main = store.main_group()?;
    let before = main.as_ref().map(|main| main.name.to_string());
    if before.as_deref() == Some(group.as_str()) {
        show::line(format!("{group} is the main group already."))?;
        return Ok(ExitCode::SUCCESS);
    }
    let meaning = match &before {
        Some(before) => {
            format!("{group} is the main group, and {before} is not any more: alarms and questions go to {group}.")
        }
        None => format!("{group} is the main group: alarms and questions go there."),
    };
    if dry_run {
        show::line(format!("With this, {meaning}\nNothing was written (--dry-run)."))?;
        return Ok(ExitCode::SUCCESS);
    }
    match store.set_main(group)? {
        true => show::line(meaning)?,
        false => return Err(refused(anyhow!("there is no group {group} any more"))),
    }
    Ok(ExitCode::SUCCESS)
}
