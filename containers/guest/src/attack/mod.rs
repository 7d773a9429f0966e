//! The inner half of the owner's drill: one raw attack from inside the sandbox, reported in one
//! line of JSON.
//!
//! It uses none of the image's tools, so that a missing `curl` is not taken for a closed door.
//! Whether anything *arrived* is judged by the canary outside.

use std::{io::Write, process::ExitCode};

use serde::Serialize;

mod apart;
mod files;
mod http;
mod memory;
mod network;
mod system;

/// The result of an attack.
pub(crate) type Outcome = Result<String, String>;

#[derive(Serialize)]
struct Report<'a> {
    attack: &'a str,
    succeeded: bool,
    detail: String,
}

/// Runs the attack named by the arguments. The exit code is 0 when it ran, whatever the result, and
/// 2 when there is no such attack.
pub fn run(args: &[String]) -> ExitCode {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(outcome) = perform(&args) else {
        crate::agents::complain(&format!("there is no attack {:?}, or its arguments are missing", args.join(" ")));
        return ExitCode::from(2);
    };
    let succeeded = outcome.is_ok();
    let detail = outcome.unwrap_or_else(|failure| failure);
    let report = Report { attack: args[0], succeeded, detail };
    let Ok(line) = serde_json::to_string(&report) else { return ExitCode::FAILURE };
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// `Ok` in the outcome is the attacker's success. `None`: not an attack.
fn perform(args: &[&str]) -> Option<Outcome> {
    Some(match args {
        ["tcp" | "tcp6", address, text @ ..] => network::tcp(address, text),
        ["udp", address, text @ ..] => network::udp(address, text),
        ["icmp", address] => network::icmp(address),
        ["dns", server, name] => network::dns(server, name),
        ["vsock"] => system::vsock(),
        ["io_uring"] => system::io_uring(),
        ["aio"] => system::aio(),
        ["hold"] => apart::hold(),
        ["locks"] => apart::locks(),
        ["room"] => apart::room(),
        ["large-file", bytes] => apart::large_file(bytes),
        ["ptrace"] => system::ptrace(),
        ["mount"] => system::mount(),
        ["unix", path] => files::unix(path),
        ["sockets"] => files::sockets(),
        ["files", paths @ ..] => files::readable(paths),
        ["door-replace"] => files::door_replace(),
        ["environ", pattern] => memory::environ(pattern),
        ["raw-http", bytes] => http::raw(bytes),
        _ => return None,
    })
}
