//! `schedule_task`, `list_tasks`, `update_task`, `pause_task`, `resume_task`, `cancel_task`: future work for an agent,
//! in its own group. It changes another group's task only if the owner says yes.
//!
//! **Invariants**
//! - A task that an agent makes or changes is shown to its chat in full, in the same transaction.
//! - No agent changes another group's task without a yes to that very change.

mod elsewhere;
mod shown;

use desk::screen::quotation;
use jiff::Timestamp;
use policies::{Code, GroupName, Refusal};
use proxy::ports::Caller;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use self::shown::{comes, listed, made, task_id, task_properties};
use super::asked::{Asked, Beyond, Described};
use super::{Chats, Operations, Proof, unavailable};
use crate::channels::protocol::OutgoingKind;
use crate::phrases::Phrases;
use crate::pipeline::people::Roster;
use crate::schedule::{Kind, Missed, Schedule};
use crate::store::{
    Context, MadeBy, NewOutgoing, NewTask, NotChanged, RunId, Task, TaskChange, TaskId, TaskState, Word,
};

/// The longest prompt, in characters: its chat reads all of it.
pub(super) const PROMPT_AT_MOST: usize = 2000;

/// The longest command, in characters.
pub(super) const GATE_AT_MOST: usize = 500;

/// The note for a model about another group's task.
const ELSEWHERE: &str = "Another group's only if the owner says yes to this very change, which may take a minute.";

/// `schedule_task`, with NanoClaw's names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTask {
    /// The prompt.
    prompt: String,
    /// `cron`, `interval` or `once`.
    schedule_type: String,
    /// A cron line, a duration or a time.
    schedule_value: String,
    /// `group` (default) or `isolated`.
    context_mode: Option<String>,
    /// The owner's by default.
    time_zone: Option<String>,
    /// `once` (default), `skip` or `all`.
    missed: Option<String>,
    /// A command that decides whether there is anything to do.
    gate: Option<String>,
}

