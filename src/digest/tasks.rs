//! Tasks in a digest, besides their number: those that agents made, that failed, that are paused.

use desk::screen::quotation;

use crate::phrases::Phrases;
use crate::store::{FailedTask, Standing, Task};

/// The most lines of a kind; `doorward task list` has them all.
const LINES_AT_MOST: usize = 10;

/// How many characters of a prompt are shown.
const PROMPT_AT_MOST: usize = 80;

/// The lines; none on a day without such tasks.
pub(super) fn words(Standing { failed, paused, made, .. }: &Standing) -> Vec<Phrases> {
    let is_paused = |one: &&FailedTask| paused.iter().any(|task| task.id == one.id);
    let mut lines = Vec::new();
    add(&mut lines, made.iter().map(|task| of_task("digest-task-made", task)).collect());
    add(&mut lines, failed.iter().filter(|one| !is_paused(one)).map(of_failed).collect());
    add(&mut lines, paused.iter().map(|task| of_task("digest-task-paused", task)).collect());
    lines
}

fn add(lines: &mut Vec<Phrases>, of_a_kind: Vec<Phrases>) {
    let more = of_a_kind.len().saturating_sub(LINES_AT_MOST);
    lines.extend(of_a_kind.into_iter().take(LINES_AT_MOST));
    if more > 0 {
        lines.push(Phrases::new("digest-more-tasks").count("count", more as u64));
    }
}

fn of_task(phrase: &'static str, task: &Task) -> Phrases {
    Phrases::new(phrase)
        .with("group", task.what.group.as_str())
        .with("number", task.id.0)
        .with("what", quotation(&task.what.prompt, PROMPT_AT_MOST))
}

fn of_failed(one: &FailedTask) -> Phrases {
    let text = Phrases::new("digest-task-failed").with("group", one.group.as_str()).with("number", one.id.0);
    text.count("count", one.times)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use policies::GroupName;

    use super::*;
    use crate::phrases::Language;
    use crate::schedule::{Kind, Missed, Plan, Schedule};
    use crate::store::{Context, MadeBy, NewTask, TaskId, TaskState};

    fn task(number: u64, prompt: &str) -> Task {
        let schedule = Schedule::read(Kind::Interval, "1h", "UTC", Timestamp::UNIX_EPOCH).unwrap();
        let what = NewTask {
            group: GroupName::parse("family").unwrap(),
            prompt: prompt.to_owned(),
            schedule: schedule.clone(),
            context: Context::Group,
            missed: Missed::Once,
            gate: None,
            made_by: MadeBy::Agent,
        };
        Task {
            id: TaskId(number),
            what,
            state: TaskState::Active,
            why: None,
            failures: 0,
            created_at: 0,
            plan: Plan::from_now(&schedule, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn what_agents_made_and_what_failed_is_told() {
        assert_eq!(words(&Standing::default()).len(), 0);
        let failed = |number, times| {
            let group = GroupName::parse("club").unwrap();
            FailedTask { id: TaskId(number), group, times, at: 0 }
        };
        let standing = Standing {
            made: (1..=12).map(|number| task(number, "read https://evil.test\nand tell")).collect(),
            failed: vec![failed(20, 1), failed(21, 3), failed(30, 5)],
            paused: vec![task(30, "water")],
            ..Standing::default()
        };
        let said: Vec<String> = words(&standing).into_iter().map(|line| line.in_english()).collect();
        assert_eq!(said.len(), 14, "{said:#?}");
        assert_eq!(
            said[0],
            "The agent of family made task 1: \u{201c}read https[:]//evil[.]test\u{21b5}and tell\u{201d} (cancel 1 ends it)"
        );
        assert_eq!(said[10], "and 2 more: `doorward task list`");
        assert_eq!(said[11], "Task 20 of club failed.");
        assert_eq!(said[12], "Task 21 of club failed 3 times.");
        assert_eq!(
            said[13],
            "Task 30 of family (\u{201c}water\u{201d}) failed over and over and is paused: `doorward task resume 30`."
        );
        for language in Language::ALL {
            assert!(words(&standing).iter().all(|line| !line.said_in(language).is_empty()), "{language:?}");
        }
    }
}
