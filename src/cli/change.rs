//! Common to commands that edit a file: the change is shown, written unless `--dry-run` is given, and explained in a
//! sentence.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::show::{Screen, Styled};
use super::{Failure, refused, show, times};
use crate::edit::{Edit, EditError, Kind};
use crate::home::Home;
use crate::store::{Store, now};

/// Shows the change, writes it, and says what it means.
pub(super) fn finish<Of: Kind>(edit: Edit<Of>, dry_run: bool, meaning: &str) -> Result<ExitCode, Failure> {
    let warnings = edit.check_what_is_new().map_err(failed)?;
    if !edit.changes() {
        show::line(format!("Nothing to change in {}: it says so already.", edit.path().display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    show::line(Styled::fixed(edit.difference().trim_end()))?;
    if !warnings.is_empty() {
        show::aside(show::report(&warnings));
    }
    if dry_run {
        show::line(format!("\nWith this, {meaning}\nNothing was written (--dry-run)."))?;
        return Ok(ExitCode::SUCCESS);
    }
    let written = edit.write().map_err(failed)?;
    show::line(format!("\nWritten: {meaning}"))?;
    if let Some(previous) = written.previous {
        show::aside(format!("The version before is kept as {}.", previous.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A refused edit, with the lines that it concerns.
pub(super) fn failed(error: EditError) -> Failure {
    match (&error, error.problems().map(|problems| show::report_on(problems, Screen::PIPE).plain())) {
        (EditError::WrongAlready { file, .. }, Some(lines)) => {
            refused(anyhow!("{file} is wrong as it stands; mend it first, nothing was changed:\n{lines}"))
        }
        (EditError::WouldBeWrong { file, .. }, Some(lines)) => {
            refused(anyhow!("{file} would not load with this, so nothing was changed:\n{lines}"))
        }
        _ => refused(error),
    }
}

/// Who wrote a rule, when and how: the comment above it.
pub(super) fn note(by: &str) -> String {
    format!("{}, by {by}", times::time(now(), &times::zone()))
}

/// Checks that a group is registered or has a policy; if not, suggests a similar name.
pub(super) fn known_group(home: &Home, name: &GroupName) -> Result<(), Failure> {
    if home.policy_file(name).exists() {
        return Ok(());
    }
    match registered(home) {
        // An error in asking is no reason to refuse.
        Err(_) => Ok(()),
        Ok(groups) if groups.contains(name) => Ok(()),
        Ok(groups) => Err(no_group(name, &groups)),
    }
}

/// Checks that a group is registered; if not, suggests a similar name.
pub(super) fn registered_group(home: &Home, name: &GroupName) -> Result<(), Failure> {
    let groups = registered(home)?;
    if groups.contains(name) { Ok(()) } else { Err(no_group(name, &groups)) }
}

pub(super) fn registered(home: &Home) -> anyhow::Result<Vec<GroupName>> {
    let Some(store) = Store::open_existing(&home.main_db())? else { return Ok(Vec::new()) };
    Ok(store.groups()?.into_iter().map(|group| group.name).collect())
}

/// `There is no group famliy; did you mean family?`
pub(super) fn no_group(name: &GroupName, groups: &[GroupName]) -> Failure {
    let meant = desk::did_you_mean(name.as_str(), groups.iter().map(GroupName::as_str));
    let help = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("`doorward group list` shows those there are, `doorward group add {name}` makes it"),
    };
    refused(anyhow!("there is no group {name}; {help}"))
}
