//! One skill, parsed and checked: its head, its settings, and what it asks for.

use std::path::Path;

use desk::Problems;
use policies::{GroupName, Policy};
use policy_file::{Source, skill_alone, skill_file};

use super::folder::{Tree, TreeHash, Unreadable};
use super::settings::{self, Setting, Values};
use super::{front, shipped};

/// A skill whose files are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its folder's name, and `name` in its head.
    pub name: String,
    /// What it does and when it is useful: its author's words.
    pub description: String,
    /// What its owner decides when adding it.
    pub settings: Vec<Setting>,
    /// All of its files.
    pub tree: Tree,
    /// Its `policy.toml`, with placeholders for its settings.
    asks: String,
}

/// Why a skill cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SkillError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] Unreadable),
    /// One of its files is not valid.
    #[error("{place}: {why}")]
    File {
        /// The file, and the line if known.
        place: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// Its rules or its settings are wrong.
    #[error("{0}")]
    Wrong(Problems),
    /// A setting is missing or wrong.
    #[error("skill {skill}: {why}")]
    Setting {
        /// The skill.
        skill: String,
        /// What is missing or wrong.
        why: String,
    },
    /// No skill of this name ships.
    #[error("there is no skill {name}; {help}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The likely intended one.
        help: String,
    },
}

const HEAD: &str = "SKILL.md";
const ASKS: &str = "policy.toml";
const SETTINGS: &str = "settings.toml";
/// The file with its values in a sandbox; so no skill may bring one.
pub(super) const VALUES: &str = "settings.json";

/// Whether this is a valid name by the Agent Skills format.
pub fn is_name(name: &str) -> bool {
    let of_signs = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (1..=64).contains(&name.len()) && of_signs && !name.starts_with('-') && !name.ends_with('-') && !name.contains("--")
}

impl Skill {
    /// A shipped skill by its name, or one in a folder by its path (`./weather`, `/srv/skills/weather`).
    pub fn find(what: &str) -> Result<Self, SkillError> {
        if what.contains('/') {
            return Self::read(Path::new(what));
        }
        if let Some(tree) = shipped::get(what) {
            return Self::of(tree, what, Path::new(what));
        }
        let help = match desk::did_you_mean(what, shipped::names()) {
            _ if Path::new(what).is_dir() => format!("for the folder write ./{what}"),
            Some(meant) => format!("did you mean {meant}?"),
            None => "`doorward skill list` shows those that ship; a folder of yours is written as a path, like ./mine"
                .to_owned(),
        };
        Err(SkillError::Unknown { name: what.to_owned(), help })
    }

    /// The skill in a folder, which has its name.
    pub fn read(folder: &Path) -> Result<Self, SkillError> {
        let tree = Tree::read(folder)?;
        let named = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let name = named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::of(tree, &name, folder)
    }

    /// The skill of these files; `place` is how problems refer to them.
    pub(super) fn of(tree: Tree, name: &str, place: &Path) -> Result<Self, SkillError> {
        let file = |file: &str, line: Option<usize>, why: String| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            SkillError::File { place: format!("{}{line}", place.join(file).display()), why }
        };
        let text = |name: &str| match tree.get(name).map(std::str::from_utf8) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(file(name, None, "it is no text in UTF-8; save it as one".to_owned())),
        };
        if !is_name(name) {
            let why =
                "a skill's folder has a name of small letters, digits and single hyphens, at most 64 long; rename it";
            return Err(SkillError::File { place: place.display().to_string(), why: why.to_owned() });
        }
        if tree.get(VALUES).is_some() {
            let why = format!("Doorward writes what its owner says of {SETTINGS} there; call yours otherwise");
            return Err(file(VALUES, None, why));
        }
        let head =
            text(HEAD)?.ok_or_else(|| file(HEAD, None, "it is missing: a skill is a folder with one".to_owned()))?;
        let front = front::read(head).map_err(|wrong| file(HEAD, Some(wrong.line), wrong.why))?;
        if front.name != name {
            let why = format!("`name` says {:?}, and the folder is called {name:?}; they are the same", front.name);
            return Err(file(HEAD, None, why));
        }
        let settings = text(SETTINGS)?.unwrap_or_default();
        let settings =
            Setting::read_all(&place.join(SETTINGS).display().to_string(), settings).map_err(SkillError::Wrong)?;
        let asks = text(ASKS)?.unwrap_or_default().to_owned();
        let unused = settings.iter().find(|setting| {
            let in_scripts = || tree.files().any(|(path, _)| path != HEAD && path != ASKS && path != SETTINGS);
            !settings::places(&asks).iter().any(|(_, name)| *name == setting.name) && !in_scripts()
        });
        if let Some(setting) = unused {
            let why = format!("nothing uses the setting {0:?}; write ${{{0}}} in {ASKS}, or remove it", setting.name);
            return Err(file(SETTINGS, None, why));
        }
        let skill = Skill { name: name.to_owned(), description: front.description, settings, tree: tree.clone(), asks };
        skill.compiled(&settings::examples(&skill.settings))?;
        Ok(skill)
    }

    /// The hash of its content.
    pub fn hash(&self) -> TreeHash {
        self.tree.hash()
    }

    /// The values of its settings, given the owner's.
    pub fn values(&self, said: &Values) -> Result<Values, SkillError> {
        let wrong = |why| SkillError::Setting { skill: self.name.clone(), why };
        settings::chosen(&self.settings, said).map_err(wrong)
    }

    /// Its rules with these values.
    pub fn rules(&self, values: &Values) -> Result<Source, SkillError> {
        let text = settings::filled(&skill_file(&self.name), &self.asks, values).map_err(SkillError::Wrong)?;
        Ok(Source { name: self.name.clone(), text })
    }

    /// The same compiled as a policy on its own; its tests pass.
    pub fn compiled(&self, values: &Values) -> Result<Policy, SkillError> {
        alone(&self.rules(values)?).map_err(SkillError::Wrong)
    }
}

