//! The owner's images, `images/NAME/`: `image.toml` names the base, `Dockerfile.add` what is added, and `fetch` is a
//! script that fetches it, in a sandbox with its own policy: `policies/image-NAME.toml`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use containers::images::{self, Addition, AgentProgram, Extension, LONGEST_ADDITION};
use desk::toml::{Reader, Vocabulary};
use desk::{Problems, Text};
use policies::GroupName;

use crate::config::keys::{OF_IMAGE, names};
use crate::home::Home;

/// Why an image of the owner's cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// One of its files cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `image.toml` asks for something that cannot be done.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// Its `Dockerfile.add` cannot be built.
    #[error("{path}:{line}: {why}", path = path.display())]
    Addition {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u32,
        /// What is wrong and what to do.
        why: String,
    },
    /// Its name is not allowed.
    #[error("{path}: {why}; rename the folder", path = path.display())]
    Name {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// The name under which an image's `fetch` is judged and logged.
pub fn policy_of(name: &str) -> Result<GroupName, String> {
    let group = GroupName::parse(name).and_then(|name| GroupName::parse(&format!("image-{name}")));
    match group {
        Ok(group) if images::is_free(name) => Ok(group),
        Ok(_) => Err(format!("{name} is one of Doorward's own; call yours otherwise")),
        Err(_) => Err(format!(
            "{name:?} is no name for an image: use 1 to 26 lower-case letters, digits, - or _, starting with a letter or \
             digit"
        )),
    }
}

/// Whether a policy name is reserved for an image, existing or not: no group has such a name.
pub fn is_policy_of_one(name: &GroupName) -> bool {
    name.as_str().starts_with("image-")
}

/// The owner's image of this name, if there is one. The names of Doorward's own images are never theirs.
pub fn named(home: &Home, name: &str) -> Result<Option<Extension>, ImageError> {
    let folder = home.images_dir().join(name);
    match GroupName::parse(name).is_ok() && images::is_free(name) && folder.is_dir() {
        true => load(name, folder).map(Some),
        false => Ok(None),
    }
}

/// All of them by name, with the reason where one is wrong.
pub fn all(home: &Home) -> Vec<(String, Result<Extension, ImageError>)> {
    let entries = std::fs::read_dir(home.images_dir()).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let named = folders.into_iter().filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)));
    named.map(|(name, path)| (name.clone(), load(&name, path))).collect()
}

fn load(name: &str, folder: PathBuf) -> Result<Extension, ImageError> {
    if let Err(why) = policy_of(name) {
        return Err(ImageError::Name { path: folder, why });
    }
    let [settings, addition, fetch] = ["image.toml", "Dockerfile.add", "fetch"].map(|file| folder.join(file));
    let from = begins_with(&settings.display().to_string(), &text(&settings)?)?;
    let parsed = Addition::parse(&text(&addition)?);
    let added = parsed.map_err(|error| ImageError::Addition { path: addition, line: error.line, why: error.why })?;
    let script = text(&fetch)?;
    // A script of comments fetches nothing.
    let does = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let fetch = if script.lines().any(does) { script } else { String::new() };
    Ok(Extension { name: name.to_owned(), from, addition: added, fetch })
}

const TOP: [&str; 1] = names(&OF_IMAGE);

static IMAGE: Vocabulary = Vocabulary { top: &TOP, tables: &[], synonyms: &[], planned: &[] };

/// The agent whose image it is based on; `None` for the base image.
fn begins_with(name: &str, text: &str) -> Result<Option<&'static AgentProgram>, Problems> {
    let mut reader = Reader::new(Text::new(name, text), &IMAGE, PathBuf::new());
    let from = reader.read(|file| {
        file.known_keys("an image's file", &TOP);
        file.read("from", from).flatten()
    });
    reader.finish(from.flatten())
}

fn from(text: &str) -> Result<Option<&'static AgentProgram>, String> {
    match AgentProgram::named(text) {
        None if text != "base" => {
            Err("not an image of Doorward's; write \"base\", \"claude\", \"opencode\" or \"codex\"".to_owned())
        }
        program => Ok(program),
    }
}

/// An optional file's text.
fn text(path: &Path) -> Result<String, ImageError> {
    let unreadable = |source| ImageError::Unreadable { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened.map_err(unreadable)?,
    };
    let mut text = String::new();
    file.take(LONGEST_ADDITION as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > LONGEST_ADDITION {
        let why = format!("it has more than {} KiB; keep what is long in a file of its own", LONGEST_ADDITION >> 10);
        return Err(unreadable(std::io::Error::other(why)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    /// Dropping the first value removes it.
    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (dir, home)
    }

    #[test]
    fn a_name_is_one_of_the_owners_where_there_is_a_folder() {
        let tag = |name: &str, files: &[(&str, &str)]| named(&home(files).1, name).unwrap().map(|own| own.tag());
        assert_eq!(tag("tools", &[]), None, "one of the engine's");
        let own = tag("tools", &[("images/tools/Dockerfile.add", "RUN true")]).unwrap();
        assert!(own.starts_with("doorward/tools:"), "{own}");
        let from = ("images/tools/image.toml", "from = \"claude\"");
        assert_ne!(tag("tools", &[("images/tools/Dockerfile.add", "RUN true"), from]).unwrap(), own);
        assert_eq!(tag("claude", &[("images/claude/fetch", "true")]), None, "a folder of that name changes nothing");
        assert_eq!(tag("../images/tools", &[("images/tools/fetch", "true")]), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (file, text, wanted) in [
            ("images/tools/image.toml", "from = \"debian\"", "image.toml:1:8: not an image of Doorward's"),
            ("images/tools/image.toml", "form = \"base\"", "did you mean `from`?"),
            ("images/tools/Dockerfile.add", "RUN true\nADD x /", "Dockerfile.add:2: ADD can fetch"),
            ("images/claude/fetch", "true", "claude is one of Doorward's own"),
            ("images/Tools/fetch", "true", "rename the folder"),
            ("images/tools/fetch", &"#".repeat(LONGEST_ADDITION + 1), "more than 64 KiB"),
        ] {
            let found = all(&home(&[(file, text)]).1);
            let why = found[0].1.as_ref().unwrap_err().to_string();
            assert!(found.len() == 1 && why.contains(wanted), "{why}");
        }
        let (_dir, home) = home(&[("images/tools/fetch", "# nothing\n\n"), ("images/a/fetch", "curl x")]);
        let fetches: Vec<_> = all(&home).into_iter().map(|(name, found)| (name, found.unwrap().fetch)).collect();
        assert_eq!(fetches, [("a".to_owned(), "curl x".to_owned()), ("tools".to_owned(), String::new())]);
        assert!(policy_of(&"a".repeat(27)).is_err() && policy_of("base").is_err());
        assert_eq!(policy_of("tools").unwrap().as_str(), "image-tools");
    }
}
