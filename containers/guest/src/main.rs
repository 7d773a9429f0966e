//! `doorward-guest`: without arguments pid 1 of a sandbox; `mcp` speaks MCP over stdin and
//! stdout for an agent; `attack NAME …` is one attack of the owner's drill.

use std::process::ExitCode;

use doorward_guest::{agents, attack, mcp, session};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        None => session::run(),
        Some("mcp") => mcp::run(),
        Some("attack") => attack::run(&args.collect::<Vec<_>>()),
        Some(other) => {
            agents::complain(&format!("there is no command {other:?}; the guest is started by Doorward itself"));
            ExitCode::from(2)
        }
    }
}
