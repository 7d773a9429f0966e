//! docs/exits.md names every place where the daemon's process reaches out.

use crate::attributes;
use crate::naming::Code;
use crate::reading::Path;

/// What reaches out, as it is written in this house: a call, or the type that makes it. Who connects to
/// what listens is answered, so that counts too.
pub const WORDS: [&str; 19] = [
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket::bind",
    "UnixStream::connect",
    "UnixSocket",
    "UnixDatagram",
    "TcpListener::bind",
    "UnixListener::bind",
    "Command::new",
    "CommandExt",
    "Docker::connect",
    "TokioRuntimeProvider",
    "TokioResolver",
    "builder_tokio",
    "lookup_host",
    "to_socket_addrs",
    "GaiResolver",
    "HttpConnector",
    "pidfd_getfd",
];

/// What of the above another name could hide, an import's or a type's.
const RENAMED: [&str; 17] = [
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
    "GaiResolver",
    "HttpConnector",
    "ToSocketAddrs",
    "TokioResolver",
    "TokioRuntimeProvider",
    "lookup_host",
];

/// Libraries whose functions' names say nothing without the library's: each path through one is looked at.
const LIBRARIES: [&str; 5] = ["rustix::net", "nix::sys::socket", "socket2", "libc", "hyper_util::client::legacy"];

/// What of a library only goes on with a connection that is there, or names a constant.
const HARMLESS: [&str; 4] = ["RecvFlags", "Shutdown", "recv", "shutdown"];

/// Exits that the page does not name, and rows of the page for which there is none.
pub fn differing(codes: &[Code], page: &str) -> Vec<String> {
    let there: Vec<_> = codes.iter().flat_map(there).collect();
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

/// The exits of a file: the place of each, its row, its word. An import of a call's type alone reaches nowhere.
fn there(code: &Code) -> Vec<(String, String, &'static str)> {
    let words = WORDS.iter().flat_map(|word| code.says(word).into_iter().map(move |line| (line, *word)));
    let imports = code.imports.iter().map(|(line, path, _)| (*line, path));
    let paths = imports.chain(code.paths.iter().map(|(line, path)| (*line, path)));
    let connects = paths.filter(|(_, path)| path.last().is_none_or(|name| !HARMLESS.contains(&name.as_str())));
    let through = connects.filter_map(|(line, path)| library(path).map(|library| (line, library)));
    let found = words.chain(through);
    found.map(|(line, word)| (format!("{}:{line}", code.path), row(&code.path, word), word)).collect()
}

/// Other names for what reaches out, by an import or as a type, and a library that goes by another name or by none.
/// A type that the page names for a file may stand there for what its trait calls it.
pub fn renamed(code: &Code, page: &str) -> Vec<String> {
    let names: Vec<_> = RENAMED.into_iter().filter(|name| !page.contains(&row(&code.path, name))).collect();
    let mut lines = code.renamed(&names);
    let hides = |path: &Path, name: &Option<String>| match name {
        Some(name) => path.last() != Some(name) && name != "_" && leads_to_library(path),
        None => leads_to_library(path) && library(path).is_none(),
    };
    lines.extend(code.imports.iter().filter(|(_, path, name)| hides(path, name)).map(|(line, ..)| *line));
    let linked = code.words.windows(2).filter(|pair| pair[0].text == "extern" && pair[1].text == "crate");
    lines.extend(linked.map(|pair| pair[0].line));
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().map(|line| format!("{}:{line}: what reaches out goes by its own name", code.path)).collect()
}

/// The library of functions that a path leads into, or to.
fn library(path: &Path) -> Option<&'static str> {
    let path = path.join("::");
    LIBRARIES.into_iter().find(|library| path == **library || path.starts_with(&format!("{library}::")))
}

/// Into one, to one, or to what one is a part of.
fn leads_to_library(path: &Path) -> bool {
    let part = format!("{}::", path.join("::"));
    library(path).is_some() || LIBRARIES.iter().any(|library| library.starts_with(&part))
}

/// Where the lint against reaching out is switched off, and the function does nothing of what docs/exits.md says of
/// that file. (`std::env::var` is under the same lint, and reaches nowhere.)
pub fn allowed(code: &Code, page: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let rows = |word: &&&str| page.contains(&row(&code.path, word));
    let named: Vec<_> = WORDS.iter().chain(&LIBRARIES).filter(rows).copied().chain(["env::var"]).collect();
    for off in attributes::switched_off(code).into_iter().filter(|off| off.lint.starts_with("clippy::disallowed")) {
        let item = Code::read(&code.path, &off.item);
        let does = named.iter().any(|word| !item.says(word).is_empty());
        let why = if off.of_file && off.lint != "clippy::disallowed_types" {
            "for more than one function"
        } else if !does {
            "and docs/exits.md names no exit that is there"
        } else {
            continue;
        };
        findings.push(format!("{}:{}: the lint is switched off {why}", code.path, off.line));
    }
    findings
}

