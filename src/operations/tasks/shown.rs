//! How a task is shown to its chat and to an agent, and the description of its arguments for a model.

use desk::screen::quotation;
use serde_json::{Value, json};

use super::{GATE_AT_MOST, PROMPT_AT_MOST};
use crate::phrases::Phrases;
use crate::schedule::{Kind, Missed};
use crate::store::{Context, Task, TaskState};

/// `each weekday at 07:00 (Europe/Berlin), next 2026-11-30 07:00`
pub(super) fn comes(task: &Task) -> String {
    let schedule = &task.what.schedule;
    let next = task.plan.next.map(|next| format!(", next {}", schedule.shows(next))).unwrap_or_default();
    format!("{} ({}){next}", schedule.words().in_english(), schedule.zone_name())
}

/// For the chat: all of the agent's words, in quotation marks.
pub(super) fn made(phrase: Phrases, task: &Task) -> Phrases {
    let schedule = &task.what.schedule;
    let words = phrase
        .with("number", task.id.0)
        .saying("when", schedule.words())
        .with("zone", schedule.zone_name())
        .with("what", quotation(&task.what.prompt, usize::MAX));
    let words = match &task.what.gate {
        Some(gate) => words.line(Phrases::new("task-gate").with("command", quotation(gate, usize::MAX))),
        None => words,
    };
    words.line(Phrases::new("task-cancel").with("number", task.id.0))
}

pub(super) fn listed(task: &Task) -> Value {
    let what = &task.what;
    json!({
        "task_id": task.id.0,
        "prompt": what.prompt,
        "schedule_type": what.schedule.kind().name(),
        "schedule_value": what.schedule.value(),
        "time_zone": what.schedule.zone_name(),
        "context_mode": what.context.name(),
        "missed": what.missed.name(),
        "gate": what.gate,
        "made_by": what.made_by.name(),
        "state": task.state.name(),
        "why": task.why,
        "next": task.plan.next.filter(|_| task.state == TaskState::Active).map(|next| what.schedule.shows(next)),
    })
}

pub(super) fn task_id() -> Value {
    json!({ "type": ["integer", "string"], "description": "The task's number, as list_tasks says it" })
}

pub(super) fn task_properties() -> Value {
    json!({
        "prompt": { "type": "string", "maxLength": PROMPT_AT_MOST, "description": "What is to be done, in full: you may remember nothing of now" },
        "schedule_type": { "type": "string", "enum": Kind::NAMES },
        "schedule_value": { "type": "string", "description": "cron: five fields, like \"0 7 * * 1-5\"; interval: like \"15m\" or \"2h\"; once: like \"2026-12-01 09:00\", by the time zone's clock" },
        "context_mode": { "type": "string", "enum": Context::NAMES, "description": "group: with this conversation (the default); isolated: with nothing but the prompt" },
        "time_zone": { "type": "string", "description": "Like Europe/Berlin; the owner's where nothing is said" },
        "missed": { "type": "string", "enum": Missed::NAMES, "description": "What becomes of times at which the machine was off: skip, once (the default), all" },
        "gate": { "type": "string", "maxLength": GATE_AT_MOST, "description": "A shell command that is run first, in this sandbox: where it writes nothing, you are not asked; what it writes, you are given" },
    })
}
