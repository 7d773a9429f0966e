//! Whether tasks are carried out: those that failed lately, and those paused because of it.

use super::super::times;
use super::Check;
use crate::control::planned::{NextTask, PlannedTasks, TaskFailed, TaskPaused};
use crate::home::Home;
use crate::store::Store;

pub(super) fn check(home: &Home) -> Vec<Check> {
    let path = home.main_db();
    if !path.exists() {
        return Vec::new();
    }
    // An unreadable database has its own line.
    let planned = Store::open(&path).and_then(|store| PlannedTasks::of(&store));
    planned.map(|planned| checks(&planned)).unwrap_or_default()
}

fn checks(PlannedTasks { planned, next, failed, paused }: &PlannedTasks) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(paused.iter().map(|TaskPaused { task, group, why }| {
        let fix = format!("`doorward task show {task}` says what happened; then `doorward task resume {task}`");
        Check::warning(format!("task {task} of {group}"), format!("paused: {why}"), fix)
    }));
    checks.extend(failed.iter().map(|TaskFailed { task, group, times }| {
        let often = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        let fix = format!("`doorward task show {task}` says what happened");
        Check::warning(format!("task {task} of {group}"), format!("failed {often} within a day"), fix)
    }));
    if let Some(NextTask { task, group, at_ms }) = next {
        let at = times::time(*at_ms, &times::zone());
        checks.push(Check::fine("tasks", format!("{planned} planned; the next is task {task} of {group}, at {at}")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn what_is_paused_and_what_failed_is_a_warning() {
        assert!(checks(&PlannedTasks::default()).is_empty());
        let all = checks(&PlannedTasks {
            planned: 1,
            next: Some(NextTask { task: 4, group: "family".into(), at_ms: 0 }),
            failed: vec![TaskFailed { task: 2, group: "club".into(), times: 1 }],
            paused: vec![TaskPaused { task: 5, group: "work".into(), why: "it failed 5 times in a row".into() }],
        });
        let said: Vec<_> = all.iter().map(|check| (check.state, check.what.as_str(), check.found.as_str())).collect();
        assert_eq!(said[0], (State::Warning, "task 5 of work", "paused: it failed 5 times in a row"));
        assert_eq!(said[1], (State::Warning, "task 2 of club", "failed once within a day"));
        assert!(
            said[2].0 == State::Fine && said[2].2.starts_with("1 planned; the next is task 4 of family"),
            "{said:?}"
        );
    }
}
