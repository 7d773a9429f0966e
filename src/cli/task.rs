//! `doorward task`: scheduled work for agents.

mod add;
mod change;
mod shown;

use std::process::ExitCode;

use anyhow::anyhow;

use super::{Failure, environment, group, refused, show, usage};
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::home::Home;
use crate::store::{NotChanged, Store, Task, TaskId};

/// Have a group's agent do something at a time: once, or again and again
///
/// A task is a prompt of its group's, sent when it is due; the answer goes to the group's chat. Agents can make
/// tasks too, for their own group; the chat hears of each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward task add family \"What is on today?\" --cron \"0 7 * * 1-5\"
  doorward task add family \"The dentist!\" --at \"2026-12-01 09:00\"
  doorward task add ops \"What broke?\" --every 15m --gate \"cat alerts\"
  doorward task list
  doorward task show 3
  doorward task run-now 3

Exit codes: 0; 1 where a task is not there, or is over; 2 where a time cannot be read.")]
pub struct TaskArgs {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TaskCommand {
    /// Make a task
    Add(Box<add::AddArgs>),
    /// List the tasks that are to come
    List(shown::ListArgs),
    /// Show a task, and how it went
    Show(shown::ShowArgs),
    /// Have a task rest until it is resumed; what lies in between is not made up for
    Pause(change::ChangeArgs),
    /// Have a paused task go on
    Resume(change::ChangeArgs),
    /// End a task for good
    Cancel(change::ChangeArgs),
    /// Have a task carried out now, beside its times
    RunNow(change::ChangeArgs),
}

pub(super) async fn run(home: &Home, args: TaskArgs) -> Result<ExitCode, Failure> {
    match args.command {
        TaskCommand::Add(args) => add::run(home, &args).await,
        TaskCommand::List(args) => shown::list(home, &args),
        TaskCommand::Show(args) => shown::show(home, &args),
        TaskCommand::Pause(args) => change::run(home, &args, change::Change::Pause).await,
        TaskCommand::Resume(args) => change::run(home, &args, change::Change::Resume).await,
        TaskCommand::Cancel(args) => change::run(home, &args, change::Change::Cancel).await,
        TaskCommand::RunNow(args) => change::run(home, &args, change::Change::RunNow).await,
    }
}

/// The longest prompt and the longest gate, in bytes.
pub(super) const LONGEST: usize = 16 << 10;

fn open_store(home: &Home) -> Result<Store, Failure> {
    Ok(group::open_store(home)?)
}

fn the_task(store: &Store, number: u64) -> Result<Task, Failure> {
    store
        .task(TaskId(number))?
        .ok_or_else(|| refused(anyhow!("there is no task {number}; `doorward task list --all` shows those there are")))
}

fn not_changed(error: NotChanged) -> Failure {
    refused(error)
}

/// Tells the daemon, so that it need not poll.
pub(super) async fn tell_daemon(home: &Home) -> Result<(), Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else {
        show::aside("No daemon runs for this home: tasks are carried out while `doorward up` runs.");
        return Ok(());
    };
    client.ask(&Request::LookAtTasks {}).await?;
    Ok(())
}
