//! docs/exits.md names every place where the daemon's process reaches out.

use std::ops::Range;

use crate::reading::{Path, Reader, Said};
use crate::shipped::shipped;
use crate::source::Source;

/// What reaches out, as it is written in this house: a call, or the library that makes it. Who connects to
/// what listens is answered, so that counts too.
const WORDS: [&str; 15] = [
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket::bind",
    "UnixStream::connect",
    "UnixDatagram",
    "TcpListener::bind",
    "UnixListener::bind",
    "Command::new",
    "CommandExt",
    "Docker::connect",
    "TokioRuntimeProvider",
    "lookup_host",
    "to_socket_addrs",
    "HttpConnector",
    "rustix::net",
];

/// What of the above another name could hide, an import's or a type's.
const RENAMED: [&str; 15] = [
    "Command",
    "CommandExt",
    "TcpListener",
    "TcpSocket",
    "TcpStream",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixSocket",
    "UnixStream",
    "Docker",
    "HttpConnector",
    "ToSocketAddrs",
    "TokioRuntimeProvider",
    "lookup_host",
];

/// Libraries of free functions, whose names say nothing without the library's: an import of them is looked for.
const LIBRARIES: [&str; 4] = ["rustix::net", "nix::sys::socket", "socket2", "libc"];

/// What of a library only goes on with a connection that is there, or names a constant.
const HARMLESS: [&str; 4] = ["RecvFlags", "Shutdown", "recv", "shutdown"];

/// Exits that the page does not name, and rows of the page for which there is none.
pub fn differing(sources: &[Source], page: &str) -> Vec<String> {
    let there: Vec<_> = sources.iter().flat_map(there).collect();
    let unnamed = there
        .iter()
        .filter(|(_, row, _)| !page.contains(row))
        .map(|(place, _, word)| format!("{place}: `{word}` is an exit that docs/exits.md does not name"));
    let named = page.lines().filter(|line| line.starts_with("| `"));
    let gone = named
        .filter(|line| !there.iter().any(|(_, row, _)| line.starts_with(row)))
        .map(|line| format!("docs/exits.md: no such exit any more: {line}"));
    unnamed.chain(gone).collect()
}

/// The exits of a file: the place of each, its row, its word.
fn there(source: &Source) -> Vec<(String, String, &'static str)> {
    let mut words = Vec::new();
    for (line, text) in source.shipping() {
        // An import alone reaches nowhere: what is called by its last name is found there, and another name is
        // refused (`renamed`).
        let reaches = |word: &&&str| text.contains(**word) && !text.trim_start().starts_with("use ");
        words.extend(WORDS.iter().filter(reaches).map(|word| (line, *word)));
    }
    // Of a library of functions the import counts too: what they are called by later does not name it.
    let leaves = imports(source).into_iter();
    let connects = leaves.filter(|(_, _, name)| name.as_deref().is_none_or(|name| !HARMLESS.contains(&name)));
    words.extend(connects.filter_map(|(line, path, _)| library(&path).map(|library| (line, library))));
    words.into_iter().map(|(line, word)| (format!("{}:{line}", source.path), row(&source.path, word), word)).collect()
}

/// Other names for what reaches out, by an import or as a type. A library's type that the page names may stand for
/// what its trait calls it.
pub fn renamed(source: &Source, page: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut found = |line: usize| {
        findings.push(format!("{}:{line}: what reaches out goes by its own name", source.path));
    };
    for (line, path, name) in imports(source) {
        let other = name.as_ref().is_some_and(|name| path.last() != Some(name) && name != "_");
        if other && (reaches(&path) || library(&path).is_some()) {
            found(line);
        }
    }
    for (line, text) in source.shipping() {
        if text.trim_start().trim_start_matches("pub ").starts_with("type ") {
            let of = text.split_once('=').map_or("", |(_, of)| of.trim().trim_end_matches(';'));
            let last = of.rsplit("::").next().unwrap_or(of);
            if RENAMED.contains(&last) && !page.contains(&row(&source.path, last)) {
                found(line);
            }
        }
    }
    findings
}

/// Whether a path ends at something of the list, or goes through it.
fn reaches(path: &Path) -> bool {
    path.iter().any(|segment| RENAMED.contains(&segment.as_str()))
}

/// The library of free functions that a path leads into, or to.
fn library(path: &Path) -> Option<&'static str> {
    let path = path.join("::");
    LIBRARIES.into_iter().find(|library| path == **library || path.starts_with(&format!("{library}::")))
}

/// Every leaf of every `use` that ships, in inline modules too: its line, its path, its name (a glob has none).
fn imports(source: &Source) -> Vec<(usize, Path, Option<String>)> {
    if source.path.ends_with("/tests.rs") || source.path.contains("/tests/") {
        return Vec::new();
    }
    let text = shipped(&source.text);
    let reader = Reader::new(&text);
    let mut leaves = Vec::new();
    let mut open: Vec<Range<usize>> = vec![reader.whole()];
    while let Some(range) = open.pop() {
        for (line, said) in reader.said(range) {
            match said {
                Said::Import { path, name, .. } => leaves.push((line, path, name)),
                Said::Inline { inside, .. } => open.push(inside),
                _ => {}
            }
        }
    }
    leaves
}

