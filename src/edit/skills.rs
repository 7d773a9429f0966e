//! Edits of a group's skills.

use std::path::PathBuf;

use desk::Problems;
use policies::GroupName;
use policy_file::Compiled;

use super::{Edit, EditError, Kind, NotLoaded};
use crate::gateway::policy_files;
use crate::home::Home;
use crate::skills::{self, Accepted};

/// The file of a group's skills.
#[derive(Debug)]
pub struct OfSkills {
    group: GroupName,
}

impl Edit<OfSkills> {
    /// Opens the file of a group's skills, which need not exist yet.
    pub fn skills(home: &Home, group: &GroupName) -> Result<Self, EditError> {
        Self::open(home, OfSkills { group: group.clone() })
    }

    /// The skills in the file.
    pub fn installed(&self) -> Result<Vec<Accepted>, EditError> {
        let file = || self.path.display().to_string();
        skills::parse(&file(), &self.text).map_err(|problems| EditError::WrongAlready { file: file(), problems })
    }

    /// Adds a skill, replacing one of its name.
    pub fn accept(self, skill: Accepted) -> Result<Self, EditError> {
        let mut all = self.installed()?;
        all.retain(|other| other.name != skill.name);
        all.push(skill);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Edit { text: skills::written(&all), ..self })
    }

    /// Removes a skill.
    pub fn remove_skill(self, name: &str) -> Result<Self, EditError> {
        let mut all = self.installed()?;
        all.retain(|other| other.name != name);
        Ok(Edit { text: skills::written(&all), ..self })
    }
}

impl Kind for OfSkills {
    const SHOWN_AROUND: usize = 2;

    fn path(&self, home: &Home) -> PathBuf {
        home.skills_file(&self.group)
    }

    fn check(&self, home: &Home, text: &str) -> Result<Problems, NotLoaded> {
        let accepted = skills::parse(&self.path(home).display().to_string(), text).map_err(NotLoaded::Wrong)?;
        let mut texts = policy_files::read_without_skills(home, &self.group).map_err(NotLoaded::Beside)?;
        texts.skills = accepted.iter().map(Accepted::source).collect();
        match policy_file::compile_all(&self.group, &texts) {
            Ok(Compiled { warnings, .. }) => Ok(warnings),
            Err(problems) => Err(NotLoaded::Wrong(problems)),
        }
    }
}
