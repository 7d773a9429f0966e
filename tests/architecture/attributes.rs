//! Which lints are switched off where: by attributes, by manifests, by what cargo is told.

use toml::{Table, Value};

use crate::modules::Tree;
use crate::naming::Code;
use crate::shipped::{closing, item_end};
use crate::tokens::tokens;

/// Lints that say nothing of what reaches out. A group's name is none of them: `clippy::style` is the lint's own.
const OTHERS: [&str; 11] = [
    "clippy::cast_possible_truncation",
    "clippy::cast_sign_loss",
    "clippy::large_enum_variant",
    "clippy::print_stderr",
    "clippy::print_stdout",
    "clippy::should_implement_trait",
    "clippy::trivially_copy_pass_by_ref",
    "dead_code",
    "deprecated",
    "missing_docs",
    "unreachable_pub",
];

/// One lint that an attribute switches off.
pub struct Off {
    pub line: usize,
    pub lint: String,
    /// `#![…]`.
    pub of_file: bool,
    /// What it stands on, or all of the file.
    pub item: String,
}

/// All of them in what ships.
pub fn switched_off(code: &Code) -> Vec<Off> {
    let text = &code.text;
    let all = tokens(text);
    let word = |at: usize| all.get(at).map_or("", |token| &text[token.start..token.end]);
    let mut found = Vec::new();
    for at in (0..all.len()).filter(|at| word(*at) == "#") {
        let of_file = word(at + 1) == "!";
        let open = at + 1 + usize::from(of_file);
        if word(open) != "[" || !["allow", "expect", "cfg_attr"].contains(&word(open + 1)) {
            continue;
        }
        let close = closing(&all, open);
        let item = if of_file {
            text.clone()
        } else {
            let end = item_end(&all, text, close + 1);
            text[all[at].start..all[end].end].to_owned()
        };
        let lists = (open..close).filter(|at| ["allow", "expect"].contains(&word(*at)) && word(at + 1) == "(");
        for list in lists {
            let inside: Vec<_> = (list + 2..closing(&all, list + 1)).map(word).collect();
            let lints = inside.split(|word| *word == ",").map(|part| part.concat());
            for lint in lints.filter(|lint| !lint.is_empty() && !lint.starts_with("reason=")) {
                found.push(Off { line: all[at].line, lint, of_file, item: item.clone() });
            }
        }
    }
    found
}

/// Lints that are switched off and may hide what reaches out, and attributes by which somebody else reads another code
/// than the compiler.
pub fn hiding(code: &Code) -> Vec<String> {
    let off = switched_off(code).into_iter();
    let off = off.filter(|off| !OTHERS.contains(&off.lint.as_str()) && !off.lint.starts_with("clippy::disallowed_"));
    let mut findings: Vec<_> =
        off.map(|off| format!("{}:{}: `{}` is switched off", code.path, off.line, off.lint)).collect();
    let text = &code.text;
    let all = tokens(text);
    let word = |at: usize| all.get(at).map_or("", |token| &text[token.start..token.end]);
    for at in 0..all.len() {
        let hidden = word(at) == "clippy" && word(at + 1) != "::" && ["(", ","].contains(&word(at.wrapping_sub(1)));
        let moved =
            word(at) == "cfg_attr" && (at..closing(&all, at + 1)).any(|at| word(at) == "path" && word(at + 1) == "=");
        if hidden || moved {
            findings.push(format!("{}:{}: an attribute that hides code from who reads it", code.path, all[at].line));
        }
    }
    findings
}

/// Manifests in which a lint is allowed or the workspace's list is not taken, and settings of cargo's that change how a
/// crate is built. In the crates of the daemon, by their folders, cargo finds each file where these tests do.
pub fn in_manifests(tree: &Tree, daemon: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree {
        let Some(folder) = path.strip_suffix("Cargo.toml") else {
            if path.ends_with(".cargo/config.toml") && !only_sets(text, "LIBSQLITE3_FLAGS") {
                findings.push(format!("{path}: a setting of cargo's that no test knows"));
            }
            continue;
        };
        let table: Table = text.parse().unwrap_or_default();
        let lints = [table.get("lints"), table.get("workspace").and_then(|workspace| workspace.get("lints"))];
        if lints.into_iter().flatten().any(allows) {
            findings.push(format!("{path}: it allows a lint"));
        }
        let is_ours = daemon.iter().any(|ours| ours == folder);
        let takes = table.get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
        if is_ours && !takes {
            findings.push(format!("{path}: it does not take the workspace's lints"));
        }
        let package = table.get("package").and_then(Value::as_table);
        let moved = package.is_some_and(|package| package.contains_key("build"))
            || table.contains_key("bin")
            || table.get("lib").is_some_and(|lib| lib.get("path").is_some());
        if is_ours && moved {
            findings.push(format!("{path}: it names files that these tests would not read"));
        }
    }
    findings
}

