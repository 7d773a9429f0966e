//! `doorward task list` and `show`

use std::process::ExitCode;

use desk::screen::{on_screen, quotation, text_on_screen};
use jiff::Timestamp;
use policies::GroupName;
use serde_json::json;

use super::super::show::{Styled, Tone};
use super::super::times;
use super::{Failure, open_store, show as screen, the_task};
use crate::home::Home;
use crate::schedule::Schedule;
use crate::store::{Fired, FiringState, Task, TaskState};

/// How many characters of a prompt a listing shows.
const PROMPT_SHOWN: usize = 60;

/// How many lines of a task's history are shown.
const MOST_SHOWN: u32 = 20;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only of this group
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    /// As JSON, one line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Its number
    number: u64,
    /// As JSON, one line
    #[arg(long)]
    json: bool,
}

pub(super) fn list(home: &Home, args: &ListArgs) -> Result<ExitCode, Failure> {
    let tasks = open_store(home)?.tasks(args.group.as_ref(), args.all)?;
    if args.json {
        screen::json(&tasks.iter().map(described).collect::<Vec<_>>())?;
    } else if tasks.is_empty() {
        screen::line("There is no task. `doorward task add` makes one.")?;
    } else {
        let rows: Vec<Vec<String>> = tasks.iter().map(row).collect();
        screen::line(screen::table(&["task", "group", "when", "next", "what"], &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(home: &Home, args: &ShowArgs) -> Result<ExitCode, Failure> {
    let store = open_store(home)?;
    let task = the_task(&store, args.number)?;
    let fired = store.fired(task.id, MOST_SHOWN)?;
    if args.json {
        let mut all = described(&task);
        all["history"] = fired.iter().map(history).collect();
        screen::json(&all)?;
    } else {
        screen::line(words(&task, &fired))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `each weekday at 07:00 (Europe/Berlin), next 2026-11-30 07:00.`
pub(super) fn when(schedule: &Schedule, now: Timestamp) -> String {
    let next = schedule.next(now, now).map(|next| format!(", next {}", schedule.shows(next)));
    let next = next.filter(|_| schedule.recurs()).unwrap_or_default();
    format!("{} ({}){next}.", schedule.words().in_english(), schedule.zone_name())
}

fn row(task: &Task) -> Vec<String> {
    let what = &task.what;
    let next = match (task.state, task.plan.next) {
        (TaskState::Active, Some(next)) => what.schedule.shows(next),
        (state, _) => state.name().to_owned(),
    };
    let when = format!("{} ({})", what.schedule.words().in_english(), what.schedule.zone_name());
    vec![task.id.0.to_string(), what.group.to_string(), on_screen(&when), next, quotation(&what.prompt, PROMPT_SHOWN)]
}

/// A task for programs.
pub(super) fn described(task: &Task) -> serde_json::Value {
    let what = &task.what;
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    json!({
        "task": task.id.0,
        "group": what.group,
        "prompt": what.prompt,
        "kind": what.schedule.kind().name(),
        "schedule": what.schedule.value(),
        "time_zone": what.schedule.zone_name(),
        "context": what.context.name(),
        "missed": what.missed.name(),
        "gate": what.gate,
        "made_by": what.made_by.name(),
        "state": task.state.name(),
        "why": task.why,
        "failures": task.failures,
        "created_at_ms": task.created_at,
        "last_due_ms": millis(task.plan.last),
        "next_due_ms": millis(task.plan.next.filter(|_| task.state == TaskState::Active)),
    })
}

fn history(fired: &Fired) -> serde_json::Value {
    json!({
        "due_at_ms": fired.due_at,
        "state": fired.state.name(),
        "ended_at_ms": fired.ended_at,
        "outcome": fired.outcome,
        "run": fired.run.map(|run| run.0),
    })
}

fn words(task: &Task, fired: &[Fired]) -> Styled {
    let what = &task.what;
    let mut lines = vec![format!("  when      {} ({})", what.schedule.words().in_english(), what.schedule.zone_name())];
    lines.push(match (task.state, task.plan.next, &task.why) {
        (TaskState::Active, Some(next), _) => format!("  next      {}", what.schedule.shows(next)),
        (state, _, Some(why)) => format!("  state     {}: {why}", state.name()),
        (state, ..) => format!("  state     {}", state.name()),
    });
    lines.push(format!("  context   {}", what.context.name()));
    lines.push(format!("  missed    {}", what.missed.name()));
    lines.push(format!("  made by   the {}", what.made_by.name()));
    lines.extend(what.gate.iter().map(|gate| format!("  gate      {}", on_screen(gate))));
    lines.extend(text_on_screen(&what.prompt).lines().map(|line| format!("    {line}").trim_end().to_owned()));
    if !fired.is_empty() {
        lines.push("How it went, the last first:".to_owned());
    }
    lines.extend(fired.iter().map(went));
    Styled::from(format!("Task {} of ", task.id.0)) + Tone::Strong.of(what.group.as_str()) + "\n" + lines.join("\n")
}

fn went(fired: &Fired) -> String {
    let how = match fired.state {
        FiringState::Open if fired.run.is_some() => "under way, or tried again",
        FiringState::Open => "waits",
        FiringState::Done => "done",
        FiringState::Nothing => "nothing to do",
        FiringState::Failed => "failed",
        FiringState::Stopped => "stopped",
        FiringState::Missed => "left out",
    };
    let run = fired.run.map(|run| format!(" (run {})", run.0)).unwrap_or_default();
    let outcome = fired.outcome.as_ref().map(|outcome| format!(": {}", on_screen(outcome))).unwrap_or_default();
    format!("  {}  {how}{run}{outcome}", times::time(fired.due_at, &times::zone()))
}
