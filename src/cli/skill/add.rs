//! `doorward skill add`: the owner reads what a skill may reach, says yes, and it is the group's.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use policies::GroupName;

use super::super::show::Styled;
use super::super::{Failure, change, refused, show, times};
use super::{failed, reach, setting, values};
use crate::edit::Edit;
use crate::home::Home;
use crate::skills::{self, Accepted, Origin, Skill, Values};
use crate::store::now;

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// Its name, where it ships with Doorward, or the path of its folder
    skill: String,
    /// The group
    #[arg(long, value_parser = GroupName::parse)]
    group: GroupName,
    /// What it wants to know, such as the host of your own server
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Without asking
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(home: &Home, args: &AddArgs) -> Result<ExitCode, Failure> {
    let AddArgs { skill: what, group, settings, yes } = args;
    change::known_group(home, group)?;
    let skill = Skill::find(what).map_err(failed)?;
    let from = if what.contains('/') { Origin::Folder(whole(home, what)?) } else { Origin::Shipped };
    if let Some(other) = super::installed(home, group)?.into_iter().find(|one| one.name == skill.name) {
        return Err(there_already(group, &other, &from));
    }
    let values = skill.values(&values(settings)).map_err(failed)?;
    let accepted = accepted(&skill, from, values)?;
    // What cannot be added is not asked about; nobody else waits while somebody reads.
    Edit::skills(home, group).and_then(|edit| edit.accept(accepted.clone())?.check()).map_err(change::failed)?;
    show::line(described(home, group, &skill, &accepted)?)?;
    if !(*yes || show::is_interactive() && show::asks(&format!("Add {} to {group}?", skill.name))?) {
        let again = format!("`doorward skill add {what} --group {group} --yes` adds it");
        return Err(refused(anyhow!("nothing was changed; {again}")));
    }
    put(home, group, &skill, accepted)?;
    show::line(format!(
        "\n{group} has the skill {}. Its rules are in force; its files are there from the group's next sandbox on \
         (`doorward stop {group}` ends one that is open).",
        skill.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What is accepted of a skill, with these values.
pub(super) fn accepted(skill: &Skill, from: Origin, values: Values) -> Result<Accepted, Failure> {
    let rules = skill.rules(&values).map_err(failed)?.text;
    skill.compiled(&values).map_err(failed)?;
    let at = times::time(now(), &times::zone());
    Ok(Accepted { name: skill.name.clone(), from, hash: skill.hash(), at, values, rules })
}

/// Keeps the content that was shown, then puts its rules in force.
pub(super) fn put(home: &Home, group: &GroupName, skill: &Skill, accepted: Accepted) -> Result<(), Failure> {
    let edit = Edit::skills(home, group).map_err(change::failed)?;
    // While nobody else adds one: what another has kept and not yet named would be gone.
    skills::remove_unused(home);
    skills::keep(home, &skill.tree)
        .with_context(|| format!("cannot write into {}; nothing was changed", home.skills_dir().display()))?;
    edit.accept(accepted).and_then(Edit::write).map_err(change::failed)?;
    Ok(())
}

fn described(home: &Home, group: &GroupName, skill: &Skill, accepted: &Accepted) -> Result<Styled, Failure> {
    let policy = accepted.alone().map_err(refused)?;
    let files: Vec<_> = skill.tree.files().map(|(path, _)| path).collect();
    let sentences: String = reach::sentences(home, &policy).iter().map(|line| format!("\n  - {line}")).collect();
    Ok(format!(
        "Skill {}: {}\n\nIn {group}, beside what the group's own policy says:{sentences}\n  - What the group or base.toml \
         denies stays denied, and what they ask about is asked.\n\nIts files, {}, are read only for the agent: {}.",
        skill.name,
        skill.description,
        skill.hash().short(),
        files.join(", "),
    )
    .into())
}

/// The whole path of a folder, which no agent can write: what it says would be the agent's word.
fn whole(home: &Home, path: &str) -> Result<std::path::PathBuf, Failure> {
    let whole = std::fs::canonicalize(Path::new(path)).with_context(|| format!("cannot read {path}"))?;
    if whole.to_str().is_none() {
        return Err(refused(anyhow!("the path {} is no text; choose another folder", whole.display())));
    }
    if std::fs::canonicalize(home.data()).is_ok_and(|data| whole.starts_with(data)) {
        return Err(refused(anyhow!(
            "{} lies in Doorward's data folder, where agents write; look it through, and copy it elsewhere first",
            whole.display()
        )));
    }
    Ok(whole)
}

fn there_already(group: &GroupName, other: &Accepted, from: &Origin) -> Failure {
    let name = &other.name;
    let help = match other.from == *from {
        true => format!("`doorward skill update {name} --group {group}` takes it as it is by now"),
        false => format!(
            "that one is from {} and this one from {from}: `doorward skill remove {name} --group {group}` makes room, or give \
             yours another name",
            other.from
        ),
    };
    refused(anyhow!("{group} has a skill {name} already; {help}"))
}
