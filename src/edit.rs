//! Edits of files that their owner writes: `doorward.toml`, `groups/NAME.toml`, `policies/NAME.toml` and
//! `skills/NAME.toml`.
//!
//! An [`Edit`] opens one file, takes the changes, shows them as a short diff and writes the file: atomically, with
//! comments and order kept, and the previous version beside it. A change after which the file would not load is
//! refused with the places that are wrong. Only one edit is open at a time, across processes; a change made
//! meanwhile in an editor is noticed.
//!
//! What it is not: a question. Whether to write is decided before.

mod disk;
mod policy;
mod rule;
mod settings;
mod skills;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use desk::Problems;
use policy_file::{Compiled, Source};
use similar::TextDiff;

pub use policy::OfPolicy;
pub use rule::Rule;
pub use settings::{NewCredential, OfConfig, OfGroup};
pub use skills::OfSkills;

use crate::config::{Config, GroupSettings};
use crate::gateway::policy_files::{self, PolicyError};
use crate::home::{Home, HomeError};

/// A file being edited. Nothing else edits one until this is dropped.
#[derive(Debug)]
pub struct Edit<Of> {
    home: Home,
    of: Of,
    path: PathBuf,
    /// The text on the disk; `None` where there is no file yet.
    before: Option<String>,
    text: String,
    _alone: File,
}

/// The result of writing.
#[derive(Debug, Default)]
pub struct Written {
    /// Where the previous version is kept; `None` if there was none, or nothing changed.
    pub previous: Option<PathBuf>,
    /// What loads but is surely a mistake.
    pub warnings: Problems,
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The new text cannot be written. The old one stays.
    #[error("cannot write {path}: {source}; nothing was changed", path = path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It does not load even without the change, so the change cannot be judged.
    #[error("{file} is wrong as it stands; mend it first, nothing was changed:\n{problems}")]
    WrongAlready {
        /// The file, under the name its owner knows.
        file: String,
        /// What is wrong.
        problems: Problems,
    },
    /// It would not load with the change.
    #[error("{file} would not load with this change; nothing was changed:\n{problems}")]
    WouldBeWrong {
        /// The file, under the name its owner knows.
        file: String,
        /// What would be wrong.
        problems: Problems,
    },
    /// Another file that it is checked against cannot be read.
    #[error("nothing was changed: {0}")]
    Beside(#[from] PolicyError),
    /// Somebody else has changed it meanwhile.
    #[error("{path} was changed by somebody else just now; nothing was written, try again", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Another command is editing a file and does not finish.
    #[error("another doorward is changing its files; try again when it has ended")]
    Busy,
    /// The home cannot be prepared.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// This file does not allow that change.
    #[error("{0}; nothing was changed")]
    Refused(String),
}

/// A kind of file.
pub trait Kind: std::fmt::Debug {
    /// Where it is.
    fn path(&self, home: &Home) -> PathBuf;

    /// What is wrong in this text, or surely a mistake.
    fn check(&self, home: &Home, text: &str) -> Result<Problems, NotLoaded>;

