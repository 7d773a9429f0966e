//! Invalid policies, one file per broken rule, and the errors that their owner reads.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use policies::GroupName;
use policy_file::{Problems, Source};

fn each_file(folder: &str, mut check: impl FnMut(&str, Source)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        check(name, Source { name: "family.toml".to_owned(), text: std::fs::read_to_string(&path).unwrap() });
    }
}

fn snapshot(name: &str, text: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

fn group() -> GroupName {
    GroupName::parse("family").unwrap()
}

#[test]
fn each_broken_rule_is_told() {
    each_file("invalid", |name, source| {
        let problems: Problems = policy_file::compile(&group(), &source, None).expect_err(name);
        assert!(!problems.is_empty());
        snapshot(name, problems.to_string());
    });
}

#[test]
fn base_only_takes_away() {
    let own = Source { name: "family.toml".to_owned(), text: String::new() };
    each_file("invalid-base", |name, mut base| {
        base.name = "base.toml".to_owned();
        let problems = policy_file::compile(&group(), &own, Some(&base)).expect_err(name);
        snapshot(name, problems.to_string());
    });
}

/// Two credentials for one host are fine as long as no request gets both.
#[test]
fn credentials_for_different_requests_stand_side_by_side() {
    let compile = |text| policy_file::compile(&group(), &Source { name: "family.toml".to_owned(), text }, None);
    let with = |extra: &str, name: &str| format!("[[allow]]\nhost = \"a.test\"\ncredential = \"{name}\"\n{extra}\n");
    for (one, other) in [
        ("do = [\"GET /x\"]", "do = [\"POST /x\"]"),
        ("do = [\"GET /x\"]\nports = [443]", "do = [\"GET /x\"]\nports = [8443]"),
        ("do = [\"GET /x\"]\nquery = { a = \"1\" }", "do = [\"GET /x\"]\nquery = { a = \"2\" }"),
    ] {
        let both = compile(with(one, "first") + &with(other, "second"));
        assert_eq!(both.unwrap_or_else(|problems| panic!("{problems}")).policy.credentials().len(), 2);
    }
    let twice = with("do = [\"GET /x\"]", "first") + &with("do = [\"GET /x\", \"GET /y\"]", "second");
    let problems = compile(twice).unwrap_err();
    assert!(problems.to_string().contains("this [[allow]] puts second on a request on which"), "{problems}");
}

/// What miette needs to show the line: source, place and help.
#[test]
fn problems_are_diagnostics() {
    use miette::Diagnostic;
    let text = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\nwhi = \"x\"\n";
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    let problems = policy_file::compile(&group(), &source, None).unwrap_err();
    let [problem] = &problems.0[..] else { panic!("{problems}") };
    assert_eq!(problem.to_string(), "[[allow]] has no key `whi`");
    assert_eq!(problem.position(), (4, 1));
    assert_eq!((problem.file(), problem.help()), ("family.toml", Some("did you mean `why`?")));
    let label = problem.labels().unwrap().next().unwrap();
    let shown = problem.source_code().unwrap().read_span(label.inner(), 0, 0).unwrap();
    assert_eq!((shown.name(), shown.data()), (Some("family.toml"), &b"whi"[..]));
}
