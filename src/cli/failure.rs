//! A command's failure: the text for a person, and the exit code.

use std::process::ExitCode;

use desk::Problems;

use super::show::{self, Screen, Styled, Tone};

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    code: u8,
}

/// Refused or failed: exit code 1.
pub fn refused(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: 1 }
}

/// The command line is wrong: exit code 2.
pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: 2 }
}

/// The environment is wrong (no engine, home in use, no space): exit code 3.
pub fn environment(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: 3 }
}

/// A person interrupted it: 130, as a shell reports a command ended by SIGINT.
pub(super) fn broken_off(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: 130 }
}

impl Failure {
    /// Prints it on stderr and returns the exit code.
    pub fn tell(&self) -> ExitCode {
        // A closed pipe (`doorward audit | head`) is not a failure.
        if self.error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        show::aside(Tone::Bad.of("doorward:") + " " + self.words());
        ExitCode::from(self.code)
    }

    /// What went wrong. A file's problems are drawn with its lines.
    fn words(&self) -> Styled {
        let Some(problems) = self.error.chain().find_map(|error| error.downcast_ref::<Problems>()) else {
            return Styled::from(in_words(&self.error));
        };
        let before = self.error.chain().take_while(|error| !error.is::<Problems>());
        let before: String = before.map(|error| format!("{error}:\n")).collect();
        Styled::from(before) + show::report_on(problems, Screen::stderr())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&in_words(&self.error))
    }
}

/// An error with its causes, without those that it already includes.
pub(super) fn in_words(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Most failures in a command are refusals.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        refused(error)
    }
}

/// Help and version go to stdout with 0, everything else to stderr with 2.
pub(super) fn command_line(answer: &clap::Error) -> ExitCode {
    show::about_the_line(answer);
    let mut words = std::env::args();
    if answer.use_stderr() && words.any(|word| word == "exec") && words.all(|word| word != "--") {
        show::aside("\nWrite `--` before the command:  doorward exec GROUP -- ls -l");
    }
    if answer.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read a.toml: {source}; nothing was changed")]
    struct Unread {
        source: std::io::Error,
    }

    #[test]
    fn no_cause_is_said_twice() {
        let unread = || Unread { source: std::io::Error::other("the disk is gone") };
        assert_eq!(refused(unread()).to_string(), "cannot read a.toml: the disk is gone; nothing was changed");
        let around = anyhow::Error::new(unread()).context("the policy of family");
        assert_eq!(
            in_words(&around),
            "the policy of family: cannot read a.toml: the disk is gone; nothing was changed"
        );
        let plain = anyhow::Error::new(std::io::Error::other("the disk is gone")).context("cannot read a.toml");
        assert_eq!(in_words(&plain), "cannot read a.toml: the disk is gone");
    }
}
