//! `doorward task add`

use std::process::ExitCode;

use anyhow::anyhow;
use jiff::Timestamp;
use policies::GroupName;

use super::super::{change, times};
use super::{Failure, LONGEST, not_changed, open_store, show, shown, tell_daemon, usage};
use crate::home::Home;
use crate::schedule::{Kind, Missed, Schedule, zone_name};
use crate::store::{Context, MadeBy, NewTask, Word};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("time").required(true).args(["cron", "every", "at"])))]
pub(super) struct AddArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// What its agent is to do; for a shell, the command
    prompt: String,
    /// When: a cron line of five fields, as "0 7 * * 1-5" (07:00 from Monday to Friday)
    #[arg(long, value_name = "LINE")]
    cron: Option<String>,
    /// When: again and again after this time, as 15m or 2h
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// When: once, as "2026-12-01 09:00", or 09:00 for the next one
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The time zone that this goes by; without a word, yours ([assistant] time_zone)
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// What the agent knows: `group`, the group's conversation, or `isolated`, nothing but the task, in a sandbox of
    /// its own
    #[arg(long, value_name = "WHAT", default_value = "group", value_parser = Context::NAMES)]
    context: String,
    /// What becomes of times at which nothing ran: `skip` leaves them out, `once` does the last one, `all` does each,
    /// the last ten at most
    #[arg(long, value_name = "WHAT", default_value = "once", value_parser = Missed::NAMES)]
    missed: String,
    /// A command for the sandbox that is run first: where it writes nothing, there is nothing to do, and no model is
    /// asked
    #[arg(long, value_name = "COMMAND")]
    gate: Option<String>,
    /// Say when it would be due, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// As JSON, one line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(home: &Home, args: &AddArgs) -> Result<ExitCode, Failure> {
    let groups = change::registered(home)?;
    if !groups.contains(&args.group) {
        return Err(change::no_group(&args.group, &groups));
    }
    let new = new_task(args)?;
    if args.dry_run {
        show::line(shown::when(&new.schedule, Timestamp::now()) + "\nNothing was made (--dry-run).")?;
        return Ok(ExitCode::SUCCESS);
    }
    let task = open_store(home)?.add_task(&new, &Word::of_the_owner()).map_err(not_changed)?;
    let told = tell_daemon(home).await;
    match args.json {
        true => show::json(&shown::described(&task))?,
        false => show::line(format!(
            "Task {} of {}: {}\n`doorward task cancel {}` ends it.",
            task.id.0,
            task.what.group,
            shown::when(&task.what.schedule, Timestamp::now()),
            task.id.0
        ))?,
    }
    told.map(|()| ExitCode::SUCCESS)
}

fn new_task(args: &AddArgs) -> Result<NewTask, Failure> {
    for (what, text) in [("the prompt", Some(&args.prompt)), ("--gate", args.gate.as_ref())] {
        if text.is_some_and(|text| text.trim().is_empty()) {
            return Err(usage(anyhow!("{what} is empty; say what is to be done")));
        }
        if text.is_some_and(|text| text.len() > LONGEST) {
            return Err(usage(anyhow!(
                "{what} is longer than {} KiB; put what is longer into a file of the group's folder",
                LONGEST >> 10
            )));
        }
    }
    let (kind, value, flag) = match (&args.cron, &args.every, &args.at) {
        (Some(line), ..) => (Kind::Cron, line, "--cron"),
        (_, Some(every), _) => (Kind::Interval, every, "--every"),
        (.., Some(at)) => (Kind::Once, at, "--at"),
        _ => return Err(usage(anyhow!("say when: --cron, --every or --at"))),
    };
    let zone = match &args.zone {
        Some(zone) => zone.clone(),
        None => zone_name(&times::zone())
            .ok_or_else(|| usage(anyhow!("your time zone has no name; say it with --zone, as Europe/Berlin")))?
            .to_owned(),
    };
    let schedule = Schedule::read(kind, value, &zone, Timestamp::now());
    Ok(NewTask {
        group: args.group.clone(),
        prompt: args.prompt.clone(),
        schedule: schedule.map_err(|why| usage(anyhow!("{flag}: {why}")))?,
        context: Context::named(&args.context).unwrap_or_default(),
        missed: Missed::named(&args.missed).unwrap_or_default(),
        gate: args.gate.clone(),
        made_by: MadeBy::Owner,
    })
}
