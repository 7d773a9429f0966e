//! `doorward skill check`: is a skill valid, and are groups' skills those that were accepted?

use std::process::ExitCode;

use super::super::policy::rules_of;
use super::super::show::{Styled, Tone};
use super::super::{Failure, change, show};
use super::{failed, installed};
use crate::home::Home;
use crate::skills::{self, Skill, Values};

pub(super) fn one(what: &str) -> Result<ExitCode, Failure> {
    let skill = Skill::find(what).map_err(failed)?;
    let examples: Values = skill.settings.iter().map(|one| (one.name.clone(), one.example.clone())).collect();
    let policy = skill.compiled(&examples).map_err(failed)?;
    let files = skill.tree.files().count();
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let found = format!(", {files}, {}; its tests hold", rules_of(&policy));
    show::line(Styled::from(&skill.name) + ": " + Tone::Good.of("OK") + found)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn all(home: &Home) -> Result<ExitCode, Failure> {
    let (mut seen, mut told) = (0, 0);
    for group in change::registered(home)? {
        for skill in installed(home, &group)? {
            seen += 1;
            let name = format!("{} of {group}: ", skill.name);
            match skills::state(home, &skill).told(&group, &skill) {
                None => show::line(Styled::from(name) + Tone::Good.of("OK") + ", as you accepted it")?,
                Some((found, fix)) => {
                    told += 1;
                    show::line(Styled::from(name) + Tone::Warning.of("CHANGED") + format!(": {found}\n  fix: {fix}"))?;
                }
            }
        }
    }
    if seen == 0 {
        show::line("No group has a skill. `doorward skill list` shows those that ship.")?;
    }
    Ok(if told == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
