//! Another group's task: the owner is asked, and reads what it is and what would change.

use policies::Refusal;
use proxy::ports::Caller;
use serde_json::{Value, json};

use super::super::asked::Beyond;
use super::super::message::LONGEST_ELSEWHERE;
use super::super::{Operations, whole};
use super::{UpdateTask, context, is_own, missed, reached_task, refuse, rescheduled, under_way};
use crate::store::{NotChanged, Task, TaskState};

/// How much of a task the owner reads to identify it, in characters.
const SHOWN: usize = 200;

/// The change to a task: in words for the owner, and exactly.
pub(super) type Becomes = (String, Value);

/// The task would pause, resume or end.
pub(super) fn would_be(verb: &str, task: &Task) -> Becomes {
    (format!("{verb} {}", named(task)), json!({ "task": task.id.0 }))
}

fn named(task: &Task) -> String {
    let Task { id, what, .. } = task;
    format!("task {} of {} (\u{201c}{}\u{201d})", id.0, what.group, desk::screen::value(&what.prompt, SHOWN))
}

impl Operations {
    /// What the owner is asked, if the task is another group's.
    pub(super) fn beyond_own_tasks(
        &self,
        caller: &Caller,
        number: u64,
        becomes: impl FnOnce(&Task) -> Result<Becomes, Refusal>,
    ) -> Result<Option<Beyond>, Refusal> {
        let task = reached_task(self.chats()?, number)?;
        if is_own(caller, &task) {
            return Ok(None);
        }
        under_way(caller)?;
        if matches!(task.state, TaskState::Done | TaskState::Cancelled) {
            return Err(refuse(NotChanged::Over(task.id).to_string()));
        }
        let (says, exactly) = becomes(&task)?;
        Ok(Some(Beyond { about: task.what.group.to_string(), says, exactly }))
    }

    /// All changes.
    pub(super) fn would_change(&self, caller: &Caller, task: &Task, wanted: &UpdateTask) -> Result<Becomes, Refusal> {
        let UpdateTask { task_id, prompt, schedule_type, schedule_value, context_mode, time_zone, missed: late, gate } =
            wanted;
        if prompt.as_ref().is_some_and(|prompt| prompt.chars().count() > LONGEST_ELSEWHERE) {
            return Err(refuse(format!(
                "`prompt` of another group's task is at most {LONGEST_ELSEWHERE} characters long"
            )));
        }
        let prompt = self.understood(caller, task, prompt.as_deref());
        self.may_be_told(&task.what.group, prompt.as_deref(), gate.as_deref())?;
        let schedule = rescheduled(task, wanted)?;
        let mut changes = Vec::new();
        changes.extend(prompt.iter().map(|prompt| format!("what is done: \u{201c}{}\u{201d}", whole(prompt))));
        changes.extend(
            schedule.map(|schedule| format!("when: {} ({})", schedule.words().in_english(), schedule.zone_name())),
        );
        changes.extend(gate.iter().map(|gate| match gate.trim() {
            "" => "no command before it".to_owned(),
            _ => format!("only where this command finds something: \u{201c}{}\u{201d}", whole(gate)),
        }));
        changes.extend(context(context_mode.as_deref())?.map(|context| format!("context: {}", context.name())));
        changes.extend(missed(late.as_deref())?.map(|missed| format!("times that were missed: {}", missed.name())));
        if changes.is_empty() {
            return Err(refuse("say what is to be different"));
        }
        let exactly = json!({
            "task": task_id, "prompt": prompt, "schedule_type": schedule_type, "schedule_value": schedule_value,
            "context_mode": context_mode, "time_zone": time_zone, "missed": late, "gate": gate,
        });
        Ok((format!("change {}, {}", named(task), changes.join("; ")), exactly))
    }
}
