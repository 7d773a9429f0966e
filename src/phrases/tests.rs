#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

/// All phrases of a language, with their variables.
fn phrases(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    let mut name = String::new();
    for line in language.source().lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut text = line;
        if !line.starts_with([' ', '}']) {
            let (key, rest) = line.split_once(" = ").unwrap();
            name = key.to_owned();
            assert!(all.insert(name.clone(), BTreeSet::new()).is_none(), "{name} is there twice");
            text = rest;
        }
        let variables = text.split("{ $").skip(1).map(|rest| rest.split([' ', '}']).next().unwrap().to_owned());
        all.get_mut(&name).unwrap().extend(variables);
    }
    all
}

#[test]
fn each_language_has_each_phrase_with_the_same_variables() {
    let english = phrases(Language::English);
    assert!(english.len() > 80, "{}", english.len());
    for language in Language::ALL {
        assert_eq!(phrases(language), english, "{language:?}");
        FluentResource::try_new(language.source().to_owned()).unwrap();
        for (name, variables) in &english {
            let values: Vec<(&'static str, Value)> = variables
                .iter()
                .map(|key| {
                    (&*key.clone().leak(), if key == "before" { Value::Number(3) } else { Value::Data("x-1".into()) })
                })
                .collect();
            let mut errors = Vec::new();
            let message = language.bundle().get_message(name).unwrap_or_else(|| panic!("{language:?}: {name}"));
            let mut args = FluentArgs::new();
            values.iter().for_each(|(key, _)| args.set(*key, FluentValue::from(2)));
            language.bundle().format_pattern(message.value().unwrap(), Some(&args), &mut errors);
            assert!(errors.is_empty(), "{language:?} {name}: {errors:?}");
            assert!(!language.phrase(name, &values).contains("{$"), "{language:?} {name}");
        }
    }
}

/// A name in the source that no file defines would be said as it is.
#[test]
fn what_is_said_is_there_and_what_is_there_is_said() {
    let (english, mut said, mut written) = (phrases(Language::English), BTreeSet::new(), BTreeSet::new());
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("phrases/tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                said.extend(text.split("Phrases::new(").skip(1).flat_map(names));
                written.extend(text.split('"').map(str::to_owned));
            }
        }
    }
    let there: BTreeSet<String> = english.into_keys().collect();
    assert_eq!(said.difference(&there).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(there.difference(&written).collect::<Vec<_>>(), [""; 0]);
}

/// The names between the parentheses: one, or those of a `match` or an `if`.
fn names(rest: &str) -> Vec<String> {
    let mut depth = 1;
    let inside: String = rest
        .chars()
        .take_while(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth > 0
        })
        .collect();
    inside.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn numbers_have_their_forms() {
    let seats = |answered: u64, before: u64| Phrases::new("seats").count("answered", answered).count("before", before);
    assert_eq!(seats(1, 0).in_english(), "One other is being answered; you are next.");
    assert_eq!(seats(2, 1).in_english(), "2 others are being answered; one is before you in line.");
    assert_eq!(seats(3, 4).said_in(Language::German), "Gerade wird 3 anderen geantwortet; vor dir warten noch 4.");
    assert!(seats(3, 4).said_in(Language::Arabic).contains("قيد الإجابة: 3"));
}

#[test]
fn a_value_keeps_its_direction_and_ends_nothing() {
    let alarm = |host: &str| Phrases::new("alarm-secret").with("host", host);
    assert_eq!(alarm("evil.test").in_english(), "a real secret was on its way to evil.test");
    assert_eq!(alarm("evil.test").said_in(Language::Arabic), "كان سر حقيقي في طريقه إلى \u{2068}evil.test\u{2069}");
    assert_eq!(alarm("\u{5d0}.test").in_english(), "a real secret was on its way to \u{2068}\u{5d0}.test\u{2069}");
    let tricky = alarm("\u{2069}\u{202e}x{ $host }").said_in(Language::Arabic);
    assert!(tricky.ends_with("\u{2068}x{ $host }\u{2069}"), "{tricky:?}");
}

#[test]
fn phrases_are_put_together() {
    let why = Phrases::new("owner-finds").saying("why", Phrases::new("start-no-engine"));
    let all = Phrases::new("sandbox-not-started").saying("why", why).line(Phrases::new("stopped")).and("As is.");
    assert_eq!(
        all.in_english(),
        "The sandbox could not be started: the container engine is not running; the owner finds the whole of it in the \
         daemon's log\nStopped. As is."
    );
    assert!(
        all.said_in(Language::German)
            .starts_with("Die Sandbox ließ sich nicht starten: die Container-Engine läuft nicht;")
    );
    assert_eq!(Phrases::default().line("x").in_english(), "x");
}

#[test]
fn a_language_has_a_code() {
    assert_eq!(Language::parse("de"), Ok(Language::German));
    assert!(Language::parse("fr").unwrap_err().contains("\"ar\""));
}
