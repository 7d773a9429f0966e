//! The shipped skills: the folders in `skills/`, compiled into the program, so that there is nothing to install and
//! nothing that could be changed behind its back.

use super::folder::Tree;

#[rustfmt::skip]
mod table;

/// The files of a skill.
pub fn get(name: &str) -> Option<Tree> {
    let files = table::SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, files)| *files)?;
    Some(Tree::of(files.iter().map(|(path, text)| (*path, text.as_bytes()))))
}

/// All names, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::SHIPPED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Write as _;
    use std::path::Path;

    use super::super::{Skill, Values};
    use super::*;

    /// The names of the folders with skills for users: `dev` is for those who change Doorward.
    fn folders() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "dev" && !name.contains('.')).collect();
        names.sort();
        names
    }

    /// The table matches the folders; `UPDATE=1` writes it.
    #[test]
    fn the_table_is_what_is_in_the_folders() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut table =
            "//! Every file of every skill that ships. UPDATE=1 cargo test -p doorward --lib -- skills::shipped \
                         writes it.\n\npub(super) const SHIPPED: &[(&str, &[(&str, &str)])] = &[\n"
                .to_owned();
        for name in folders() {
            let _ = writeln!(table, "    ({name:?}, &[");
            for (path, _) in Tree::read(&root.join("skills").join(&name)).unwrap().files() {
                let _ = writeln!(table, "        ({path:?}, include_str!(\"../../../skills/{name}/{path}\")),");
            }
            table += "    ]),\n";
        }
        table += "];\n";
        let file = root.join("src/skills/shipped/table.rs");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &table).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), table, "UPDATE=1 writes src/skills/shipped/table.rs");
    }

    /// Skills for those who change this code: instructions without code, about files that exist, with a check.
    #[test]
    fn skills_for_this_code_speak_of_what_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for entry in std::fs::read_dir(root.join("skills/dev")).unwrap() {
            let skill = Skill::read(&entry.unwrap().path()).unwrap_or_else(|error| panic!("{error}"));
            let text = std::str::from_utf8(skill.tree.get("SKILL.md").unwrap()).unwrap();
            assert!(skill.tree.get("check.sh").is_some() && !text.contains("```"), "{}", skill.name);
            let quoted =
                text.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains(['N', ' ']));
            for path in quoted.filter(|path| !path.starts_with('/')) {
                assert!(root.join(path).exists(), "{}: {path} is not there", skill.name);
            }
            seen += 1;
        }
        assert_eq!(seen, 4);
    }

    /// Each follows the format, and has tests of what it may and may not do.
    #[test]
    fn every_skill_that_ships_is_one() {
        assert!(names().count() >= 1);
        for name in names() {
            let skill = Skill::find(name).unwrap_or_else(|error| panic!("{error}"));
            let values = skill.settings.iter().map(|one| (one.name.clone(), one.example.clone())).collect::<Values>();
            let rules = skill.rules(&values).unwrap();
            let policy = skill.compiled(&values).unwrap();
            assert!((60..=600).contains(&skill.description.len()), "{name}: {}", skill.description.len());
            if policy.rules().count() > 0 {
                assert!(rules.text.contains("What this leaves open:"), "{name} does not say what it leaves open");
                assert!(rules.text.contains("\"deny\""), "{name} has too few tests");
                assert!(policy.rules().allows.iter().all(|rule| rule.why.is_some()), "{name}: a rule without `why`");
            }
        }
    }
}
