//! `doorward skill`: a group's skills and what they may reach. Needs no daemon.

mod add;
mod check;
mod reach;
mod shown;
mod update;

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::{Failure, change, refused, show};
use crate::edit::Edit;
use crate::home::Home;
use crate::skills::{self, Accepted, SkillError, Values};

/// Give a group a skill: instructions and scripts for its agent, with what they may reach.
///
/// You read what a skill asks for before it is added. Its rules stand beside the group's own file, which no skill
/// changes, and are called skill:NAME wherever a rule is named. docs/skills.md says how to write one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward skill list                      those that ship, and those of your groups
  doorward skill show weather              what it does and what it asks for
  doorward skill add weather --group family
  doorward skill add calendar --group family --set home=/dav/calendars/me
  doorward skill add ./mine --group family  a folder of yours
  doorward skill check ./mine              is it right, do its tests hold?
  doorward skill update --group family     take what has changed; more than before wants a yes
  doorward skill remove weather --group family

Exit codes: 0 done; 1 refused, or `check` found something.")]
pub struct SkillArgs {
    #[command(subcommand)]
    command: SkillCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SkillCommand {
    /// Add a skill to a group, once you have read what it may reach
    Add(add::AddArgs),
    /// List the skills of groups, and those that ship
    List {
        /// One group's alone
        #[arg(long, value_parser = GroupName::parse)]
        group: Option<GroupName>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Show what a skill does, what it asks for and what is in it
    Show {
        /// Its name, or the path of its folder
        skill: String,
        /// As it was accepted for this group
        #[arg(long, value_parser = GroupName::parse)]
        group: Option<GroupName>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Take a skill away from a group: its rules end at once
    Remove {
        /// Its name
        skill: String,
        /// The group
        #[arg(long, value_parser = GroupName::parse)]
        group: GroupName,
    },
    /// Check a skill, or whether those of your groups are what you accepted
    Check {
        /// Its name, or the path of its folder; all that your groups have where nothing is said
        skill: Option<String>,
    },
    /// Take a skill as it is by now; one that asks for more than you accepted waits for a yes
    Update(update::UpdateArgs),
}

pub(super) fn run(home: &Home, args: SkillArgs) -> Result<ExitCode, Failure> {
    match args.command {
        SkillCommand::Add(args) => add::run(home, &args),
        SkillCommand::List { group, json } => shown::list(home, group.as_ref(), json),
        SkillCommand::Show { skill, group, json } => shown::show(home, &skill, group.as_ref(), json),
        SkillCommand::Remove { skill, group } => remove(home, &skill, &group),
        SkillCommand::Check { skill: Some(skill) } => check::one(&skill),
        SkillCommand::Check { skill: None } => check::all(home),
        SkillCommand::Update(args) => update::run(home, &args),
    }
}

fn remove(home: &Home, skill: &str, group: &GroupName) -> Result<ExitCode, Failure> {
    change::known_group(home, group)?;
    let edit = Edit::skills(home, group).map_err(change::failed)?;
    let installed = edit.installed().map_err(change::failed)?;
    if !installed.iter().any(|one| one.name == skill) {
        return Err(not_installed(skill, group, &installed));
    }
    // As in `add::put`; contents removed now go with the next cleanup.
    skills::remove_unused(home);
    edit.remove_skill(skill).and_then(Edit::write).map_err(change::failed)?;
    show::line(format!(
        "{group} does without {skill}: its rules have ended. A sandbox that is open sees its files until it ends."
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A setting: `server=cloud.example.org`.
fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

fn values(said: &[(String, String)]) -> Values {
    said.iter().cloned().collect()
}

fn installed(home: &Home, group: &GroupName) -> Result<Vec<Accepted>, Failure> {
    skills::read(home, group).map_err(anyhow::Error::new)?.map_err(refused)
}

fn not_installed(skill: &str, group: &GroupName, installed: &[Accepted]) -> Failure {
    let help = match desk::did_you_mean(skill, installed.iter().map(|one| one.name.as_str())) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("`doorward skill list --group {group}` shows those it has"),
    };
    refused(anyhow!("{group} has no skill {skill}; {help}"))
}

/// An invalid skill, with its lines.
fn failed(error: SkillError) -> Failure {
    match error {
        SkillError::Wrong(problems) => {
            refused(anyhow!("the skill is wrong:\n{}", show::report_on(&problems, show::Screen::PIPE).plain()))
        }
        error => refused(error),
    }
}
