//! `groups/NAME.toml`, read into what is used.

use std::path::PathBuf;

use desk::toml::{Reader, TableKeys, Vocabulary};
use desk::{Problems, Text};

use super::super::keys::{self, names};
use super::super::{Agent, GroupLimits, GroupSettings, Trigger, values};
use super::{Block, agent, section};
use crate::phrases::Language;

const TOP: [&str; 8] = top();
const LIMITS: TableKeys = TableKeys { header: "[limits]", keys: &names(&keys::OF_GROUP_LIMITS) };

/// The keys at the top, its table among them.
const fn top() -> [&'static str; 8] {
    let [agent, model, endpoint, command, trigger, language, image] = names(&keys::OF_GROUP);
    [agent, model, endpoint, command, trigger, language, image, "limits"]
}

static GROUP: Vocabulary = Vocabulary { top: &TOP, tables: &[LIMITS], synonyms: &[], planned: &[] };

/// Reads a group's file; `name` is what problems call it.
pub(in super::super) fn group(name: &str, text: &str) -> Result<GroupSettings, Problems> {
    let mut reader = Reader::new(Text::with_secrets(name, text), &GROUP, PathBuf::from("/"));
    let settings = reader.read(file).unwrap_or_default();
    reader.finish(settings)
}

fn file(file: &mut Block<'_, '_>) -> GroupSettings {
    file.known_keys("a group's file", &TOP);
    let agent = agent::agent(file);
    GroupSettings {
        limits: section(file, "limits", &LIMITS, |block| limits(block, &agent)),
        image: file.read("image", values::word),
        trigger: file.read("trigger", Trigger::parse),
        language: file.read("language", Language::parse),
        agent,
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
