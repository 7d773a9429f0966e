//! `doorward mount`: the owner's folders that a group's sandboxes see.

use std::process::ExitCode;

use policies::GroupName;
use serde_json::json;

use super::show::{Styled, Tone};
use super::{Failure, change, refused, show};
use crate::config::Access;
use crate::home::Home;
use crate::sandboxes::mounts::{self, Report};

/// Check which folders of yours the groups' sandboxes see.
///
/// A group's file names them, and doorward.toml says below which folders it may: see docs/sandbox.md. What holds keys,
/// logins, sockets or Doorward's own is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward mount check
  doorward mount check family
  doorward mount check --json

Exit codes: 0 all can be mounted, 1 one is refused: the group's sandbox does not start.")]
pub struct MountArgs {
    #[command(subcommand)]
    command: MountCommand,
}

#[derive(Debug, clap::Subcommand)]
enum MountCommand {
    /// Look at each mount as the start of a sandbox does, and say what to do
    Check {
        /// One group; all of them where nothing is said
        #[arg(value_parser = GroupName::parse)]
        group: Option<GroupName>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(home: &Home, args: MountArgs) -> Result<ExitCode, Failure> {
    let MountCommand::Check { group, json } = args.command;
    if let Some(group) = &group {
        change::known_group(home, group)?;
    }
    let groups = match group {
        Some(group) => vec![group],
        None => change::registered(home)?,
    };
    let mut all = Vec::new();
    for group in groups {
        let reports = mounts::check(home, &group).map_err(refused)?;
        all.extend(reports.into_iter().map(|report| (group.clone(), report)));
    }
    let is_refused = all.iter().any(|(_, report)| report.looked.is_err());
    if json {
        show::json(&all.iter().map(|(group, report)| described(group, report)).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        show::line("No group's sandbox sees a folder of yours. docs/sandbox.md says how to give it one.")?;
    } else {
        for (group, report) in &all {
            show::line(line(group, report))?;
        }
    }
    Ok(if is_refused { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn line(group: &GroupName, report: &Report) -> Styled {
    let mount = &report.mount;
    let place =
        format!("  {group}: {} at {}/{}, {}", mount.path.display(), containers::EXTRA, mount.name, way(mount.access));
    match &report.looked {
        Ok(seen) => {
            let hints: String = seen.hints.iter().map(|hint| format!("\n         {hint}")).collect();
            Tone::Good.of("ok") + format!("     {place}\n         {} files and folders{hints}", seen.entries)
        }
        Err(refused) => {
            Tone::Bad.of("REFUSED") + format!("{place}\n         {}\n         fix: {}", refused.why, refused.fix)
        }
    }
}

fn way(access: Access) -> &'static str {
    match access {
        Access::Read => "read only",
        Access::Write => "read and write",
        Access::Copy => "a copy",
    }
}

fn described(group: &GroupName, report: &Report) -> serde_json::Value {
    let mount = &report.mount;
    let access = match mount.access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Copy => "copy",
    };
    let (entries, hints) = report.looked.as_ref().map_or((None, &[][..]), |seen| (Some(seen.entries), &seen.hints));
    let refused = report.looked.as_ref().err();
    json!({
        "group": group,
        "path": mount.path,
        "name": mount.name,
        "access": access,
        "entries": entries,
        "hints": hints,
        "refused": refused.map(|refused| &refused.why),
        "fix": refused.map(|refused| &refused.fix),
    })
}
