//! `skills/GROUP.toml`: a group's skills, and what its owner has accepted of each. The rules there are in force; the
//! content is stored by hash (`contents.rs`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use desk::toml::{Reader, TableKeys, Vocabulary};
use desk::{Problems, Text, ValueError};
use policies::{GroupName, Policy};
use policy_file::Source;

use super::folder::TreeHash;
use super::settings::Values;
use super::skill::{self, is_name};
use crate::home::{Home, read_text};

/// A skill as its owner has accepted it for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its name.
    pub name: String,
    /// Where it and its updates come from.
    pub from: Origin,
    /// The hash of its content.
    pub hash: TreeHash,
    /// When it was accepted, in words.
    pub at: String,
    /// The owner's values for its settings.
    pub values: Values,
    /// Its rules with these values, as in force.
    pub rules: String,
}

/// Where a skill comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Shipped with Doorward.
    Shipped,
    /// A folder of the owner's.
    Folder(PathBuf),
}

const SHIPPED: &str = "doorward";
const KEYS: [&str; 6] = ["name", "from", "hash", "accepted", "settings", "rules"];
const TOP: [&str; 1] = ["skill"];
const HEADER: &str = "[[skill]]";

static TABLES: [TableKeys; 1] = [TableKeys { header: HEADER, keys: &KEYS }];
static OF_SKILLS: Vocabulary = Vocabulary { top: &TOP, tables: &TABLES, synonyms: &[], planned: &[] };

type Block<'a, 'i> = desk::toml::Block<'a, 'i, ()>;

impl Accepted {
    /// Its rules as part of the group's policy.
    pub fn source(&self) -> Source {
        Source { name: self.name.clone(), text: self.rules.clone() }
    }