/// `update_task`: changes the fields that are given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTask {
    /// The task's number.
    #[serde(deserialize_with = "number")]
    task_id: u64,
    /// The prompt.
    prompt: Option<String>,
    /// `cron`, `interval` or `once`.
    schedule_type: Option<String>,
    /// A cron line, a duration or a time.
    schedule_value: Option<String>,
    /// `group` or `isolated`.
    context_mode: Option<String>,
    /// The name of a time zone.
    time_zone: Option<String>,
    /// `skip`, `once` or `all`.
    missed: Option<String>,
    /// The command before it; empty for none.
    gate: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseTask {
    /// The task's number.
    #[serde(deserialize_with = "number")]
    task_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeTask {
    /// The task's number.
    #[serde(deserialize_with = "number")]
    task_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelTask {
    /// The task's number.
    #[serde(deserialize_with = "number")]
    task_id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTasks {}

/// A number, quoted or not: models write both.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.trim().parse().map_err(|_| serde::de::Error::custom("`task_id` is a number")),
    }
}

impl Asked for ScheduleTask {
    fn described() -> Described {
        Described {
            what: "Has something done later, or again and again: when it is due you are given the prompt, and your answer goes \
             to this chat. The chat is told of the task, and can cancel it."
                .to_owned(),
            properties: task_properties(),
            required: &["prompt", "schedule_type", "schedule_value"],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.schedule_task(caller, proof, self)
    }
}

impl Asked for ListTasks {
    fn described() -> Described {
        Described { what: "The tasks of this group, as JSON.".to_owned(), properties: json!({}), required: &[] }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.list_tasks(caller, proof)
    }
}

impl Asked for UpdateTask {
    fn described() -> Described {
        let mut properties = task_properties();
        properties["task_id"] = task_id();
        let what = format!("Changes what is named of a task of this group. The chat is told. {ELSEWHERE}");
        Described { what, properties, required: &["task_id"] }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        operations.beyond_own_tasks(caller, self.task_id, |task| operations.would_change(caller, task, self))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.update_task(caller, proof, self)
    }
}

impl Asked for PauseTask {
    fn described() -> Described {
        Described {
            what: format!("Has a task of this group rest until it is resumed. The chat is told. {ELSEWHERE}"),
            properties: json!({ "task_id": task_id() }),
            required: &["task_id"],
        }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        operations.beyond_own_tasks(caller, self.task_id, |task| Ok(elsewhere::would_be("pause", task)))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.set_task(caller, proof, self.task_id, TaskState::Paused)
    }
}

impl Asked for ResumeTask {
    fn described() -> Described {
        Described {
            what: format!("Has a paused task of this group go on. The chat is told. {ELSEWHERE}"),
            properties: json!({ "task_id": task_id() }),
            required: &["task_id"],
        }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        operations.beyond_own_tasks(caller, self.task_id, |task| Ok(elsewhere::would_be("resume", task)))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.set_task(caller, proof, self.task_id, TaskState::Active)
    }
}

impl Asked for CancelTask {
    fn described() -> Described {
        Described {
            what: format!("Ends a task of this group for good. The chat is told. {ELSEWHERE}"),
            properties: json!({ "task_id": task_id() }),
            required: &["task_id"],
        }
    }

    fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
        operations.beyond_own_tasks(caller, self.task_id, |task| Ok(elsewhere::would_be("cancel", task)))
    }

    fn perform(&self, operations: &Operations, caller: &Caller, proof: Proof<'_>) -> Result<String, Refusal> {
        operations.set_task(caller, proof, self.task_id, TaskState::Cancelled)
    }
}

impl Operations {
    fn schedule_task(&self, caller: &Caller, _: Proof<'_>, wanted: &ScheduleTask) -> Result<String, Refusal> {
        let (chats, run) = (self.chats()?, under_way(caller)?);
        let group = &caller.identity().group;
        self.may_be_told(group, Some(&wanted.prompt), wanted.gate.as_deref())?;
        let zone = match (&wanted.time_zone, &chats.zone) {
            (Some(zone), _) | (None, Some(zone)) => zone,
            (None, None) => return Err(refuse("say the `time_zone`, like Europe/Berlin: the owner's has no name")),
        };
        let new = NewTask {
            group: group.clone(),
            prompt: wanted.prompt.clone(),
            schedule: read(&wanted.schedule_type, &wanted.schedule_value, zone)?,
            context: context(wanted.context_mode.as_deref())?.unwrap_or_default(),
            missed: missed(wanted.missed.as_deref())?.unwrap_or_default(),
            gate: wanted.gate.clone().filter(|gate| !gate.trim().is_empty()),
            made_by: MadeBy::Agent,
        };
        // Before the change, which holds the store.
        let roster = self.roster(group)?;
        let named = |task: &Task| made(Phrases::new("task-made"), &with_names(roster.as_ref(), task));
        let tell = |task: &Task| self.told(task, caller, named(task));
        let word = Word { run: Some((run, group)), tell: &tell };
        let task = chats.store.add_task(&new, &word).map_err(not_changed)?;
        chats.tasks_changed();
        Ok(format!("Task {} is made: {}. The chat is told of it.", task.id.0, comes(&task)))
    }

    fn list_tasks(&self, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let tasks = self.chats()?.store.tasks(Some(&caller.identity().group), false);
        let mut tasks = tasks.map_err(|error| unavailable(&error))?;
        if let Some(roster) = self.roster(&caller.identity().group)? {
            for task in &mut tasks {
                task.what.prompt = roster.hide(&task.what.prompt);
                task.what.gate = task.what.gate.as_deref().map(|gate| roster.hide(gate));
            }
        }
        Ok(json!({ "tasks": tasks.iter().map(listed).collect::<Vec<_>>() }).to_string())
    }

    fn update_task(&self, caller: &Caller, _: Proof<'_>, wanted: &UpdateTask) -> Result<String, Refusal> {
        let (chats, run) = (self.chats()?, under_way(caller)?);
        let task = reached_task(chats, wanted.task_id)?;
        self.may_be_told(&task.what.group, wanted.prompt.as_deref(), wanted.gate.as_deref())?;
        let change = TaskChange {
            prompt: self.understood(caller, &task, wanted.prompt.as_deref()),
            schedule: rescheduled(&task, wanted)?,
            context: context(wanted.context_mode.as_deref())?,
            missed: missed(wanted.missed.as_deref())?,
            gate: wanted.gate.clone(),
            state: None,
        };
        let roster = self.roster(&task.what.group)?;
        let named = |task: &Task| made(Phrases::new("task-changed"), &with_names(roster.as_ref(), task));
        let tell = |task: &Task| self.told(task, caller, named(task));
        let word = Word { run: Some((run, &caller.identity().group)), tell: &tell };
        let task = chats.store.change_task(task.id, &change, &word).map_err(not_changed)?;
        chats.tasks_changed();
        // The caller learns nothing more about another group's task.
        let comes = if is_own(caller, &task) { format!(": {}", comes(&task)) } else { String::new() };
        Ok(format!("Task {} is changed{comes}. {}", task.id.0, chat_is_told(caller, &task)))
    }

    /// A stand-in means somebody else in another group.
    fn understood(&self, caller: &Caller, task: &Task, prompt: Option<&str>) -> Option<String> {
        let own = is_own(caller, task);
        prompt.map(|prompt| if own { prompt.to_owned() } else { self.with_names(&caller.identity().group, prompt) })
    }

    /// Pauses, resumes or cancels.
    fn set_task(&self, caller: &Caller, _: Proof<'_>, number: u64, state: TaskState) -> Result<String, Refusal> {
        let (chats, run) = (self.chats()?, under_way(caller)?);
        let task = reached_task(chats, number)?;
        let (words, done) = match state {
            TaskState::Paused => (Phrases::new("task-paused-by-agent"), "is paused"),
            TaskState::Active => (Phrases::new("task-resumed-by-agent"), "goes on"),
            TaskState::Done | TaskState::Cancelled => (Phrases::new("task-cancelled-by-agent"), "is cancelled"),
        };
        if task.state == state {
            return Ok(format!("Task {} {done} already.", task.id.0));
        }
        let words =
            |task: &Task| words.clone().with("number", task.id.0).with("what", quotation(&task.what.prompt, 80));
        let roster = self.roster(&task.what.group)?;
        let tell = |task: &Task| self.told(task, caller, words(&with_names(roster.as_ref(), task)));
        let change = TaskChange { state: Some(state), ..TaskChange::default() };
        let word = Word { run: Some((run, &caller.identity().group)), tell: &tell };
        let task = chats.store.change_task(task.id, &change, &word).map_err(not_changed)?;
        chats.tasks_changed();
        Ok(format!("Task {} {done}. {}", task.id.0, chat_is_told(caller, &task)))
    }

    /// Whether the chat may and can be told what the agent wants done.
    fn may_be_told(&self, group: &GroupName, prompt: Option<&str>, gate: Option<&str>) -> Result<(), Refusal> {
        if prompt.is_some_and(|prompt| prompt.trim().is_empty() || prompt.chars().count() > PROMPT_AT_MOST) {
            return Err(refuse(format!("`prompt` says in 1 to {PROMPT_AT_MOST} characters what is to be done")));
        }
        if gate.is_some_and(|gate| gate.chars().count() > GATE_AT_MOST) {
            return Err(refuse(format!("`gate` is at most {GATE_AT_MOST} characters long")));
        }
        self.say.check(group, &format!("{} {}", prompt.unwrap_or_default(), gate.unwrap_or_default()))
    }

    /// The notice to the task's chat, with who caused the change if not its own agent.
    fn told(&self, task: &Task, caller: &Caller, words: Phrases) -> Vec<(GroupName, NewOutgoing)> {
        let group = task.what.group.clone();
        let words = match is_own(caller, task) {
            true => words,
            false => words.line(Phrases::new("task-by-other").with("group", caller.identity().group.as_str())),
        };
        let text = self.say.own(&group, words);
        vec![(group, NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None })]
    }
}

