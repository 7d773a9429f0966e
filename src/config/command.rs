//! Secrets printed by a program: `pass`, `op`, `bw` and the like.
//!
//! The command is from the owner's configuration, contains nothing from a sandbox, and is not run by a shell. Other
//! programs started outside of sandboxes: docs/exits.md.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::secret::{LONGEST, SecretUnreadable};

/// How long a program may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The words of a command: separated by blanks, kept together by quotes of either kind. Nothing else is special.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote in `command:` is not closed".to_owned());
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) {
        return Err("`command:` wants a program behind it: \"command:pass show github\"".to_owned());
    }
    Ok(words)
}

/// The program's standard output; `input` is its standard input. Its standard error is discarded: it could contain
/// anything.
pub(super) fn output(
    words: &[String],
    input: Option<&SecretString>,
    patience: Duration,
) -> Result<String, SecretUnreadable> {
    let [program, arguments @ ..] = words else { return Err(failed("", "no program is named".to_owned())) };
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let child = start(program, arguments, stdin).map_err(|error| failed(program, error.to_string()))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (done, ended) = mpsc::sync_channel(1);
    // Reading and waiting have no timeout of their own, so they run on another thread.
    let input = input.cloned();
    std::thread::spawn(move || done.send(read_to_the_end(child, input)));
    let Ok(ended) = ended.recv_timeout(patience) else {
        // It leads a process group, so its children are killed with it.
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        return Err(failed(program, format!("it gave no answer within {} seconds", patience.as_secs_f32())));
    };
    let (status, text) = ended.map_err(|error| failed(program, error.to_string()))?;
    if !status.success() {
        return Err(failed(program, format!("it ended with {status}")));
    }
    String::from_utf8(text.to_vec()).map_err(|_| failed(program, "its output is no text".to_owned()))
}

#[expect(clippy::disallowed_methods, reason = "the owner's own vault program, named in doorward.toml")]
fn start(program: &str, arguments: &[String], stdin: Stdio) -> std::io::Result<Child> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).process_group(0);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

fn read_to_the_end(mut child: Child, input: Option<SecretString>) -> std::io::Result<(ExitStatus, Zeroizing<Vec<u8>>)> {
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // It fits into the pipe; a program that does not read it reports that by its exit status.
        let _ = stdin.write_all(input.expose_secret().as_bytes());
    }
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    if let Some(stdout) = child.stdout.take() {
        // One byte more than fits, so that a longer output is noticed.
        stdout.take(LONGEST as u64 + 2).read_to_end(&mut text)?;
    }
    Ok((child.wait()?, text))
}

fn failed(program: &str, why: String) -> SecretUnreadable {
    SecretUnreadable::Command { program: program.to_owned(), why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;

    fn run(script: &str, patience: Duration) -> Result<String, String> {
        let words = ["sh", "-c", script].map(str::to_owned);
        output(&words, None, patience).map_err(|error| error.to_string())
    }

    #[test]
    fn words_are_parted_without_a_shell() {
        assert_eq!(words("pass show github").unwrap(), ["pass", "show", "github"]);
        assert_eq!(
            words(" op  read 'op://My Vault/x' \"\" a'b c'd ").unwrap(),
            ["op", "read", "op://My Vault/x", "", "ab cd"]
        );
        assert_eq!(words("echo $HOME;ls|x *").unwrap(), ["echo", "$HOME;ls|x", "*"]);
        for wrong in ["", "  ", "pass 'show", "''"] {
            words(wrong).unwrap_err();
        }
    }

    #[test]
    fn only_the_standard_output_of_a_success_counts() {
        assert_eq!(run("echo s3cret; echo noise >&2", PATIENCE).unwrap(), "s3cret\n");
        let error = run("echo s3cret; echo n0ise >&2; exit 3", PATIENCE).unwrap_err();
        assert!(error.contains("sh") && error.contains('3'), "{error}");
        assert!(!error.contains("s3cret") && !error.contains("n0ise"), "{error}");
        let missing = output(&["doorward-test-surely-missing".to_owned()], None, PATIENCE).unwrap_err().to_string();
        assert!(missing.contains("doorward-test-surely-missing"), "{missing}");
    }

    /// Even if a child still holds the output open.
    #[test]
    fn a_program_that_does_not_answer_is_killed_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > '{}'; wait", pid.display());
        let started = Instant::now();
        let error = run(&script, Duration::from_millis(500)).unwrap_err();
        assert!(error.contains("no answer"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
        let pid = std::fs::read_to_string(&pid).unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(60), "what it started lives on");
            std::thread::yield_now();
        }
    }
}
