//! The import's report: what was taken, what was there already, and what was left out.

use std::collections::BTreeMap;
use std::path::Path;

use policies::GroupName;

use super::super::show::{Styled, Tone};

/// The report while it grows.
#[derive(Debug, Default)]
pub(super) struct Report {
    taken: Vec<(&'static str, String)>,
    there: Vec<(&'static str, String)>,
    left: Vec<String>,
    names: BTreeMap<String, GroupName>,
    /// Whether a task was imported as paused.
    pub(super) paused: bool,
}

impl Report {
    /// Something was imported.
    pub(super) fn taken(&mut self, what: &'static str, said: impl Into<String>) {
        self.taken.push((what, said.into()));
    }

    /// Whether anything of a kind was imported.
    pub(super) fn has_taken(&self, what: &str) -> bool {
        self.taken.iter().any(|(taken, _)| *taken == what)
    }

    /// Something was there already.
    pub(super) fn there(&mut self, what: &'static str, said: &str) {
        self.there.push((what, said.to_owned()));
    }

    /// Something was left out.
    pub(super) fn left(&mut self, said: impl Into<String>) {
        self.left.push(said.into());
    }

    /// Files of a folder were left out.
    pub(super) fn left_out(&mut self, folder: &str, files: &[String]) {
        self.left.extend(files.iter().map(|file| format!("groups/{folder}/{file}")));
    }

    /// The name of a folder's group here.
    pub(super) fn name(&mut self, folder: &str, group: &GroupName) {
        self.names.insert(folder.to_owned(), group.clone());
    }

    /// The group of a folder.
    pub(super) fn named(&self, folder: &str) -> Option<&GroupName> {
        self.names.get(folder)
    }

    /// The groups of all folders.
    pub(super) fn names(&self) -> impl Iterator<Item = &GroupName> {
        self.names.values()
    }

    /// The report for a screen.
    pub(super) fn text(&self, dir: &Path, dry_run: bool) -> Styled {
        let (taken, left) = match dry_run {
            true => ("Would be taken", "Would not be taken"),
            false => ("Taken", "Not taken"),
        };
        let mut text = Styled::from(format!("From NanoClaw in {}:\n", dir.display()));
        let parts = [(Tone::Good.of(taken), &self.taken), (Tone::Good.of("There already"), &self.there)];
        for (heading, lines) in parts.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            let lines: String = lines.iter().map(|(what, said)| format!("\n  {what:<9} {said}")).collect();
            text = text + "\n" + heading + lines + "\n";
        }
        let lines: String = self.left.iter().map(|said| format!("\n  {said}")).collect();
        text = text + "\n" + Tone::Warning.of(left) + lines;
        match dry_run {
            true => text + "\n\nNothing was written (--dry-run).",
            false if self.paused => {
                text + "\n\nNext: doorward task list, and doorward task resume NUMBER for each that is paused and is to go on;\n\
                        then doorward doctor"
            }
            false => text + "\n\nNext: doorward doctor",
        }
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> [String; 3] {
        let lines = |all: &[(&str, String)]| all.iter().map(|(what, said)| format!("{what} {said}\n")).collect();
        [lines(&self.taken), lines(&self.there), self.left.join("\n")]
    }
}
