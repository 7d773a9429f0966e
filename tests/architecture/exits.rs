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
