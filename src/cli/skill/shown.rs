//! `doorward skill list` and `show`.

use std::process::ExitCode;

use policies::{GroupName, Policy};
use policy_file::summaries;
use serde_json::{Value, json};

use super::super::{Failure, change, refused, show};
use super::{failed, installed, not_installed, reach};
use crate::home::Home;
use crate::skills::{self, Accepted, Setting, Skill, State, Values};

pub(super) fn list(home: &Home, group: Option<&GroupName>, json: bool) -> Result<ExitCode, Failure> {
    let groups = match group {
        Some(group) => {
            change::known_group(home, group)?;
            vec![group.clone()]
        }
        None => change::registered(home)?,
    };
    let mut all = Vec::new();
    for group in groups {
        all.extend(installed(home, &group)?.into_iter().map(|skill| (group.clone(), skill)));
    }
    let ship: Vec<Skill> = if group.is_none() {
        skills::shipped_names().map(Skill::find).collect::<Result<_, _>>().map_err(failed)?
    } else {
        Vec::new()
    };
    if json {
        let of_groups: Vec<_> = all.iter().map(|(group, skill)| accepted_json(home, group, skill)).collect();
        let ship: Vec<_> =
            ship.iter().map(|skill| json!({ "name": skill.name, "description": skill.description })).collect();
        show::json(&json!({ "groups": of_groups, "ship": ship }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        show::line(group.map_or("No group has a skill.".to_owned(), |group| format!("{group} has no skill.")))?;
    } else {
        let rows: Vec<Vec<String>> = all.iter().map(|(group, skill)| row(home, group, skill)).collect();
        show::line(show::table(&["group", "skill", "as accepted", "from"], &rows))?;
    }
    if !ship.is_empty() {
        let rows: Vec<Vec<String>> =
            ship.iter().map(|skill| vec![skill.name.clone(), first(&skill.description)]).collect();
        show::line("\nThese ship with Doorward; `doorward skill show NAME` says what one asks for:")?;
        show::line(show::table(&["skill", "what it does"], &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(home: &Home, group: &GroupName, skill: &Accepted) -> Vec<String> {
    let state = match skills::state(home, skill) {
        State::Same => skill.at.clone(),
        State::Changed(_) => format!("{}; it has changed since", skill.at),
        State::Gone(_) => format!("{}; where it came from it is not any more", skill.at),
        State::Lost(_) => format!("{}; its files are lost", skill.at),
    };
    vec![group.to_string(), skill.name.clone(), state, skill.from.to_string()]
}

/// The first sentence.
fn first(description: &str) -> String {
    description.split_once(". ").map_or_else(|| description.to_owned(), |(first, _)| format!("{first}."))
}

pub(super) fn show(home: &Home, what: &str, group: Option<&GroupName>, json: bool) -> Result<ExitCode, Failure> {
    let Some(group) = group else {
        let skill = Skill::find(what).map_err(failed)?;
        let examples: Values = skill.settings.iter().map(|one| (one.name.clone(), one.example.clone())).collect();
        let policy = skill.compiled(&examples).map_err(failed)?;
        return match json {
            true => {
                show::json(&skill_json(&skill, &policy))?;
                Ok(ExitCode::SUCCESS)
            }
            false => words(home, &skill, &policy),
        };
    };
    change::known_group(home, group)?;
    let all = installed(home, group)?;
    let skill = all.iter().find(|one| one.name == what).ok_or_else(|| not_installed(what, group, &all))?;
    if json {
        show::json(&accepted_json(home, group, skill))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Accepted { name, from, hash, at, values, rules: _ } = skill;
    show::line(format!("Skill {name} of {group}, accepted {at}\nfrom {from}\ncontent {}", hash.short()))?;
    values.iter().try_for_each(|(name, value)| show::line(format!("{name} = {value}")))?;
    if let Some((found, fix)) = skills::state(home, skill).told(group, skill) {
        show::line(format!("\n{found}\nfix: {fix}"))?;
    }
    asks(home, &skill.alone().map_err(refused)?)
}

fn words(home: &Home, skill: &Skill, policy: &Policy) -> Result<ExitCode, Failure> {
    let Skill { name, description, settings, tree, .. } = skill;
    show::line(format!("Skill {name}: {description}"))?;
    for Setting { name, what, example, default, .. } in settings {
        let default = default.as_ref().map(|default| format!(" ({default} where you say nothing)")).unwrap_or_default();
        show::line(format!("\nIt wants to know {what}: --set {name}={example}{default}"))?;
    }
    asks(home, policy)?;
    let files: String =
        tree.files().map(|(path, text)| format!("\n  {path}  {}", desk::size::in_words(text.len() as u64))).collect();
    show::line(format!("\nFiles, content {}:{files}", skill.hash().short()))?;
    Ok(ExitCode::SUCCESS)
}

fn asks(home: &Home, policy: &Policy) -> Result<ExitCode, Failure> {
    let sentences: String = reach::sentences(home, policy).iter().map(|line| format!("\n  - {line}")).collect();
    show::line(format!("\nWhat it asks for:{sentences}"))?;
    Ok(ExitCode::SUCCESS)
}

fn skill_json(skill: &Skill, policy: &Policy) -> Value {
    let settings =
        skill.settings.iter().map(|one| json!({ "name": one.name, "what": one.what, "default": one.default }));
    json!({
        "name": skill.name, "description": skill.description, "hash": skill.hash().to_string(),
        "settings": settings.collect::<Vec<_>>(), "rules": summaries(policy),
        "files": skill.tree.files().map(|(path, _)| path).collect::<Vec<_>>(),
    })
}

fn accepted_json(home: &Home, group: &GroupName, skill: &Accepted) -> Value {
    let rules = skill.alone().map(|policy| summaries(&policy)).unwrap_or_default();
    let told = skills::state(home, skill).told(group, skill);
    json!({
        "group": group, "name": skill.name, "from": skill.from.to_string(), "hash": skill.hash.to_string(),
        "accepted": skill.at, "settings": skill.values, "rules": rules,
        "changed": told.as_ref().map(|(found, _)| found), "fix": told.as_ref().map(|(_, fix)| fix),
    })
}
