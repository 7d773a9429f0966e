//! The schema for editors must agree with the parser. A validator for the few keywords that the
//! schema uses is included here, so that nothing external is trusted.
#![allow(clippy::unwrap_used)]

use policies::{GroupName, Limits};
use serde_json::Value;

use crate::{Source, compile, keys, presets};

fn schema() -> Value {
    serde_json::from_str(&super::schema()).unwrap()
}

/// Fails if a page differs from what the code generates; with `UPDATE=1`, writes it instead.
fn page_is(name: &str, want: impl FnOnce(&str) -> String) {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).unwrap();
    let want = want(&page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &want).unwrap();
    } else {
        assert!(page == want, "docs/{name} is not what the keys say; UPDATE=1 writes it:\n{want}");
    }
}

#[test]
fn the_schema_on_the_page_is_made_of_the_keys() {
    page_is("policy.schema.json", |_| super::schema());
}

fn replaced(page: &str, head: &str, table: &str) -> String {
    let (before, rest) = page.split_once(head).unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    format!("{before}{table}\n{after}")
}

/// The sentence of each request that a preset's tests want allowed.
fn sentences() -> String {
    let mut table = format!("{SENTENCES}| --- | --- | --- |\n");
    let group = GroupName::parse("family").unwrap();
    for name in presets::names() {
        let source = Source { name: format!("preset {name}"), text: presets::get(name).unwrap().to_owned() };
        let policy = compile(&group, &source, None).unwrap().policy;
        let origin = policies::Origin::Preset(name.into());
        let (file, _) = crate::file::read(&desk::Text::new(&source.name, &source.text), &origin);
        let mut told = std::collections::BTreeSet::new();
        for test in file.tests.iter().filter(|test| test.want == crate::table::Want::Allow) {
            let body =
                test.body.as_ref().map(|body| policies::Showing { bytes: body.as_bytes(), is_json: true, fields: &[] });
            let sentence = policy.sentence(&test.facts, body);
            if told.insert(sentence.clone()) {
                table += &format!(
                    "| `{name}` | `{} {}` | {sentence} |\n",
                    test.facts.method,
                    test.facts.url_without_query()
                );
            }
        }
    }
    table
}

const SENTENCES: &str = "| preset | request | the agent wants to |\n";

/// How the sentence begins and ends that says what stands beside `tls`.
const BESIDE_TLS: (&str, &str) = ("Only `host`, ", " can be combined with it.");

#[test]
fn the_tables_on_the_page_are_made_of_the_keys() {
    page_is("policy.md", |page| {
        let page = replaced(page, "| key | meaning |\n", &keys::table_of_allow());
        let in_table = |page: String, header: &str, table: &str| {
            let mark = format!("In `{header}`:\n\n");
            let (before, rest) = page.split_once(&mark).unwrap();
            let (_, after) = rest.split_once("\n\n").unwrap();
            format!("{before}{mark}{table}\n{after}")
        };
        let page = in_table(page, "[ask]", &keys::table_of_asking());
        let page = in_table(page, "[[say]]", &keys::table_of_say());
        let (before, rest) = page.split_once(BESIDE_TLS.0).unwrap();
        let (_, after) = rest.split_once(BESIDE_TLS.1).unwrap();
        let page = format!("{before}{}{after}", keys::sentence_of_tunnel());
        replaced(&page, SENTENCES, &sentences())
    });
}

#[test]
fn what_others_may_say_a_group_may_say() {
    for keys in [&keys::PRESET[..], &keys::BASE[..]] {
        assert!(keys.iter().all(|key| keys::GROUP.contains(key)));
    }
    assert_eq!(keys::OF_LIMITS.each_ref().map(|key| key.name), Limits::NAMES);
}

#[test]
fn presets_and_valid_policies_fit_the_schema() {
    let group = GroupName::parse("family").unwrap();
    let mut texts: Vec<String> = presets::names().into_iter().filter_map(presets::get).map(ToOwned::to_owned).collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/valid")).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for text in texts {
        let source = Source { name: "family.toml".to_owned(), text: text.clone() };
        compile(&group, &source, None).unwrap_or_else(|problems| panic!("{problems}"));
        let value = serde_json::to_value(toml::from_str::<toml::Value>(&text).unwrap()).unwrap();
        let wrong = faults(&schema(), &schema(), &value);
        assert!(wrong.is_empty(), "{wrong:?} in\n{text}");
    }
}

/// The validator finds faults: one that accepts everything would be useless.
#[test]
fn what_is_wrong_does_not_fit_the_schema() {
    for text in [
        "uses = []",
        "use = \"claude\"",
        "mode = \"permissive\"",
        "[[allow]]\naccess = \"read\"",
        "[[allow]]\nhost = \"a\"\naccess = \"write\"",
        "[[allow]]\nhost = \"a\"\nports = [\"1\"]",
        "[[allow]]\nhost = \"a\"\njson = { a = \"gone\" }",
        "[[allow]]\nhost = \"a\"\njson = { a = { without = [\"x\"] } }",
        "[[allow]]\nhost = \"a\"\njson = { a = { not = [7] } }",
        "[[deny]]\nhost = \"a\"\ntls = \"tunnel\"",
        "[[test]]\nrequest = \"x\"",
        "[[test]]\nrequest = \"x\"\nwant = \"deny\"\nat = 22",
        "[limits]\nrequests_per_minute = \"many\"",
    ] {
        let value = serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
        assert!(!faults(&schema(), &schema(), &value).is_empty(), "{text}");
    }
}

/// Where `value` does not match `schema`.
fn faults(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = root.pointer(name.strip_prefix('#').unwrap()).unwrap();
        return faults(root, definition, value);
    }
    let mut out = Vec::new();
    if let Some(choices) = schema["anyOf"].as_array()
        && !choices.iter().any(|choice| faults(root, choice, value).is_empty())
    {
        out.push(format!("{value} fits none"));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        out.push(format!("{value} is not known"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.contains(&type_of(value)) {
        out.push(format!("{value} is none of {types:?}"));
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            out.push(format!("{key} is missing"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        out.extend(faults(root, &schema["items"], item));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => out.extend(faults(root, known, inner)),
            (None, Some(Value::Bool(false))) => out.push(format!("{key} is not known")),
            (None, Some(other)) => out.extend(faults(root, other, inner)),
            (None, None) => {}
        }
    }
    out
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
