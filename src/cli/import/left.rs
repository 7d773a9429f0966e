//! What was not taken, each with what to do instead.

use super::super::{Failure, refused};
use super::Import;
use crate::store::Scheduled;

impl Import<'_> {
    /// What has no place here, or makes itself anew.
    pub(super) fn left(&mut self) -> Result<(), Failure> {
        self.tasks()?;
        let there = |path: &str| self.dir.join(path).exists();
        let whatsapp = there("store/auth");
        let keys = there(".env");
        let sessions = there("data/sessions");
        if sessions {
            self.report.left(
                "the agents' sessions: the next message in a group begins a new conversation, which knows its memory",
            );
        }
        if whatsapp {
            self.report.left("the link with WhatsApp: `doorward whatsapp link` makes a new one; stop NanoClaw first");
        }
        if keys {
            self.report.left("the keys in .env: `doorward credential add anthropic` asks for one and keeps it");
        }
        self.report.left(
            "the assistant's own answers, logs, the history of tasks, and names of chats that are not registered",
        );
        Ok(())
    }

    fn tasks(&mut self) -> Result<(), Failure> {
        for task in self.source.tasks().map_err(refused)? {
            let Some(group) = self.report.named(&task.folder).cloned() else { continue };
            let paused = if task.paused { ", which is paused," } else { "" };
            match command(group.as_str(), &task) {
                Some(command) => {
                    self.report.left(format!("a task of {group}{paused} which this makes:\n    {command}"))
                }
                None => self.report.left(format!("a task of {group}{paused} whose time is {:?}", task.value)),
            }
        }
        Ok(())
    }
}

/// The command that makes it here.
fn command(group: &str, task: &Scheduled) -> Option<String> {
    let when = match task.kind.as_str() {
        "cron" => format!("--cron {}", quoted(&task.value)),
        "interval" => format!("--every {}s", task.value.parse::<u64>().ok()?.div_ceil(1000)),
        "once" => {
            let at: jiff::civil::DateTime = task.value.parse().ok()?;
            format!("--at {}", quoted(&at.strftime("%Y-%m-%d %H:%M").to_string()))
        }
        _ => return None,
    };
    let context = if task.context == "isolated" { " --context isolated" } else { "" };
    Some(format!("doorward task add {group} {} {when}{context}", quoted(&task.prompt)))
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_a_command_here() {
        let task = |kind: &str, value: &str, context: &str| Scheduled {
            folder: "x".into(),
            prompt: "what's on?".into(),
            kind: kind.into(),
            value: value.into(),
            context: context.into(),
            paused: false,
        };
        let prompt = "'what'\\''s on?'";
        for (task, wanted) in [
            (
                task("cron", "0 7 * * 1-5", "group"),
                Some(format!("doorward task add family {prompt} --cron '0 7 * * 1-5'")),
            ),
            (
                task("interval", "90000", "isolated"),
                Some(format!("doorward task add family {prompt} --every 90s --context isolated")),
            ),
            (
                task("once", "2026-12-01T09:30:00", "group"),
                Some(format!("doorward task add family {prompt} --at '2026-12-01 09:30'")),
            ),
            (task("once", "soon", "group"), None),
            (task("lunar", "1", "group"), None),
        ] {
            assert_eq!(command("family", &task), wanted);
        }
    }
}
