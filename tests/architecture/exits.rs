//! docs/exits.md names every place where the daemon's process reaches out.

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

/// What of the above an import could give another name, under which nobody would find it.
const RENAMED: [&str; 9] = [
    "Command",
    "CommandExt",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "Docker",
    "ToSocketAddrs",
];

/// Exits that the page does not name, and rows of the page for which there is none.
pub fn differing(sources: &[Source], page: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut there = Vec::new();
    for source in sources {
        for (line, text) in source.shipping() {
            // An import alone reaches nowhere; what is called by its last name is found there.
            let reaches = |word: &&&str| text.contains(**word) && !text.trim_start().starts_with("use ");
            for word in WORDS.iter().filter(reaches) {
                let row = row(&source.path, word);
                if !page.contains(&row) {
                    findings
                        .push(format!("{}:{line}: `{word}` is an exit that docs/exits.md does not name", source.path));
                }
                there.push(row);
            }
        }
    }
    let named = page.lines().filter(|line| line.starts_with("| `"));
    findings.extend(
        named
            .filter(|line| !there.iter().any(|row| line.starts_with(row)))
            .map(|line| format!("docs/exits.md: no such exit any more: {line}")),
    );
    findings
}

/// Imports that give another name to what reaches out.
pub fn renamed(source: &Source) -> Vec<String> {
    let is_renamed = |text: &str| RENAMED.iter().any(|name| text.contains(&format!("{name} as ")));
    let lines = source.shipping().into_iter().filter(|(_, text)| is_renamed(text));
    lines.map(|(line, _)| format!("{}:{line}: what reaches out goes by its own name", source.path)).collect()
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

#[test]
fn another_name_and_a_lint_switched_off_are_found() {
    let found = |text: &str| renamed(&Source::new("src/a.rs", text)).len();
    assert_eq!(found("use tokio::net::{TcpStream as Way, UnixStream};\nuse std::process::Command as Run;\n"), 2);
    assert_eq!(found("use tokio::net::TcpStream;\nlet a = socket as u8;\n"), 0);
    let page = "| `src/a.rs` | `Command::new` | x |\n";
    let off = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn a() {}\n";
    assert_eq!(allowed(&Source::new("src/b.rs", off), page).len(), 1);
    assert_eq!(allowed(&Source::new("src/a.rs", off), page).len(), 0);
    assert_eq!(allowed(&Source::new("src/a.rs", &off.replace("#[", "#![")), page).len(), 1);
    let reads = "#[expect(clippy::disallowed_methods)]\nfn a() {\n    std::env::var(\"A\");\n}\n";
    assert_eq!(allowed(&Source::new("src/b.rs", reads), page).len(), 0);
}
