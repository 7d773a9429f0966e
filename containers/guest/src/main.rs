//! `doorward-guest`: without arguments, pid 1 of a sandbox; `mcp` speaks MCP over stdin and stdout for an agent;
//! `attack NAME …` runs one attack of the owner's drill; `archive` is a hook for Claude Code.

use std::process::ExitCode;

use doorward_guest::{agents, attack, claude, mcp, session};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        None => session::run(),
        Some("mcp") => mcp::run(),
        Some("attack") => attack::run(&args.collect::<Vec<_>>()),
        Some("archive") => match claude::archive() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                agents::complain(&format!("the conversation was not archived: {error}"));
                // Not 2, which would keep Claude Code from going on.
                ExitCode::from(1)
            }
        },
        Some(other) => {
            agents::complain(&format!("there is no command {other:?}; the guest is started by Doorward itself"));
            ExitCode::from(2)
        }
    }
}
