//! `doorward pause` and `resume`: nothing starts for a while.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;

use super::ahead::Ahead;
use super::{Failure, change, environment, refused, show, times, usage};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::home::Home;
use crate::pipeline::pausing;
use crate::store::{Millis, Store, now};

/// Begin nothing for a group, or for any, until a time: messages are kept, and answered then.
///
/// What is being answered goes on to its end; `doorward stop` ends that too. Who writes
/// meanwhile is told until when. The doors stay as they are: `doorward lock` shuts them. In
/// the main group's chat, `pause 1h` and `pause GROUP 1h` do the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward pause 1h
  doorward pause family 22:00
  doorward pause family 'sat 22:00'
  doorward resume family                   sooner")]
pub struct PauseArgs {
    /// The group (all where none is named), and for how long or until when
    #[arg(required = true, num_args = 1..=2, value_name = "[GROUP] TIME")]
    what: Vec<String>,
}

/// End a pause sooner.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  doorward resume\n  doorward resume family")]
pub struct ResumeArgs {
    /// The group; all where none is named
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
}

pub(super) async fn pause(home: &Home, args: PauseArgs) -> Result<ExitCode, Failure> {
    let (group, time) = match &args.what[..] {
        [time] => (None, time),
        [group, time, ..] => (Some(GroupName::parse(group).map_err(|why| usage(anyhow!(why)))?), time),
        [] => return Err(usage(anyhow!("say for how long: `doorward pause 1h`"))),
    };
    if let Some(group) = &group {
        change::registered_group(home, group)?;
    }
    let ahead: Ahead = time.parse().map_err(|why| usage(anyhow!("{time}: {why}")))?;
    let until = ahead.after(&times::zoned_now()).map_err(usage)?.timestamp().as_millisecond();
    if until - now() > Millis::try_from(pausing::LONGEST.as_millis()).unwrap_or(Millis::MAX) {
        return Err(usage(anyhow!("a pause lasts 31 days at most; `doorward lock` shuts the doors for good")));
    }
    let request = Request::Pause { group: group.as_ref().map(ToString::to_string), until };
    match Client::connect(home).await.map_err(environment)? {
        Some(client) => match client.ask(&request).await? {
            (Answer::Paused {}, _) => {}
            _ => return Err(ClientError::Unexpected.into()),
        },
        None => store(home)?.pause(group.as_ref(), until)?,
    }
    let time = pausing::shown(until, now(), &times::zone());
    let (what, resume, stop) = match &group {
        Some(group) => (format!("{group} is paused"), format!("resume {group}"), format!("stop {group}")),
        None => ("Every group is paused".to_owned(), "resume".to_owned(), "stop --all".to_owned()),
    };
    show::line(format!(
        "{what} until {time}: messages are kept, and answered then.\n`doorward {resume}` ends it sooner. What is being \
         answered now goes on; `doorward {stop}` ends that."
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(home: &Home, args: ResumeArgs) -> Result<ExitCode, Failure> {
    let group = args.group;
    if let Some(group) = &group {
        change::registered_group(home, group)?;
    }
    let request = Request::Resume { group: group.as_ref().map(ToString::to_string) };
    let was_paused = match Client::connect(home).await.map_err(environment)? {
        Some(client) => match client.ask(&request).await? {
            (Answer::Resumed { was_paused }, _) => was_paused,
            _ => return Err(ClientError::Unexpected.into()),
        },
        None => store(home)?.resume(group.as_ref(), now())?,
    };
    if let Some(group) = &group
        && store(home)?.paused_until(group, now())?.is_some()
    {
        return Err(refused(anyhow!("{group} stays paused, as every group is; `doorward resume` ends that")));
    }
    show::line(match (was_paused, group) {
        (false, _) => "Nothing was paused.".to_owned(),
        (true, Some(group)) => format!("{group} goes on."),
        (true, None) => "Every group goes on.".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn store(home: &Home) -> Result<Store, Failure> {
    home.prepare()?;
    Ok(Store::open(&home.main_db())?)
}
