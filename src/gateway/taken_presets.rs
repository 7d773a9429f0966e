//! Presets as the owner has taken them. Naming one in `use` takes its text of that day: a later version that would
//! allow more waits for the owner's yes (`doorward policy accept`), one that does not is taken at once.
//!
//! What it is: a folder with a text for each preset in use. What it is not: a way to write presets; use a group's own
//! file for that.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policies::{GroupName, Origin, Policy};
use policy_file::{Diff, Source, presets};

use crate::home::Home;

/// The presets that were taken.
#[derive(Clone, Debug)]
pub struct TakenPresets {
    folder: PathBuf,
}

/// A preset of this version that is not in force yet.
#[derive(Debug)]
pub struct Waiting {
    /// Its name.
    pub name: &'static str,
    /// What is in force instead.
    pub taken: Source,
    /// What it would change; `None` if the taken one no longer loads.
    pub change: Option<Diff>,
}

impl TakenPresets {
    /// The taken presets of a home.
    pub fn of(home: &Home) -> Self {
        TakenPresets { folder: home.presets_dir() }
    }

    /// The presets of this version that would allow more than the taken ones.
    pub fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for (name, shipped) in presets::names().into_iter().filter_map(|name| Some((name, presets::get(name)?))) {
            let Some(text) = read(&self.file(name))?.filter(|text| text != shipped) else { continue };
            let taken = Source { name: name.to_owned(), text };
            let change = alone(&taken.text).and_then(|taken| Some(policy_file::diff(&taken, &alone(shipped)?)));
            if change.as_ref().is_none_or(Diff::widens) {
                waiting.push(Waiting { name, taken, change });
            }
        }
        Ok(waiting)
    }

    /// Takes this version's texts of presets that a policy in force uses, if they are new or allow nothing more than
    /// before. Returns those that changed.
    pub fn take(&self, policy: &Policy) -> io::Result<Vec<Arc<str>>> {
        let waiting = self.waiting()?;
        let used: BTreeSet<_> = policy_file::summaries(policy)
            .into_iter()
            .filter_map(|rule| match rule.origin {
                Origin::Preset(name) => Some(name),
                Origin::Group | Origin::Skill(_) | Origin::Base => None,
            })
            .collect();
        let free = |name: &&Arc<str>| waiting.iter().all(|waiting| waiting.name != &***name);
        let mut new = Vec::new();
        for name in used.iter().filter(free) {
            if self.accept(name)? {
                new.push(name.clone());
            }
        }
        Ok(new)
    }

    /// Takes this version's text, whatever it allows; `false` if it was in force.
    pub fn accept(&self, name: &str) -> io::Result<bool> {
        let (file, shipped) = (self.file(name), presets::get(name).unwrap_or_default());
        if read(&file)?.is_some_and(|taken| taken == shipped) {
            return Ok(false);
        }
        // Atomically: the first half of a preset would allow without its conditions.
        let mut aside = tempfile::NamedTempFile::new_in(&self.folder)?;
        aside.write_all(shipped.as_bytes())?;
        aside.as_file().sync_all()?;
        aside.persist(file)?;
        Ok(true)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }
}

/// A preset's text as a policy on its own.
fn alone(text: &str) -> Option<Policy> {
    let source = Source { name: "preset".to_owned(), text: text.to_owned() };
    Some(policy_file::compile(&GroupName::parse("preset").ok()?, &source, None).ok()?.policy)
}

fn read(file: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
