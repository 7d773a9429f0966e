//! What a new version changes for the owner: reported once, when it first serves a home.

use std::path::Path;

use crate::home::Home;

/// The upgrade notes, a section per version, newest first.
const NOTES: &str = include_str!("../docs/upgrading.md");

/// This version.
const NOW: &str = env!("CARGO_PKG_VERSION");

/// A newer version has served the home: its data may have another meaning.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Doorward {NOW} does not serve a home that {newer} has served: going back is not supported; nothing was changed. Start \
     {newer} again, or restore a backup from before into a folder of its own: `doorward --home FOLDER restore BACKUP`"
)]
pub struct Newer {
    newer: String,
}

/// Whether this version may serve the home. If no version is recorded, it may.
pub fn may_serve(home: &Home) -> Result<(), Newer> {
    let before = std::fs::read_to_string(home.version_file()).unwrap_or_default();
    let before = before.trim();
    if numbers(before) > numbers(NOW) { Err(Newer { newer: before.to_owned() }) } else { Ok(()) }
}

/// Records that this version serves the home; returns what to tell the owner if another served it before.
pub fn served(home: &Home) -> Option<String> {
    let before = std::fs::read_to_string(home.version_file()).ok();
    let before = before.as_deref().map(str::trim);
    if before == Some(NOW) {
        return None;
    }
    if let Err(error) = write(&home.version_file()) {
        tracing::warn!(%error, "Version not written down; what has changed is told again at the next start");
    }
    note(NOTES, before?, NOW)
}

fn write(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let aside = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(aside.path(), format!("{NOW}\n"))?;
    aside.persist(file)?;
    Ok(())
}

/// The notes of the versions after `before`, up to `now`.
fn note(notes: &str, before: &str, now: &str) -> Option<String> {
    let (from, to) = (numbers(before), numbers(now));
    let told = notes.split("\n## ").skip(1).filter_map(|section| {
        let (version, text) = section.split_once('\n')?;
        let version = numbers(version.split_whitespace().next()?);
        (version > from && version <= to).then(|| in_whole_lines(text.trim()))
    });
    let told = told.collect::<Vec<_>>().join("\n\n");
    let said = if told.is_empty() { "Nothing changes for you." } else { &told };
    Some(format!("This is Doorward {now} now; it was {before}.\n\n{said}\n"))
}

/// Joins each paragraph or list item into one line: whatever shows it wraps it to the screen.
fn in_whole_lines(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines().map(str::trim) {
        let goes_on = !line.is_empty() && !line.starts_with("- ") && !whole.is_empty() && !whole.ends_with('\n');
        match (goes_on, whole.is_empty()) {
            (true, _) => whole.push(' '),
            (false, false) => whole.push('\n'),
            (false, true) => {}
        }
        whole += line;
    }
    whole
}

/// `0.10.2` comes after `0.9`.
fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_notes_between_two_versions_are_told() {
        let notes = "# Upgrading\n\nHow.\n\n## 0.10.0\n\nTen.\n\n## 0.9.0 (June)\n\nNine.\n\n## 0.8.0\n\nEight.\n";
        let told = note(notes, "0.8.0", "0.10.0").unwrap();
        assert_eq!(told, "This is Doorward 0.10.0 now; it was 0.8.0.\n\nTen.\n\nNine.\n");
        assert!(note(notes, "0.10.0", "0.10.1").unwrap().ends_with("Nothing changes for you.\n"));
    }

    #[test]
    fn a_paragraph_is_one_line() {
        let text = "It\nruns on.\n\n- One\n  point.\n- Two.\n\nEnd.";
        assert_eq!(in_whole_lines(text), "It runs on.\n\n- One point.\n- Two.\n\nEnd.");
    }

    #[test]
    fn what_a_newer_version_has_served_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.prepare().unwrap();
        assert_eq!(may_serve(&home), Ok(()), "a new home");
        for (before, may) in [(NOW, true), ("0.0.9", true), ("9.9.9", false), ("", true)] {
            std::fs::write(home.version_file(), format!("{before}\n")).unwrap();
            assert_eq!(may_serve(&home).is_ok(), may, "{before}");
        }
    }

    #[test]
    fn this_version_has_notes() {
        assert!(NOTES.contains(&format!("\n## {NOW}")), "docs/upgrading.md has no section for {NOW}");
    }

    #[test]
    fn it_is_told_once_and_never_of_a_new_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.prepare().unwrap();
        assert_eq!(served(&home), None, "a new home");
        assert_eq!(served(&home), None);
        std::fs::write(home.version_file(), "0.0.9\n").unwrap();
        assert!(served(&home).unwrap().contains("it was 0.0.9"));
        assert_eq!(served(&home), None);
    }
}
