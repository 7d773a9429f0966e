//! `doorward up`: the daemon in the foreground.

use std::pin::pin;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, environment, log, progress, refused, show};
use crate::config;
use crate::daemon::{Daemon, DaemonError};
use crate::gateway::GatewayError;
use crate::home::Home;

/// Run the daemon in the foreground until it is interrupted.
///
/// It answers what comes in over the channels, each group in a sandbox of its own
/// whose only way out is its door. When it ends, every door is shut and every sandbox
/// is removed; what was being answered is settled at the next start.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  doorward up                  log to the terminal
  doorward up --json-logs      one line of JSON for each event, for a log collector

RUST_LOG chooses what is logged, e.g. RUST_LOG=doorward=debug.")]
pub struct UpArgs {
    /// Log as JSON, one line an event
    #[arg(long)]
    json_logs: bool,
}

pub(super) async fn run(home: &Home, args: UpArgs) -> Result<ExitCode, Failure> {
    let _log = log::begin(home, args.json_logs)?;
    if let (_, Some(unknown)) = config::local_zone() {
        tracing::warn!("{unknown}");
    }
    leave_no_core();
    // From here on, so that a signal between two steps does not end the process in the middle of one.
    let mut asked_to_stop = pin!(interrupted());
    let daemon = tokio::select! {
        started = progress::while_waiting("starting", Daemon::start(home)) => started.map_err(failed)?,
        () = &mut asked_to_stop => {
            show::aside("Stopped before it had started.");
            return Ok(ExitCode::SUCCESS);
        }
    };
    greet(home, &daemon)?;
    tokio::select! {
        () = asked_to_stop => show::aside("Stopping: shutting doors, removing sandboxes."),
        () = daemon.asked_to_end() => show::aside("Stopping, as asked over the control socket."),
    }
    let again = interrupted();
    tokio::select! {
        () = progress::while_waiting("stopping", daemon.stop()) => Ok(ExitCode::SUCCESS),
        // A hanging engine must not keep a person waiting. Every door is shut when the process ends, and the remains on
        // the engine are removed at the next start.
        () = again => {
            show::aside("Ended at once; what is left on the container engine is removed at the next start.");
            Ok(ExitCode::from(1))
        }
    }
}

/// A crash must not write memory, and thus secrets, to a file or pass it to a program: where cores are piped to one, a
/// limit of 0 is ignored, but a limit of 1 prevents it (core(5)).
fn leave_no_core() {
    let nothing = Rlimit { current: Some(1), maximum: Some(1) };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::warn!(error = %error, "Core dumps not turned off");
    }
}

/// Why no daemon started, with an exit code for the kind: a wrong configuration or version is the owner's to mend (1),
/// everything else is the environment (3).
pub(super) fn failed(error: DaemonError) -> Failure {
    match error {
        DaemonError::Config(_) | DaemonError::Newer(_) => refused(error),
        DaemonError::Gateway(GatewayError::ExtraCa { .. } | GatewayError::Crl { .. } | GatewayError::Tls(_)) => {
            refused(error)
        }
        _ => environment(error),
    }
}

/// Resolves on Ctrl-C, SIGTERM or SIGHUP, including one between this call and the first poll. Where signals cannot be
/// caught, they end the process.
pub(super) fn interrupted() -> impl Future<Output = ()> {
    let listen = |kind| signal(kind).ok();
    let listening = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(listen);
    let wait = async |signals: Option<Signal>| match signals {
        Some(mut signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    };
    async move {
        let [interrupt, terminate, hangup] = listening.map(wait);
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
            () = hangup => {}
        }
    }
}

fn greet(home: &Home, daemon: &Daemon) -> anyhow::Result<()> {
    let facts = daemon.facts();
    let mut text = format!("Doorward serves {home} on {}; sandboxes at once: {}.\n", facts.engine, facts.cap);
    if facts.orphans > 0 {
        text += &format!("Removed what an earlier daemon left behind; sandboxes: {}.\n", facts.orphans);
    }
    if let Some(note) = &facts.upgraded {
        text += &format!("{note}\n");
    }
    let groups = daemon.groups()?;
    if groups.is_empty() {
        text += "There is no group yet. In another terminal: doorward chat";
    } else {
        let names: Vec<String> = groups.iter().map(|group| format!("{} ({})", group.name, group.channel)).collect();
        text += &format!("Groups: {}.\n", names.join(", "));
        text += &format!("In another terminal: doorward chat --group {}", groups[0].name);
    }
    Ok(show::line(text)?)
}
