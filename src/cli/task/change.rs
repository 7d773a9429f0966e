//! `doorward task pause`, `resume`, `cancel` and `run-now`

use std::process::ExitCode;

use anyhow::anyhow;
use jiff::Timestamp;

use super::{Failure, not_changed, open_store, refused, show, shown, tell_daemon, the_task};
use crate::home::Home;
use crate::store::{TaskChange, TaskState, Word};

#[derive(Debug, clap::Args)]
pub(super) struct ChangeArgs {
    /// Its number
    number: u64,
    /// Say what would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// As JSON, one line: the task as it is then
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Pause,
    Resume,
    Cancel,
    RunNow,
}

pub(super) async fn run(home: &Home, args: &ChangeArgs, change: Change) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    let (task, number) = (the_task(&store, args.number)?, args.number);
    let to = match change {
        Change::Pause => Some(TaskState::Paused),
        Change::Resume => Some(TaskState::Active),
        Change::Cancel => Some(TaskState::Cancelled),
        Change::RunNow => None,
    };
    let over = matches!(task.state, TaskState::Done | TaskState::Cancelled);
    if over && (to.is_some() || task.state == TaskState::Cancelled) {
        return Err(refused(anyhow!(
            "task {number} is over ({}) and does not change any more; make a new one",
            task.state.name()
        )));
    }
    if to == Some(task.state) {
        show::line(format!("Task {number} is {} already.", task.state.name()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        show::line(format!("Task {number} would {}. Nothing was changed (--dry-run).", change.would()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let task = match to {
        Some(state) => {
            let change = TaskChange { state: Some(state), ..TaskChange::default() };
            store.change_task(task.id, &change, &Word::of_the_owner()).map_err(not_changed)?
        }
        None if store.fire_now(task.id)? => task,
        None => {
            return Err(refused(anyhow!(
                "task {number} waits or runs already; `doorward task show {number}` says more"
            )));
        }
    };
    let told = tell_daemon(home).await;
    match (args.json, change) {
        (true, _) => show::json(&shown::described(&task))?,
        (_, Change::Pause) => {
            show::line(format!("Task {number} is paused. `doorward task resume {number}` has it go on."))?
        }
        (_, Change::Cancel) => show::line(format!("Task {number} is cancelled."))?,
        (_, Change::Resume) => {
            show::line(format!("Task {number} goes on: {}", shown::when(&task.what.schedule, Timestamp::now())))?;
        }
        (_, Change::RunNow) => show::line(format!(
            "Task {number} is carried out now; its answer goes to the chat of {}.",
            task.what.group
        ))?,
    }
    told.map(|()| ExitCode::SUCCESS)
}

impl Change {
    fn would(self) -> &'static str {
        match self {
            Change::Pause => "be paused",
            Change::Resume => "go on",
            Change::Cancel => "be cancelled",
            Change::RunNow => "be carried out now",
        }
    }
}