/// Where the lint against reaching out is switched off, and docs/exits.md names no exit of that
/// file. (`std::env::var` is under the same lint, and reaches nowhere.)
pub fn allowed(source: &Source, page: &str) -> Vec<String> {
    let lines = source.shipping();
    let is_allowed = |text: &str| text.contains("clippy::disallowed") || text.contains("clippy::all");
    let is_named = page.contains(&format!("| `{}` |", source.path));
    let mut findings = Vec::new();
    for (at, (line, text)) in lines.iter().enumerate().filter(|(_, (_, text))| is_allowed(text)) {
        let reads_environment = lines[at..].iter().take(12).any(|(_, text)| text.contains("env::var"));
        let of_a_file = text.trim_start().starts_with("#![");
        if of_a_file && !text.contains("disallowed_types") {
            findings.push(format!("{}:{line}: the lint is switched off for more than one function", source.path));
        } else if !is_named && !reads_environment {
            findings.push(format!("{}:{line}: the lint is switched off, and docs/exits.md names no exit", source.path));
        }
    }
    findings
}

fn row(path: &str, word: &str) -> String {
    format!("| `{path}` | `{word}` |")
}

#[test]
fn an_exit_without_a_row_is_found_and_a_row_without_an_exit() {
    let source = Source::new("src/a.rs", "use std::net::TcpStream;\nlet to = TcpStream::connect(address)?;\n");
    let row = "| `src/a.rs` | `TcpStream::connect` | there |\n";
    assert!(differing(&[source], row).is_empty());
    let source =
        Source::new("src/a.rs", "let to = UdpSocket::bind(address)?;\n#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n");
    assert_eq!(differing(&[source], row).len(), 2);
}

/// What a library's function is called by says nothing of the library.
#[test]
fn a_function_of_a_library_is_found_where_it_is_imported() {
    let found = |text: &str| differing(&[Source::new("src/a.rs", text)], "").len();
    for text in [
        "use rustix::net::connect;\n",
        "use rustix::net::{RecvFlags, recv, sendto};\n",
        "use rustix::{fs::open, net::socket};\n",
        "use rustix::net::*;\n",
        "use rustix::net;\n",
        "use libc::connect;\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    assert_eq!(found("use rustix::net::{RecvFlags, Shutdown, recv, shutdown};\nuse rustix::fs::open;\n"), 0);
    let page = "| `src/a.rs` | `rustix::net` | x |\n";
    let source = Source::new("src/a.rs", "use rustix::net::connect;\n");
    assert!(differing(&[source], page).is_empty());
}

#[test]
fn another_name_and_a_lint_switched_off_are_found() {
    let found = |text: &str| renamed(&Source::new("src/a.rs", text), "").len();
    for text in [
        "use tokio::net::{TcpStream as Way, UnixStream};\n",
        "use std::process::Command as Run;\n",
        "use std::net::TcpStream\n    as\n    T;\n",
        "use std::{net::{TcpStream as T, IpAddr}, io};\n",
        "pub use std::os::unix::net::UnixListener as Ear;\n",
        "fn a() {\n    use tokio::net::UdpSocket as U;\n}\n",
        "mod inside {\n    use tokio::net::TcpListener as L;\n}\n",
        "use rustix::net as n;\n",
        "use rustix::{net as n, fs};\n",
        "use rustix::net::connect as c;\n",
        "use tokio::net::lookup_host as look;\n",
        "type Way = tokio::net::TcpStream;\n",
        "pub type Way = TcpStream;\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in [
        "use tokio::net::TcpStream;\nlet a = socket as u8;\n",
        "use std::net as addresses;\n",
        "use std::os::unix::process::CommandExt as _;\n",
        "type Kept = Vec<TcpStream>;\n",
        "// use std::net::TcpStream as T;\nlet a = \"use std::net::TcpStream as T;\";\n",
        "#[cfg(test)]\nmod tests {\n    use std::net::TcpStream as T;\n}\n",
    ] {
        assert_eq!(found(text), 0, "{text}");
    }
    let provider = "impl A for B {\n    type RuntimeProvider = TokioRuntimeProvider;\n}\n";
    assert_eq!(found(provider), 1);
    assert!(renamed(&Source::new("src/a.rs", provider), "| `src/a.rs` | `TokioRuntimeProvider` | x |\n").is_empty());
    let page = "| `src/a.rs` | `Command::new` | x |\n";
    let off = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn a() {}\n";
    assert_eq!(allowed(&Source::new("src/b.rs", off), page).len(), 1);
    assert_eq!(allowed(&Source::new("src/a.rs", off), page).len(), 0);
    assert_eq!(allowed(&Source::new("src/a.rs", &off.replace("#[", "#![")), page).len(), 1);
    let reads = "#[expect(clippy::disallowed_methods)]\nfn a() {\n    std::env::var(\"A\");\n}\n";
    assert_eq!(allowed(&Source::new("src/b.rs", reads), page).len(), 0);
}