impl Chats {
    fn tasks_changed(&self) {
        self.bell.ring();
        self.outbox.wake();
    }
}

/// The task with a number, in any group: [`Asked::beyond`] has asked the owner about another group's.
fn reached_task(chats: &Chats, number: u64) -> Result<Task, Refusal> {
    let found = chats.store.task(TaskId(number)).map_err(|error| unavailable(&error))?;
    found.ok_or_else(|| refuse(format!("there is no task {number}; list_tasks says which this group has")))
}

/// The task with names instead of stand-ins, as its chat reads it.
fn with_names(roster: Option<&Roster>, task: &Task) -> Task {
    let mut named = task.clone();
    if let Some(roster) = roster {
        named.what.prompt = roster.reveal(&task.what.prompt);
    }
    named
}

fn is_own(caller: &Caller, task: &Task) -> bool {
    task.what.group == caller.identity().group
}

fn chat_is_told(caller: &Caller, task: &Task) -> String {
    match is_own(caller, task) {
        true => "The chat is told of it.".to_owned(),
        false => format!("The chat of {} is told of it.", task.what.group),
    }
}

fn refuse(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::OperationRefused, why.into())
}

/// A task is only made or changed during a run, so that somebody has asked for it.
fn under_way(caller: &Caller) -> Result<RunId, Refusal> {
    caller
        .run()
        .map(RunId)
        .ok_or_else(|| refuse("nothing is being answered now; a change of tasks belongs to an answer"))
}

fn not_changed(error: NotChanged) -> Refusal {
    match error {
        NotChanged::Store(error) => unavailable(&error),
        NotChanged::TooMany => Refusal::new(Code::LimitExceeded, error.to_string()),
        error => refuse(error.to_string()),
    }
}

fn read(kind: &str, value: &str, zone: &str) -> Result<Schedule, Refusal> {
    let kind =
        Kind::named(kind).ok_or_else(|| refuse(format!("`schedule_type` is one of {}", Kind::NAMES.join(", "))))?;
    Schedule::read(kind, value, zone, Timestamp::now()).map_err(|why| refuse(format!("`schedule_value`: {why}")))
}

fn rescheduled(task: &Task, wanted: &UpdateTask) -> Result<Option<Schedule>, Refusal> {
    let before = &task.what.schedule;
    let zone = wanted.time_zone.as_deref().unwrap_or(before.zone_name());
    let kind = wanted.schedule_type.as_deref().unwrap_or(before.kind().name());
    match &wanted.schedule_value {
        Some(value) => read(kind, value, zone).map(Some),
        None if wanted.schedule_type.is_some() => Err(refuse("`schedule_type` needs a `schedule_value`")),
        None if wanted.time_zone.is_some() => read(kind, &before.value(), zone).map(Some),
        None => Ok(None),
    }
}

fn context(name: Option<&str>) -> Result<Option<Context>, Refusal> {
    let read = |name| {
        Context::named(name).ok_or_else(|| refuse(format!("`context_mode` is one of {}", Context::NAMES.join(", "))))
    };
    name.map(read).transpose()
}

fn missed(name: Option<&str>) -> Result<Option<Missed>, Refusal> {
    let read =
        |name| Missed::named(name).ok_or_else(|| refuse(format!("`missed` is one of {}", Missed::NAMES.join(", "))));
    name.map(read).transpose()
}
