//! What other processes of the sandbox would reveal.

use std::{fs, io::Read};

use super::Outcome;

/// Searches every readable environment and command line for a text, and tries to open the guest's
/// memory. Reports where it was found, never what.
pub(super) fn environ(pattern: &str) -> Outcome {
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Our own command line contains the pattern, because the drill put it there.
        let files: &[&str] = if pid == std::process::id() { &["environ"] } else { &["environ", "cmdline"] };
        for file in files {
            let path = format!("/proc/{pid}/{file}");
            if fs::read(&path).is_ok_and(|bytes| contains(&bytes, pattern.as_bytes())) {
                found.push(path);
            }
        }
    }
    for path in ["/proc/1/mem", "/proc/1/environ"] {
        if fs::File::open(path).is_ok_and(|mut file| path.ends_with("mem") || file.read(&mut [0; 1]).is_ok()) {
            found.push(format!("{path} can be opened"));
        }
    }
    if found.is_empty() { Err("not found; the guest's memory is closed".into()) } else { Ok(found.join(", ")) }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there() {
        assert!(contains(b"A=1\0TOKEN=abc\0", b"abc"));
        assert!(!contains(b"A=1", b"abc"));
        assert!(!contains(b"A=1", b""));
    }
}
