//! `doorward stop`: ends what runs for a group, at once.

use std::process::ExitCode;

use policies::GroupName;

use super::{Failure, environment, group, progress, refused, show};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::home::Home;
use crate::store::StoreError;

/// Stop everything that runs for a group, at once: its sandbox, its doors, its `exec`s.
///
/// Works whatever the group's policy file looks like. What was being answered is told
/// to its chat and not repeated; the next message starts the group again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  doorward stop family")]
pub struct StopArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
}

/// Runs the command.
pub(super) async fn run(home: &Home, args: StopArgs) -> Result<ExitCode, Failure> {
    let stopped = stop(home, &args.group).await?;
    if stopped != Some(true) && group::open_store(home)?.group(&args.group)?.is_none() {
        return Err(refused(StoreError::NoGroup(args.group.to_string())));
    }
    match stopped {
        None => show::line("No daemon runs for this home, so no sandbox has an open door.")?,
        Some(true) => show::line(format!("Stopped {}.", args.group))?,
        Some(false) => show::line(format!("Nothing ran for {}.", args.group))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether anything ran; `None` where no daemon serves the home.
pub(super) async fn stop(home: &Home, group: &GroupName) -> Result<Option<bool>, Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else { return Ok(None) };
    let request = Request::Stop { group: group.to_string() };
    match progress::while_waiting("stopping the sandbox", client.ask(&request)).await? {
        (Answer::Stopped { was_running }, _) => Ok(Some(was_running)),
        _ => Err(ClientError::Unexpected.into()),
    }
}