/// A skill's rules as a policy on their own.
pub(super) fn alone(rules: &Source) -> Result<Policy, Problems> {
    // The result does not depend on the group, so any name will do.
    let group = GroupName::parse("skill").map_err(|_| Problems::default())?;
    Ok(skill_alone(&group, rules)?.policy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "---\nname: sky\ndescription: When the sun rises. Use it for walks.\n---\n";

    fn of(name: &str, files: &[(&str, &[u8])]) -> Result<Skill, String> {
        let tree = Tree::of(files.iter().copied());
        Skill::of(tree, name, Path::new("skills/sky")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_skill_is_a_folder_with_a_head_and_what_it_asks_for() {
        let asks = b"[[allow]]\nhost = \"${server}\"\ndo = [\"GET /sun\"]\n";
        let settings = b"[server]\nis = \"host\"\nwhat = \"a host\"\nexample = \"sky.example.org\"\n";
        let skill = of("sky", &[("SKILL.md", GOOD.as_bytes()), ("policy.toml", asks), ("settings.toml", settings)]);
        let skill = skill.unwrap();
        let said = [("server".to_owned(), "other.test".to_owned())].into();
        let values = skill.values(&said).unwrap();
        assert_eq!(skill.rules(&values).unwrap().text, "[[allow]]\nhost = \"other.test\"\ndo = [\"GET /sun\"]\n");
        let missing = skill.values(&Values::new()).unwrap_err().to_string();
        assert_eq!(missing, "skill sky: it wants to know a host; say it with --set server=sky.example.org");
        // A skill from elsewhere may ask for nothing.
        let plain = of("sky", &[("SKILL.md", GOOD.as_bytes())]).unwrap();
        assert_eq!(plain.compiled(&Values::new()).unwrap().rules().count(), 0);
        assert_ne!(plain.hash(), skill.hash());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let head = ("SKILL.md", GOOD.as_bytes());
        let unused = b"[server]\nis = \"host\"\nwhat = \"a host\"\nexample = \"sky.example.org\"\n";
        for (name, files, want) in [
            ("sky", &[("policy.toml", &b""[..])][..], "skills/sky/SKILL.md: it is missing"),
            ("sky", &[("SKILL.md", b"# Sky")], "skills/sky/SKILL.md:1: a SKILL.md begins with"),
            ("sky", &[("SKILL.md", b"\xff")], "skills/sky/SKILL.md: it is no text in UTF-8"),
            ("moon", &[head], "`name` says \"sky\", and the folder is called \"moon\""),
            ("Sky", &[head], "a skill's folder has a name of small letters"),
            ("-sky", &[head], "a skill's folder has a name of small letters"),
            ("sky", &[head, ("settings.json", b"{}")], "skills/sky/settings.json: Doorward writes"),
            ("sky", &[head, ("policy.toml", b"[[allow]]\nhost = \"a.test\"\n")], "skill:sky:1"),
            ("sky", &[head, ("policy.toml", b"[[deny]]\nhost = \"a.test\"\n")], "has no key `deny`"),
            ("sky", &[head, ("policy.toml", b"[[allow]]\nhost = \"${x}\"\n")], "there is no setting \"x\""),
            ("sky", &[head, ("settings.toml", unused)], "nothing uses the setting \"server\""),
            ("sky", &[head, ("settings.toml", b"[server]\n")], "skills/sky/settings.toml:1"),
        ] {
            let error = of(name, files).unwrap_err();
            assert!(error.contains(want), "{want} in {error}");
        }
        let unknown = Skill::find("wether").unwrap_err().to_string();
        assert_eq!(unknown, "there is no skill wether; did you mean weather?");
    }
}