    /// How many lines of context a diff shows. None where a secret may stand.
    const SHOWN_AROUND: usize;
}

/// Why a text does not load: its own problems, or another file's.
#[derive(Debug)]
pub enum NotLoaded {
    /// The text's own problems.
    Wrong(Problems),
    /// Another file's problems.
    Beside(PolicyError),
}

impl<Of: Kind> Edit<Of> {
    fn open(home: &Home, of: Of) -> Result<Self, EditError> {
        home.prepare()?;
        let alone = disk::alone(home)?;
        // A link is followed: its target is the owner's file.
        let named = of.path(home);
        let path = std::fs::canonicalize(&named).unwrap_or(named);
        let before = disk::read(&path)?;
        let edit =
            Edit { home: home.clone(), path, text: before.clone().unwrap_or_default(), before, of, _alone: alone };
        if !text::is_toml(&edit.text) {
            edit.check_as_it_stands()?;
        }
        Ok(edit)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is anything to write.
    pub fn changes(&self) -> bool {
        self.before.as_deref().unwrap_or_default() != self.text
    }

    /// The text as it would be written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The diff: removed lines with `-`, new ones with `+`. Empty if nothing changes.
    pub fn difference(&self) -> String {
        // A missing newline at the end is not worth showing.
        let ended =
            |text: &str| if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
        let (before, after) = (ended(self.before.as_deref().unwrap_or_default()), ended(&self.text));
        let name = self.path.display().to_string();
        let lines = TextDiff::from_lines(&before, &after);
        let mut shown = lines.unified_diff();
        shown.context_radius(Of::SHOWN_AROUND).missing_newline_hint(false).header(&name, &name).to_string()
    }

    /// Checks that it would load; returns what is surely a mistake.
    pub fn check(&self) -> Result<Problems, EditError> {
        match self.of.check(&self.home, &self.text) {
            Ok(warnings) => Ok(warnings),
            Err(NotLoaded::Beside(error)) => Err(error.into()),
            Err(NotLoaded::Wrong(problems)) => {
                self.check_as_it_stands()?;
                Err(EditError::WouldBeWrong { file: self.path.display().to_string(), problems })
            }
        }
    }

    /// The same, but only what the change introduces.
    pub fn check_what_is_new(&self) -> Result<Problems, EditError> {
        let mut warnings = self.check()?;
        let before = self.of.check(&self.home, self.before.as_deref().unwrap_or_default()).unwrap_or_default();
        let known: Vec<String> = before.0.iter().map(ToString::to_string).collect();
        warnings.0.retain(|warning| !known.contains(&warning.to_string()));
        Ok(warnings)
    }

    /// Writes it if it would load: atomically, and on the disk when this returns.
    pub fn write(self) -> Result<Written, EditError> {
        let warnings = self.check()?;
        if !self.changes() {
            return Ok(Written { previous: None, warnings });
        }
        if disk::read(&self.path)? != self.before {
            return Err(EditError::Changed { path: self.path });
        }
        let previous = disk::replace(&self.path, self.before.as_deref(), &self.text)?;
        Ok(Written { previous, warnings })
    }

    fn check_as_it_stands(&self) -> Result<(), EditError> {
        let before = self.before.as_deref().unwrap_or_default();
        match self.of.check(&self.home, before) {
            Err(NotLoaded::Wrong(problems)) => {
                Err(EditError::WrongAlready { file: self.wrong_in(&problems), problems })
            }
            Err(NotLoaded::Beside(error)) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// The file that has the problems: this one, or one it is checked against, such as `base.toml`.
    fn wrong_in(&self, problems: &Problems) -> String {
        let first = problems.0.first().map(desk::Problem::file);
        first.filter(|file| !self.path.ends_with(file)).map_or_else(|| self.path.display().to_string(), str::to_owned)
    }

    /// The same edit with another text.
    fn with(self, change: impl FnOnce(&str) -> Result<String, text::NotDone>) -> Result<Self, EditError> {
        let text = change(&self.text).map_err(|why| EditError::Refused(why.to_string()))?;
        Ok(Edit { text, ..self })
    }
}

impl EditError {
    /// The file's problems, for a report that shows their lines.
    pub fn problems(&self) -> Option<&Problems> {
        match self {
            EditError::WrongAlready { problems, .. } | EditError::WouldBeWrong { problems, .. } => Some(problems),
            EditError::Beside(PolicyError::Wrong(problems)) => Some(problems),
            _ => None,
        }
    }
}

impl Kind for OfPolicy {
    const SHOWN_AROUND: usize = 2;

    fn path(&self, home: &Home) -> PathBuf {
        home.policy_file(&self.group)
    }

    fn check(&self, home: &Home, text: &str) -> Result<Problems, NotLoaded> {
        let mut texts = policy_files::read(home, &self.group).map_err(NotLoaded::Beside)?;
        texts.file = Source { text: text.to_owned(), ..texts.file };
        match policy_file::compile_all(&self.group, &texts) {
            Ok(Compiled { warnings, .. }) => Ok(warnings),
            Err(problems) => Err(NotLoaded::Wrong(problems)),
        }
    }
}

impl Kind for OfGroup {
    const SHOWN_AROUND: usize = 2;

    fn path(&self, home: &Home) -> PathBuf {
        home.group_file(&self.group)
    }

    fn check(&self, home: &Home, text: &str) -> Result<Problems, NotLoaded> {
        let name = self.path(home).display().to_string();
        GroupSettings::parse(&name, text).map(|_| Problems::default()).map_err(NotLoaded::Wrong)
    }
}

impl Kind for OfConfig {
    const SHOWN_AROUND: usize = 0;

    fn path(&self, home: &Home) -> PathBuf {
        home.config_file()
    }

    fn check(&self, home: &Home, text: &str) -> Result<Problems, NotLoaded> {
        let name = self.path(home).display().to_string();
        Config::parse(&name, text, home.config_dir()).map(|_| Problems::default()).map_err(NotLoaded::Wrong)
    }
}
