//! The state of an accepted skill: whether its content is there, and whether its source has changed.

use super::accepted::{Accepted, Origin};
use super::contents::kept;
use super::skill::Skill;
use crate::home::Home;

/// The state of a skill.
#[derive(Debug)]
pub enum State {
    /// Unchanged.
    Same,
    /// Its source has changed; the new version is not used before the owner's yes.
    Changed(Box<Skill>),
    /// Its source is no valid skill any more; the accepted version is still used.
    Gone(String),
    /// The accepted content is missing or was altered: its rules hold, and sandboxes do not get it.
    Lost(String),
}

impl State {
    /// What to report and what to do; `None` if all is well.
    pub fn told(&self, group: &policies::GroupName, skill: &Accepted) -> Option<(String, String)> {
        let Accepted { name, from, .. } = skill;
        match self {
            State::Same => None,
            State::Changed(_) => {
                let found = match from {
                    Origin::Shipped => format!("this version ships another {name}; what you accepted is still used"),
                    Origin::Folder(folder) => {
                        format!("{} was changed; what you accepted is still used", folder.display())
                    }
                };
                Some((found, format!("doorward skill update {name} --group {group}")))
            }
            State::Gone(why) => Some((
                format!("it cannot be updated: {why}; what you accepted is still used"),
                format!("put it back, or doorward skill remove {name} --group {group}"),
            )),
            State::Lost(why) => Some((
                format!("what you accepted of it cannot be used: {why}; its rules hold, and the agent does not get it"),
                format!(
                    "doorward skill update {name} --group {group}, or doorward skill remove {name} --group {group}"
                ),
            )),
        }
    }
}

/// Checks a skill.
pub fn state(home: &Home, skill: &Accepted) -> State {
    if let Err(error) = kept(home, skill.hash) {
        return State::Lost(error.to_string());
    }
    match origin(skill) {
        Ok(found) if found.hash() == skill.hash => State::Same,
        Ok(found) => State::Changed(Box::new(found)),
        Err(why) => State::Gone(why),
    }
}

/// The skill at its source.
pub fn origin(skill: &Accepted) -> Result<Skill, String> {
    let found = match &skill.from {
        Origin::Shipped => Skill::find(&skill.name),
        Origin::Folder(folder) => Skill::read(folder),
    };
    match found {
        Ok(found) if found.name == skill.name => Ok(found),
        Ok(found) => Err(format!("{} is the skill {} now", skill.from, found.name)),
        Err(error) => Err(error.to_string()),
    }
}
