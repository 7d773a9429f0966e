//! Folders of the host that sandboxes see: the allow-list (`[mounts]` in `doorward.toml`), and a group's wishes
//! (`[[mount]]` in its own file).
//!
//! What it is not: whether a mount is safe is checked when it is to be used (`crate::sandboxes`).

mod pattern;

use std::path::{Path, PathBuf};

pub(crate) use pattern::Pattern;

/// `[mounts]`: the folders below which groups may be given any. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Folders below which groups may read.
    pub read: Vec<PathBuf>,
    /// Folders below which a group may also write.
    pub write: Vec<PathBuf>,
    /// Names that are refused in addition to the built-in ones.
    pub refuse: Vec<String>,
}

/// One `[[mount]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The folder's absolute path.
    pub path: PathBuf,
    /// Its name in `/workspace/extra`.
    pub name: String,
    /// The sandbox's access.
    pub access: Access,
    /// Files in it, by their relative paths, that look like secrets but are not.
    pub known: Vec<PathBuf>,
}

/// A sandbox's access to a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    #[default]
    Read,
    /// Read and write it.
    Write,
    /// Read a copy made for each sandbox.
    Copy,
}

/// A pattern of names: `*.kdbx` is such a file anywhere, `.config/op` that folder anywhere. Matched against paths in
/// lower case and without the leading `/`.
pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    let bare = text.trim_matches('/');
    if bare.trim_matches(['*', '/', '.']).is_empty() {
        return Err("this would refuse everything; write a name, as \"*.kdbx\" or \"drafts\"".to_owned());
    }
    Pattern::read(&bare.to_ascii_lowercase()).map_err(|why| format!("not a pattern of names: {why}"))
}

/// A mount's name inside: one that needs no quotes in a shell.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.len() <= 64 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("not a name for a mount; use 1 to 64 letters, digits, - _ and ., beginning with a letter or digit".to_owned())
}

/// Its default name: the folder's own.
pub(super) fn name_of(path: &Path) -> Option<String> {
    path.file_name().and_then(|last| last.to_str()).and_then(|last| name(last).ok())
}

/// A file below a mount, by its relative path.
pub(super) fn inside(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain && !text.is_empty() {
        return Ok(path.to_owned());
    }
    Err("write the file's path from the mounted folder, as \"tests/key.pem\"".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pattern_is_found_anywhere() {
        let matches = |text: &str, path: &str| pattern(text).unwrap().matches(path.as_bytes());
        for (text, path) in [
            ("*.KDBX", "home/me/keys.kdbx"),
            ("drafts", "home/me/drafts"),
            ("/drafts/", "drafts"),
            (".config/op", "home/me/.config/op"),
        ] {
            assert!(matches(text, path), "{text} {path}");
        }
        for (text, path) in [("drafts", "home/mydrafts"), ("*.pst", "home/a.pst/b"), ("a/b", "a/x/b")] {
            assert!(!matches(text, path), "{text} {path}");
        }
        for text in ["", "*", "**", "/", "**/*", "[a", "{a"] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_needs_no_quotes() {
        assert_eq!(name_of(Path::new("/srv/photos")), Some("photos".to_owned()));
        assert_eq!((name_of(Path::new("/srv/my photos")), name_of(Path::new("/srv/.git"))), (None, None));
        for text in ["", ".", "..", "a/b", "a b", "-x", "\u{fc}ber"] {
            assert!(name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_known_file_is_below_its_mount() {
        assert!(inside("tests/key.pem").is_ok());
        for text in ["", "/etc/passwd", "../key.pem", "a/../../b", "."] {
            assert!(inside(text).is_err(), "{text}");
        }
    }
}
