//! `groups/NAME.toml`, from what was typed to what is used.

use std::path::Path;

use toml::Spanned;

use super::super::problem::{ConfigProblems, Shown};
use super::super::{Agent, GroupLimits, GroupSettings, Trigger, typed, values};
use super::Check;

/// Checks a group's file.
pub(in super::super) fn group(name: &str, text: &str, typed: &typed::Group) -> Result<GroupSettings, ConfigProblems> {
    let mut check = Check { name, text, dir: Path::new("/"), problems: Vec::new() };
    let agent = check.agent(typed);
    let limits = check.limits(&typed.limits, &agent);
    let image = check.text(&typed.image, values::word);
    let trigger = check.text(&typed.trigger, Trigger::parse);
    check.finish(GroupSettings { agent, trigger, image, limits })
}

impl Check<'_> {
    fn agent(&mut self, typed: &typed::Group) -> Agent {
        let agent = self.text(&typed.agent, Agent::parse).unwrap_or_default();
        let model = self.text(&typed.model, values::word);
        match (agent, &typed.model) {
            (Agent::Claude { .. }, _) => Agent::Claude { model },
            (Agent::Shell, Some(typed)) => {
                let why = "the shell has no model; say agent = \"claude\" as well, or leave this out".to_owned();
                self.problem(typed.span(), Shown::Plainly, why);
                Agent::Shell
            }
            (Agent::Shell, None) => Agent::Shell,
        }
    }

    fn limits(&mut self, typed: &typed::Limits, agent: &Agent) -> GroupLimits {
        let files = |files| u32::try_from(files).ok().filter(|files| (64..=1 << 20).contains(files));
        GroupLimits {
            memory: self
                .text(&typed.memory, super::memory)
                .inspect(|memory| self.enough(&typed.memory, agent, *memory)),
            cpus: self.cpus(&typed.cpus),
            pids: self.pids(&typed.pids),
            open_files: self.number(&typed.open_files, files, "from 64 to 1048576"),
            disk: self.text(&typed.disk, super::disk),
            files: self.files(&typed.files),
        }
    }

    fn enough(&mut self, typed: &Option<Spanned<String>>, agent: &Agent, memory: u64) {
        if let (Some(typed), true) = (typed, memory < agent.least_memory()) {
            let why = format!("{agent} needs at least {} MiB of memory", agent.least_memory() >> 20);
            self.problem(typed.span(), Shown::Plainly, why);
        }
    }
}