fn allows(level: &Value) -> bool {
    match level {
        Value::String(level) => level == "allow",
        Value::Table(table) => table.values().any(allows),
        _ => false,
    }
}

fn only_sets(text: &str, name: &str) -> bool {
    let table: Table = text.parse().unwrap_or_default();
    let environment = table.get("env").and_then(Value::as_table);
    table.len() == 1 && environment.is_some_and(|environment| environment.keys().eq([name]))
}

/// Where clippy is run and what it finds may pass.
pub fn run_leniently(script: &str) -> Vec<String> {
    let runs = script.lines().filter(|line| line.contains("cargo clippy") && !line.contains("clippy --version"));
    let passes = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let lenient = words
            .iter()
            .any(|word| ["-A", "-W", "--allow", "--warn", "--cap-lints"].iter().any(|way| word.starts_with(way)));
        lenient || !words.ends_with(&["-D", "warnings"])
    };
    runs.filter(passes).map(|line| format!("clippy is run so that something passes: {line}")).collect()
}

#[test]
fn a_lint_that_is_switched_off_by_another_name_is_found() {
    let found = |text: &str| hiding(&Code::read("src/a.rs", text)).len();
    for text in [
        "#[allow(clippy::style)]\nfn a() {}\n",
        "#![allow(warnings)]\n",
        "#[expect(clippy::all, reason = \"x\")]\nfn a() {}\n",
        "#[allow(dead_code, clippy :: style)]\nfn a() {}\n",
        "#[cfg_attr(all(), allow(clippy::style))]\nfn a() {}\n",
        "macro_rules! a { ($l:path) => { #[allow($l)] fn b() {} } }\n",
        "#[allow(renamed_and_removed_lints)]\nfn a() {}\n",
        "#[cfg(not(clippy))]\nfn a() {}\n",
        "#[cfg_attr(all(), path = \"b.rs\")]\nmod a;\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in [
        "#[expect(clippy::disallowed_methods, reason = \"x, y\")]\nfn a() {}\n",
        "#[allow(dead_code)]\nfn a() { a.expect(b); }\n",
        "#[cfg(test)]\nmod tests {\n    #![allow(clippy::all)]\n}\n",
    ] {
        assert_eq!(found(text), 0, "{text}");
    }
}

#[test]
fn a_manifest_that_changes_what_is_looked_at_is_found() {
    let found = |path: &str, text: &str| {
        in_manifests(&Tree::from([(path.to_owned(), text.to_owned())]), &["a/".to_owned()]).len()
    };
    let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";
    assert_eq!(found("a/Cargo.toml", good), 0);
    for text in [
        "[package]\nname = \"a\"\n".to_owned(),
        format!("{good}[lib]\npath = \"other.rs\"\n"),
        format!("{good}[[bin]]\nname = \"b\"\npath = \"other.rs\"\n"),
        good.replace("name", "build = \"x.rs\"\nname"),
    ] {
        assert_eq!(found("a/Cargo.toml", &text), 1, "{text}");
        assert_eq!(found("guest/Cargo.toml", &text), 0, "{text}");
    }
    assert_eq!(found("Cargo.toml", "[workspace.lints.clippy]\nstyle = \"allow\"\n"), 1);
    assert_eq!(found("guest/Cargo.toml", "[lints.clippy]\nall = { level = \"allow\", priority = -1 }\n"), 1);
    assert_eq!(found(".cargo/config.toml", "[env]\nLIBSQLITE3_FLAGS = \"x\"\n"), 0);
    assert_eq!(found(".cargo/config.toml", "[build]\nrustflags = [\"-Aclippy::style\"]\n"), 1);
    assert_eq!(run_leniently("cargo clippy --workspace -- -D warnings").len(), 0);
    assert_eq!(run_leniently("cargo clippy --workspace -- -D warnings -A clippy::style\ncargo clippy\n").len(), 2);
}
