//! `doorward skill add`: the owner reads what a skill may reach, says yes, and the group has it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use policies::GroupName;

use super::super::show::Styled;
use super::super::{Failure, change, refused, show, times};
use super::{failed, reach, setting, values};
use crate::config::Config;
use crate::edit::Edit;
use crate::home::Home;
use crate::sandboxes::mounts;
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
    // Impossible additions fail before the question; the lock is not held while somebody reads.
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

/// The accepted form of a skill, with these values.
pub(super) fn accepted(skill: &Skill, from: Origin, values: Values) -> Result<Accepted, Failure> {
    let rules = skill.rules(&values).map_err(failed)?.text;
    skill.compiled(&values).map_err(failed)?;
    let at = times::time(now(), &times::zone());
    Ok(Accepted { name: skill.name.clone(), from, hash: skill.hash(), at, values, rules })
}

/// Stores the content that was shown, then puts its rules in force.
pub(super) fn put(home: &Home, group: &GroupName, skill: &Skill, accepted: Accepted) -> Result<(), Failure> {
    let edit = Edit::skills(home, group).map_err(change::failed)?;
    // Under the edit lock: otherwise content that another command has stored but not named yet would be removed.
    skills::remove_unused(home);
    skills::keep(home, &skill.tree)
        .with_context(|| format!("cannot write into {}; nothing was changed", home.skills_dir().display()))?;
    edit.accept(accepted).and_then(Edit::write).map_err(change::failed)?;
    Ok(())
}

fn described(home: &Home, group: &GroupName, skill: &Skill, accepted: &Accepted) -> Result<Styled, Failure> {
    let policy = accepted.alone().map_err(refused)?;
    let files: Vec<_> = skill.tree.files().map(|(path, _)| path).collect();
    let sentences = reach::sentences(home, &policy).into_iter().chain(reach::words(&policy));
    let sentences: String = sentences.map(|line| format!("\n  - {line}")).collect();
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

/// The absolute path of a folder that no agent can write: otherwise its content would be the agent's word.
fn whole(home: &Home, path: &str) -> Result<PathBuf, Failure> {
    let whole = std::fs::canonicalize(Path::new(path)).with_context(|| format!("cannot read {path}"))?;
    if whole.to_str().is_none() {
        return Err(refused(anyhow!("the path {} is no text; choose another folder", whole.display())));
    }
    match agents_write(home, &whole)? {
        Some(why) => {
            let path = whole.display();
            Err(refused(anyhow!("{path} {why}, where agents write; look it through, and copy it elsewhere first")))
        }
        None => Ok(whole),
    }
}

/// How an agent may write into a folder or its content; `None` if none can.
pub(super) fn agents_write(home: &Home, folder: &Path) -> Result<Option<String>, Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    if folder.starts_with(real(home.data())) {
        return Ok(Some("lies in Doorward's data folder".to_owned()));
    }
    let mounts = Config::load(home).map_err(refused)?.mounts;
    let roots = mounts::writable(home, &mounts).map_err(|why| refused(anyhow!(why)))?;
    let touches = |root: &PathBuf| folder.starts_with(real(root)) || real(root).starts_with(&folder);
    let found = roots.iter().find(|root| touches(root));
    Ok(found.map(|root| format!("lies in what groups may mount to write, {}, or holds it", root.display())))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What one group's agent can write is no other group's skill.
    #[test]
    fn no_skill_comes_from_where_agents_write() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("home")).unwrap();
        home.prepare().unwrap();
        let (work, own) = (dir.path().join("top/work"), dir.path().join("own/sky"));
        for folder in [&work.join("sky"), &own, &home.data().join("sky")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let mounts = format!("[mounts]\nread = [{:?}]\nwrite = [{work:?}]\n", dir.path().join("own"));
        std::fs::write(home.config_file(), mounts).unwrap();
        std::os::unix::fs::symlink(work.join("sky"), dir.path().join("link")).unwrap();
        for (folder, written) in [
            (home.data().join("sky"), true),
            (work.join("sky"), true),
            (work.clone(), true),
            (dir.path().join("top"), true),
            (dir.path().join("link"), true),
            (own, false),
        ] {
            assert_eq!(agents_write(&home, &folder).unwrap_or_default().is_some(), written, "{}", folder.display());
            assert_eq!(whole(&home, folder.to_str().unwrap()).is_err(), written, "{}", folder.display());
        }
    }
}
