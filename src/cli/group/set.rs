//! `doorward group set`: which agent answers in a group, and when.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;
use toml_edit::{Array, Value};

use super::super::change::{self, failed, finish};
use super::super::{Failure, refused, show, usage};
use super::open_store;
use crate::config::keys::{OF_GROUP, OF_GROUP_LIMITS};
use crate::edit::Edit;
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;

/// The only setting that is in no file.
const MAIN: (&str, &str) = ("main", "this group is the owner's own chat from now on");

/// The keys that can be set, with descriptions.
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
    /// To what; of a list, each
    #[arg(conflicts_with = "default")]
    value: Vec<String>,
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

pub(super) fn run(home: &Home, args: &SetArgs) -> Result<ExitCode, Failure> {
    let SetArgs { group, key, value, default, dry_run } = args;
    let groups = change::registered(home)?;
    if !groups.contains(group) {
        return Err(change::no_group(group, &groups));
    }
    if key == MAIN.0 {
        return set_main(home, group, value.first().map(String::as_str), *dry_run || *default);
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
    let (edit, meaning) = match &value[..] {
        [] if *default => (edit.unset(key).map_err(failed)?, format!("{key} of {group} is as usual.")),
        [] => return Err(usage(anyhow!("say to what: `doorward group set {group} {key} VALUE`, or --default"))),
        said => {
            let value = value_of(key, said)?;
            let meaning = format!("{key} of {group} is {}.", said.join(" "));
            (edit.set(key, value).map_err(failed)?, meaning)
        }
    };
    // A model belongs to its agent: another agent has another one, and the shell none.
    let gone: &[&str] = match key.as_str() {
        "agent" => &["agents", "model", "endpoint", "command"],
        "agents" => &["agent", "model", "endpoint"],
        _ => &[],
    };
    let edit = gone.iter().try_fold(edit, |edit, key| edit.unset(key)).map_err(failed)?;
    let done = finish(edit, *dry_run, &format!("{meaning} It counts when its next sandbox starts."))?;
    show::aside(format!("`doorward stop {group}` ends what runs now, so that the next message starts with it."));
    let preset = match value.first().map(String::as_str) {
        Some("claude" | "opencode") => Some("claude"),
        Some("codex") => Some("codex"),
        _ => None,
    };
    if let Some(preset) = preset.filter(|_| key == "agent" && !thinks(home, group)) {
        show::aside(format!("It may not reach a model yet: doorward policy use {group} {preset}"));
    }
    Ok(done)
}

/// A list is a TOML array, or the given words; a number is a number, anything else a string.
fn value_of(key: &str, said: &[String]) -> Result<Value, Failure> {
    let is_list = OF_GROUP.iter().any(|known| known.name == key && known.value.starts_with('['));
    let one = match said {
        _ if is_list => {
            let toml = said.join(" ").parse::<Value>().ok().filter(Value::is_array);
            return Ok(toml.unwrap_or_else(|| Value::Array(said.iter().collect::<Array>())));
        }
        [one] => one,
        _ => return Err(usage(anyhow!("{key} is one value; several words stand in quotation marks"))),
    };
    if let Ok(whole) = one.parse::<i64>() {
        return Ok(whole.into());
    }
    let number = one.parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(number.map_or_else(|| one.as_str().into(), Value::from))
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
