//! `groups/NAME.toml`, read into what is used.

use std::path::PathBuf;

use desk::toml::{Reader, TableKeys, Vocabulary};
use desk::{Problems, Text};

use super::super::{Agent, GroupLimits, GroupSettings, People, Trigger, values};
use super::{Block, section};
use crate::phrases::Language;

const TOP: [&str; 7] = ["agent", "model", "trigger", "language", "image", "privacy", "limits"];
const PRIVACY: TableKeys = TableKeys { header: "[privacy]", keys: &["people"] };
const LIMITS: TableKeys =
    TableKeys { header: "[limits]", keys: &["memory", "cpus", "pids", "open_files", "disk", "files"] };

static GROUP: Vocabulary = Vocabulary { top: &TOP, tables: &[PRIVACY, LIMITS], synonyms: &[], planned: &[] };

/// Reads a group's file; `name` is what problems call it.
pub(in super::super) fn group(name: &str, text: &str) -> Result<GroupSettings, Problems> {
    let mut reader = Reader::new(Text::with_secrets(name, text), &GROUP, PathBuf::from("/"));
    let settings = reader.read(file).unwrap_or_default();
    reader.finish(settings)
}

fn file(file: &mut Block<'_, '_>) -> GroupSettings {
    file.known_keys("a group's file", &TOP);
    let agent = agent(file);
    GroupSettings {
        limits: section(file, "limits", &LIMITS, |block| limits(block, &agent)),
        image: file.read("image", values::word),
        trigger: file.read("trigger", Trigger::parse),
        language: file.read("language", Language::parse),
        people: section(file, "privacy", &PRIVACY, |block| block.read("people", People::parse)).unwrap_or_default(),
        agent,
    }
}

fn agent(file: &mut Block<'_, '_>) -> Agent {
    let agent = file.read("agent", Agent::parse).unwrap_or_default();
    let model = file.read("model", values::word);
    match agent {
        Agent::Claude { .. } => Agent::Claude { model },
        Agent::Shell => {
            if file.has("model") {
                let help = Some("say agent = \"claude\" as well, or leave this out".to_owned());
                file.reader.problem(file.span_of("model"), "the shell has no model", help);
            }
            Agent::Shell
        }
    }
}

fn limits(block: &mut Block<'_, '_>, agent: &Agent) -> GroupLimits {
    let files = |files| u32::try_from(files).ok().filter(|files| (64..=1 << 20).contains(files));
    GroupLimits {
        memory: block.read("memory", |text| memory(text, agent)),
        cpus: super::cpus(block),
        pids: super::pids(block),
        open_files: block.whole("open_files", "from 64 to 1048576", files),
        disk: block.read("disk", values::disk),
        files: super::files(block),
    }
}

fn memory(text: &str, agent: &Agent) -> Result<u64, String> {
    match values::memory(text)? {
        memory if memory >= agent.least_memory() => Ok(memory),
        _ => Err(format!("{agent} needs at least {} MiB of memory", agent.least_memory() >> 20)),
    }
}
