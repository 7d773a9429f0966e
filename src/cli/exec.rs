//! `doorward exec`: a command in a fresh sandbox of a group.

use std::process::ExitCode;
use std::time::Duration;

use containers::{Engine, Exec, TerminalSize};
use policies::GroupName;
use rustix::termios::{self, OptionalActions, Termios};

use super::{Failure, change, environment, progress, reach, refused, show, up};
use crate::config::Config;
use crate::control::client::ClientError;
use crate::control::protocol::{Answer, Request};
use crate::home::Home;

/// Run a command in a sandbox of a group: its folder, its door, its surrogates.
///
/// The sandbox is a fresh one and is removed when the command ends. The command's exit
/// code is passed on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward exec family -- sh -c 'ip addr; cat /proc/net/route; env'
  doorward exec family -- bash")]
pub struct ExecArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(super) async fn run(home: &Home, args: ExecArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(home)?;
    change::registered_group(home, &args.group)?;
    let mut reached = reach::daemon(home).await?;
    let done = tokio::select! {
        done = in_sandbox(&config, &mut reached, &args) => done,
        // As a shell reports a command ended by SIGINT.
        () = up::interrupted() => Ok(ExitCode::from(130)),
    };
    reached.leave().await;
    done
}

async fn in_sandbox(config: &Config, reached: &mut reach::Reached<'_>, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let request = Request::Exec { group: args.group.to_string() };
    let client = reached.client().await?;
    let (answer, mut held) = progress::while_waiting("starting a sandbox", client.ask(&request)).await?;
    let Answer::Sandbox { container } = answer else { return Err(ClientError::Unexpected.into()) };
    let engine = Engine::connect(config.engine.host.as_deref()).await.map_err(environment)?;
    let raw = if show::is_interactive() { RawTerminal::enter() } else { None };
    let exec = Exec { argv: &args.command, terminal: raw.as_ref().map(RawTerminal::size) };
    let ran = tokio::select! {
        ran = engine.exec(&container, exec, tokio::io::stdin(), tokio::io::stdout(), tokio::io::stderr()) => ran,
        () = held.closed() => {
            drop(raw);
            return Err(gone());
        }
    };
    drop(raw);
    // Killed: by itself, or with its sandbox, which is then gone at once.
    if matches!(ran, Ok(137)) && tokio::time::timeout(LET_GO, held.closed()).await.is_ok() {
        return Err(gone());
    }
    // Exit codes are 0 to 255; anything else is a failure.
    Ok(ExitCode::from(u8::try_from(ran?).unwrap_or(1)))
}

/// How long the daemon may take to notice that a sandbox has ended.
const LET_GO: Duration = Duration::from_secs(2);

fn gone() -> Failure {
    refused(anyhow::anyhow!(
        "the sandbox is gone: the group was stopped, it keeps more than it may (docs/sandbox.md, \"Disk\"), or the \
         daemon ended"
    ))
}

/// The caller's terminal in raw mode; restored when dropped.
struct RawTerminal {
    before: Termios,
    size: TerminalSize,
}

impl RawTerminal {
    fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        let before = termios::tcgetattr(&stdin).ok()?;
        let window = termios::tcgetwinsize(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(RawTerminal { before, size: TerminalSize { rows: window.ws_row, columns: window.ws_col } })
    }

    fn size(&self) -> TerminalSize {
        self.size
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
