//! `doorward doctor`: is everything there, and if not, what to do.

mod chats;
mod checks;
mod engine;
mod folders;
mod held;
mod keys;
mod machine;
mod mend;
mod others;
mod tasks;

use std::process::ExitCode;

use serde::Serialize;

use super::show::{Styled, Tone};
use super::{Failure, show};
use crate::home::Home;

use mend::Mend;

/// Check that everything is there, and say how to mend what is not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 everything is fine (there may be warnings), 3 something is broken.")]
pub struct DoctorArgs {
    /// Do what can do no harm: take away from others what is yours alone
    #[arg(long)]
    fix: bool,
    /// As JSON, one line
    #[arg(long)]
    json: bool,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    /// The subject.
    what: String,
    state: State,
    /// The finding.
    found: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// The part of it that can be done automatically.
    #[serde(skip)]
    mend: Option<Mend>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Fine,
    /// It was wrong until `--fix`.
    Fixed,
    Warning,
    Broken,
}

pub(super) async fn run(home: &Home, args: DoctorArgs) -> Result<ExitCode, Failure> {
    let mut checks = checks::all(home).await;
    if args.fix {
        checks.iter_mut().for_each(Check::mend);
    }
    if args.json {
        show::json(&checks)?;
    } else {
        for check in &checks {
            show::line(check.line())?;
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let broken = count(State::Broken);
    let begins = !home.main_db().exists();
    if !args.json {
        show::line(
            Styled::from("\n")
                + match (broken, count(State::Warning)) {
                    (0, 0) if begins => {
                        Tone::Good.of("Everything is there. `doorward setup` comes next: there is no group yet.")
                    }
                    (0, 0) => Tone::Good.of("Everything is there."),
                    (0, _) => Tone::Warning.of("Nothing is broken, but see the warnings above."),
                    (1, _) => Tone::Bad.of("One thing is broken."),
                    (more, _) => Tone::Bad.of(&format!("{more} things are broken.")),
                },
        )?;
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// What the owner has locked or paused, and how to end that: for commands without a daemon.
pub(super) fn held(home: &Home) -> String {
    let line = |check: Check| format!("\n{}; `{}` ends that", check.found, check.fix.unwrap_or_default());
    held::check(home).into_iter().map(line).collect()
}

impl Check {
    fn fine(what: impl Into<String>, found: impl Into<String>) -> Self {
        Check { what: what.into(), state: State::Fine, found: found.into(), fix: None, mend: None }
    }

    fn warning(what: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Check { what: what.into(), state: State::Warning, found: found.into(), fix: Some(fix.into()), mend: None }
    }

    fn broken(what: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Check { what: what.into(), state: State::Broken, found: found.into(), fix: Some(fix.into()), mend: None }
    }

    /// It can be mended automatically.
    fn mended_by(self, mend: Mend) -> Self {
        Check { mend: Some(mend), ..self }
    }

    /// Mends what can be mended; the rest stays as found.
    fn mend(&mut self) {
        let Some(mend) = self.mend.take() else { return };
        match mend.done() {
            Ok(()) => (self.state, self.fix) = (State::Fixed, None),
            Err(error) => self.found += &format!(" (and could not be mended: {error})"),
        }
    }

    fn line(&self) -> Styled {
        let mark = match self.state {
            State::Fine => Tone::Good.of("ok") + "     ",
            State::Fixed => Tone::Good.of("FIXED") + "  ",
            State::Warning => Tone::Warning.of("warning"),
            State::Broken => Tone::Bad.of("BROKEN") + " ",
        };
        let fix = self.fix.as_ref().map(|fix| format!("\n         fix: {}", fix.replace('\n', "\n              ")));
        let found = self.found.replace('\n', "\n         ");
        mark + format!("  {}: {found}{}", self.what, fix.unwrap_or_default())
    }
}
