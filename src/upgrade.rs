//! What a new version changes for the owner: told once, when it serves a home for the first time.

use std::path::Path;

use crate::home::Home;

/// The notes, a section for each version, newest first.
const NOTES: &str = include_str!("../docs/upgrading.md");

/// This version.
const NOW: &str = env!("CARGO_PKG_VERSION");

/// This version serves the home: written down, and what to tell its owner where another did before.
pub fn served(home: &Home) -> Option<String> {
    let before = std::fs::read_to_string(home.version_file()).ok();
    let before = before.as_deref().map(str::trim);
    if before == Some(NOW) {
        return None;
    }
    // A newer one is kept in mind, and said at each start.
    if before.is_some_and(|before| numbers(before) > numbers(NOW)) {
        return note(NOTES, before?, NOW);
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

/// What stands in the notes of the versions after one, up to another.
fn note(notes: &str, before: &str, now: &str) -> Option<String> {
    let (from, to) = (numbers(before), numbers(now));
    if from > to {
        return Some(format!("Doorward {now} serves a home that {before} has served: going back is not supported."));
    }
    let told = notes.split("\n## ").skip(1).filter_map(|section| {
        let (version, text) = section.split_once('\n')?;
        let version = numbers(version.split_whitespace().next()?);
        (version > from && version <= to).then(|| text.trim())
    });
    let told = told.map(in_paragraphs).collect::<Vec<_>>().join("\n\n");
    let said = if told.is_empty() { "Nothing changes for you." } else { &told };
    Some(format!("This is Doorward {now} now; it was {before}.\n\n{said}\n"))
}

/// The page's text with a paragraph in a line, for whatever shows it.
fn in_paragraphs(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        let begins = line.is_empty() || line.starts_with(['-', '#', '|', '`', ' ']) || shown.ends_with('\n');
        shown += if shown.is_empty() {
            ""
        } else if begins {
            "\n"
        } else {
            " "
        };
        shown += line;
    }
    shown
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
        assert!(note(notes, "0.10.0", "0.9.0").unwrap().contains("going back"));
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