    /// Its rules as a policy on their own.
    pub fn alone(&self) -> Result<Policy, Problems> {
        skill::alone(&self.source())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Shipped => f.write_str(SHIPPED),
            Origin::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// A group's skills; none without a file.
pub fn read(home: &Home, group: &GroupName) -> std::io::Result<Result<Vec<Accepted>, Problems>> {
    match read_text(&home.skills_file(group)) {
        Ok(text) => Ok(parse(&format!("skills/{group}.toml"), &text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ok(Vec::new())),
        Err(error) => Err(error),
    }
}

/// Parses such a file.
pub fn parse(name: &str, text: &str) -> Result<Vec<Accepted>, Problems> {
    let mut reader = Reader::new(Text::new(name, text), &OF_SKILLS, ());
    let skills = reader.read(skills).unwrap_or_default();
    let mut skills = reader.finish(skills)?;
    skills.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(skills)
}

fn skills(file: &mut Block<'_, '_>) -> Vec<Accepted> {
    file.known_keys("a file of skills", &TOP);
    let all = file.each("skill", HEADER, |block| Some((block.span.clone(), accepted(block)?)));
    let mut seen = BTreeMap::new();
    for (span, skill) in &all {
        if seen.insert(skill.name.as_str(), ()).is_some() {
            let message = format!("the skill {} is there twice", skill.name);
            file.reader.problem(span.clone(), message, Some("keep one of them".to_owned()));
        }
    }
    all.into_iter().map(|(_, skill)| skill).collect()
}

fn accepted(block: &mut Block<'_, '_>) -> Option<Accepted> {
    block.known_keys(HEADER, &KEYS);
    let name = block.needed("name", HEADER, "weather");
    let name = name.and_then(|word| block.meaning(word, of(is_name, "no name of a skill")));
    let from = block.needed("from", HEADER, SHIPPED);
    let from = from.and_then(|word| block.meaning(word, origin));
    let hash = block.needed("hash", HEADER, "…");
    let hash = hash.and_then(|word| {
        block.meaning(word, |text| {
            TreeHash::parse(text)
                .ok_or_else(|| ValueError::new("this is no hash of 64 hex digits", Some(AGAIN.to_owned())))
        })
    });
    let at = block.string("accepted").map(|(_, text)| text).unwrap_or_default();
    let values = block.pairs("settings").unwrap_or_default();
    let values = values.into_iter().map(|(_, name, value)| (name, value)).collect();
    let rules = block.string("rules").map(|(_, text)| text).unwrap_or_default();
    Some(Accepted { name: name?, from: from?, hash: hash?, at, values, rules })
}

const AGAIN: &str = "remove this [[skill]], and add the skill with `doorward skill add`";

fn of(is: fn(&str) -> bool, what: &'static str) -> impl Fn(&str) -> Result<String, ValueError> {
    move |text| match is(text) {
        true => Ok(text.to_owned()),
        false => Err(ValueError::new(format!("{text:?} is {what}"), Some(AGAIN.to_owned()))),
    }
}

fn origin(text: &str) -> Result<Origin, ValueError> {
    match text {
        SHIPPED => Ok(Origin::Shipped),
        path if Path::new(path).is_absolute() => Ok(Origin::Folder(PathBuf::from(path))),
        _ => {
            let help = format!("write from = \"{SHIPPED}\", or the whole path of its folder");
            Err(ValueError::new(format!("{text:?} is no place of a skill"), Some(help)))
        }
    }
}

const HEAD: &str = "\
# The skills of this group, as you accepted them: the rules that stand here are in force, beside the
# group's own. `doorward skill` writes this file (docs/skills.md).
";

/// The text of a file with these skills.
pub fn written(skills: &[Accepted]) -> String {
    if skills.is_empty() {
        return String::new();
    }
    let mut text = HEAD.to_owned();
    for Accepted { name, from, hash, at, values, rules } in skills {
        // Writing to a String cannot fail.
        let from = quoted(&from.to_string());
        let _ = write!(
            text,
            "\n{HEADER}\nname = {}\nfrom = {from}\nhash = \"{hash}\"\naccepted = {}\n",
            quoted(name),
            quoted(at)
        );
        if !values.is_empty() {
            let all: Vec<_> = values.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
            let _ = writeln!(text, "settings = {{ {} }}", all.join(", "));
        }
        if !rules.is_empty() {
            let _ = writeln!(text, "rules = {}", lines(rules));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// Over several lines, where TOML can express it.
fn lines(text: &str) -> String {
    let plain = !text.contains("'''") && !text.ends_with('\'') && text.chars().all(|c| !c.is_control() || c == '\n');
    if plain { format!("'''\n{text}'''") } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::folder::Tree;
    use super::*;

    fn accepted(name: &str, rules: &str) -> Accepted {
        Accepted {
            name: name.to_owned(),
            from: Origin::Shipped,
            hash: Tree::default().hash(),
            at: "2026-11-30 00:40".to_owned(),
            values: Values::new(),
            rules: rules.to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut folder = accepted("b", "[[allow]]\nhost = \"b.test\"\naccess = \"read\"\n");
        folder.from = Origin::Folder(PathBuf::from("/srv/my \"skills\"/b"));
        folder.values.insert("server".to_owned(), "b.test".to_owned());
        for rules in [
            "",
            "\n",
            "x",
            "a'''b",
            "ends with '",
            "tab\there",
            "cr\r\nlf",
            "# ü \u{2028} \u{1F980}\n",
            "\\u0041 \"\"\"",
        ] {
            let all = [accepted("a", rules), folder.clone()];
            let text = written(&all);
            assert_eq!(
                parse("skills/x.toml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}")),
                all,
                "{text}"
            );
        }
        assert_eq!((written(&[]).as_str(), parse("x", "").unwrap().len()), ("", 0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let good = written(&[accepted("a", "")]);
        for (text, want) in [
            (good.replace("\"a\"", "\"../a\""), "is no name of a skill"),
            (good.replace("\"doorward\"", "\"skills/a\""), "is no place of a skill"),
            (good.replace("hash = \"", "hash = \"x"), "no hash of 64 hex digits"),
            (format!("{good}{good}"), "the skill a is there twice"),
            (good.replace("accepted", "acepted"), "no key `acepted`"),
            (good.replace("[[skill]]", "[[skills]]"), "skills"),
        ] {
            let problems = parse("skills/x.toml", &text).unwrap_err().to_string();
            assert!(problems.contains(want), "{want} in {problems}");
        }
    }
}