/// What `.clippy.toml` forbids and is not searched for here: the one would find it under any name, the other where the
/// lint is off.
pub fn not_searched_for(lints: &str) -> Vec<String> {
    let forbidden = lints.split("path = \"").skip(1).filter_map(|after| after.split('"').next());
    let forbidden = forbidden.filter(|path| !path.starts_with("std::env::"));
    let is_searched_for = |path: &&str| {
        let is_word = WORDS.iter().any(|word| path.contains(&format!("::{word}")));
        is_word || library(&path.split("::").map(str::to_owned).collect()).is_some()
    };
    forbidden.filter(|path| !is_searched_for(path)).map(|path| format!(".clippy.toml: no search for {path}")).collect()
}

fn row(path: &str, word: &str) -> String {
    format!("| `{path}` | `{word}` |")
}

#[test]
fn an_exit_without_a_row_is_found_and_a_row_without_an_exit() {
    let source = Code::read("src/a.rs", "use std::net::TcpStream;\nlet to = TcpStream::connect(address)?;\n");
    let row = "| `src/a.rs` | `TcpStream::connect` | there |\n";
    assert!(differing(&[source], row).is_empty());
    let source =
        Code::read("src/a.rs", "let to = UdpSocket::bind(address)?;\n#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n");
    assert_eq!(differing(&[source], row).len(), 2);
}

/// What a library's function is called by says nothing of the library.
#[test]
fn a_function_of_a_library_is_found_where_it_is_imported() {
    let found = |text: &str| differing(&[Code::read("src/a.rs", text)], "").len();
    for text in [
        "use rustix::net::connect;\n",
        "use rustix::net::{RecvFlags, recv, sendto};\n",
        "use rustix::{fs::open, net::socket};\n",
        "use rustix::net::*;\n",
        "use rustix::net;\n",
        "use libc::connect;\n",
        "fn a() {\n    libc::connect(b);\n}\n",
        "use hyper_util::client::legacy::Client;\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    assert_eq!(found("fn a() {\n    rustix::net::shutdown(b);\n}\n"), 0);
    assert_eq!(found("use rustix::net::{RecvFlags, Shutdown, recv, shutdown};\nuse rustix::fs::open;\n"), 0);
    let page = "| `src/a.rs` | `rustix::net` | x |\n";
    let source = Code::read("src/a.rs", "use rustix::net::connect;\n");
    assert!(differing(&[source], page).is_empty());
}

#[test]
fn another_name_and_a_lint_switched_off_are_found() {
    let found = |text: &str| renamed(&Code::read("src/a.rs", text), "").len();
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
        "use rustix as r;\n",
        "use rustix::{self as r};\n",
        "use rustix::*;\n",
        "use hyper_util::client as c;\n",
        "extern crate rustix as r;\n",
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
    assert!(renamed(&Code::read("src/a.rs", provider), "| `src/a.rs` | `TokioRuntimeProvider` | x |\n").is_empty());
}

/// One function with an exit does not switch the lint off for its neighbour.
#[test]
fn a_lint_that_is_switched_off_without_an_exit_is_found() {
    let page = "| `src/a.rs` | `Command::new` | x |\n";
    let found = |path: &str, text: &str| allowed(&Code::read(path, text), page).len();
    let off = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn a() {\n    Command::new(b);\n}\n";
    assert_eq!(found("src/b.rs", off), 1);
    assert_eq!(found("src/a.rs", off), 0);
    assert_eq!(found("src/a.rs", &off.replace("#[", "#![")), 1);
    let beside = "#[allow(clippy::disallowed_methods)]\nfn b() {\n    TcpStream::connect(c);\n}\n";
    assert_eq!(found("src/a.rs", &format!("{off}{beside}")), 1);
    let reads = "#[expect(clippy::disallowed_methods)]\nfn a() {\n    std::env::var(\"A\");\n}\n";
    assert_eq!(found("src/b.rs", reads), 0);
    let near = "#[expect(clippy::disallowed_methods)]\nfn a() {}\nfn b() {\n    std::env::var(\"A\");\n}\n";
    assert_eq!(found("src/b.rs", near), 1);
}

#[test]
fn what_the_lint_forbids_and_no_search_finds_is_found() {
    let lints =
        "{ path = \"std::net::TcpStream::connect_timeout\" }, { path = \"std::env::var\" }, { path = \"a::Way::new\" }";
    assert_eq!(not_searched_for(lints).len(), 1);
}
