//! `doorward stop`: ends whatever runs for a group, at once.

use std::process::ExitCode;

use policies::GroupName;

use super::{Failure, change, environment, progress, show};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::home::Home;

/// Stop everything that runs for a group, at once: its sandbox, its doors, its `exec`s.
///
/// Works whatever the group's policy file looks like. What was being answered is told
/// to its chat and not repeated; the next message starts the group again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  doorward stop family\n  doorward stop --all")]
pub struct StopArgs {
    /// The group
    #[arg(value_parser = GroupName::parse, required_unless_present = "all")]
    group: Option<GroupName>,
    /// Every group, one after the other
    #[arg(long, conflicts_with = "group")]
    all: bool,
}

pub(super) async fn run(home: &Home, args: StopArgs) -> Result<ExitCode, Failure> {
    // An unreadable store must not keep anybody from stopping.
    let groups = change::registered(home);
    let named = match (args.group, groups) {
        (Some(group), Ok(groups)) if !groups.contains(&group) => return Err(change::no_group(&group, &groups)),
        (Some(group), _) => vec![group],
        (None, groups) => groups?,
    };
    if named.is_empty() {
        show::line("There is no group, so nothing runs.")?;
    }
    let mut failed = None;
    for group in named {
        match stop(home, &group).await {
            Ok(None) => {
                show::line("No daemon runs for this home, so no sandbox has an open door.")?;
                break;
            }
            Ok(Some(true)) => show::line(format!("Stopped {group}."))?,
            Ok(Some(false)) => show::line(format!("Nothing ran for {group}."))?,
            // The others are stopped all the same.
            Err(failure) => {
                if let Some(earlier) = failed.replace(failure) {
                    earlier.tell();
                }
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Returns whether anything was running; `None` if no daemon serves the home.
pub(super) async fn stop(home: &Home, group: &GroupName) -> Result<Option<bool>, Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else { return Ok(None) };
    let request = Request::Stop { group: group.to_string() };
    match progress::while_waiting("stopping the sandbox", client.ask(&request)).await? {
        (Answer::Stopped { was_running }, _) => Ok(Some(was_running)),
        _ => Err(ClientError::Unexpected.into()),
    }
}
