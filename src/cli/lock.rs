//! `doorward lock` and `unlock`: shuts every door at once, until the owner opens it here.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::{Failure, change, environment, refused, show};
use crate::absence;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::gateway::latch::{self, LatchFile};
use crate::home::Home;
use crate::store::EVERY_GROUP;

/// Shut every door at once, of one group or of all: nothing goes out any more.
///
/// What is in flight is cut, tunnels included. It holds over restarts, until `doorward
/// unlock`. From the main group's chat, `lock` and `lock GROUP` do the same; unlocking is
/// possible on this machine alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  doorward lock\n  doorward lock family")]
pub struct LockArgs {
    /// The group; all where none is named
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
}

/// Open again what `lock` has shut.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  doorward unlock\n  doorward unlock family")]
pub struct UnlockArgs {
    /// The group; all where none is named
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
}

pub(super) async fn lock(home: &Home, args: LockArgs) -> Result<ExitCode, Failure> {
    // `lock all` is `lock`, as in the owner's chat.
    let group = args.group.filter(|group| !EVERY_GROUP.contains(&group.as_str()));
    // An unreadable store must not keep anybody from locking.
    if let (Some(group), Ok(groups)) = (&group, change::registered(home))
        && !groups.contains(group)
    {
        return Err(change::no_group(group, &groups));
    }
    let request = Request::Lock { group: group.as_ref().map(ToString::to_string) };
    match Client::connect(home).await.map_err(environment)? {
        Some(client) => match client.ask(&request).await? {
            (Answer::Locked {}, _) => {}
            _ => return Err(ClientError::Unexpected.into()),
        },
        None => {
            home.prepare()?;
            let file = LatchFile::at(home.latch_file());
            file.write(&latch::with(&file.read().0, group.as_ref())).map_err(environment)?;
        }
    }
    let (what, again) = match &group {
        Some(group) => (format!("every door of {group}"), format!("doorward unlock {group}")),
        None => ("every door".to_owned(), "doorward unlock".to_owned()),
    };
    show::line(format!("Locked: {what} is shut, and what was in flight is cut.\n`{again}` opens it again."))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn unlock(home: &Home, args: UnlockArgs) -> Result<ExitCode, Failure> {
    // A lock that a removed group left can be released.
    if let (Some(group), Ok(groups)) = (&args.group, change::registered(home))
        && !groups.contains(group)
        && !left_locked(home, group)
    {
        return Err(change::no_group(group, &groups));
    }
    let request = Request::Unlock { group: args.group.as_ref().map(ToString::to_string) };
    let was_locked = match Client::connect(home).await.map_err(environment)? {
        Some(client) => match client.ask(&request).await? {
            (Answer::Unlocked { was_locked }, _) => was_locked,
            _ => return Err(ClientError::Unexpected.into()),
        },
        None => {
            let file = LatchFile::at(home.latch_file());
            let (locked, _) = file.read();
            let open = latch::without(&locked, args.group.as_ref()).map_err(|why| refused(anyhow!(why)))?;
            absence::heard_without_a_daemon(&home.absence_file()).map_err(environment)?;
            if open != locked {
                file.write(&open).map_err(environment)?;
            }
            open != locked
        }
    };
    let what = args.group.map_or_else(|| "Every group".to_owned(), |group| group.to_string());
    show::line(match was_locked {
        true => format!("{what} is unlocked: its policy holds again."),
        false => "Nothing of that was locked.".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a group's own lock is stored.
pub(super) fn left_locked(home: &Home, group: &GroupName) -> bool {
    LatchFile::at(home.latch_file()).read().0.groups.contains(group)
}
