//! Every policy in docs/policy.md is valid: it compiles, its tests pass, and no rule is dead.
#![allow(clippy::unwrap_used)]

use policies::GroupName;
use policy_file::{Source, presets};

const DOCS: &str = include_str!("../../../docs/policy.md");

/// The text of each toml block.
fn examples(text: &str) -> Vec<&str> {
    text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_compiles() {
    let group = GroupName::parse("family").unwrap();
    for text in examples(DOCS) {
        let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
        let compiled =
            policy_file::compile(&group, &source, None).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert!(compiled.warnings.is_empty(), "{}\n{text}", compiled.warnings);
    }
}

#[test]
fn there_are_ten_recipes() {
    let recipes = DOCS.split("## Ten recipes").nth(1).unwrap();
    assert_eq!(examples(recipes).len(), 10);
    for number in 1..=10 {
        assert!(recipes.contains(&format!("**{number}. ")), "{number}");
    }
}

#[test]
fn every_preset_is_listed() {
    for name in presets::names() {
        assert!(DOCS.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}
