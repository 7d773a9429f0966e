//! Parses `groups/NAME.toml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use desk::toml::{Reader, TableKeys, Vocabulary};
use desk::{Problems, Text};

use super::super::keys::{self, names};
use super::super::{Access, Agent, GroupLimits, GroupSettings, HelperLimits, Mount, People, Trigger, mount, values};
use super::{Block, agent, mcp, section};
use crate::phrases::Language;

const TOP: [&str; 15] = top();
const PRIVACY: TableKeys = TableKeys { header: "[privacy]", keys: &names(&keys::OF_GROUP_PRIVACY) };
const HELPERS: TableKeys = TableKeys { header: "[helpers]", keys: &names(&keys::OF_GROUP_HELPERS) };
const LIMITS: TableKeys = TableKeys { header: "[limits]", keys: &names(&keys::OF_GROUP_LIMITS) };
const MOUNT: TableKeys = TableKeys { header: "[[mount]]", keys: &names(&keys::OF_MOUNT) };

/// The top-level keys, including its tables.
const fn top() -> [&'static str; 15] {
    let [agent, agents, model, endpoint, command, trigger, language, image, keep_days] = names(&keys::OF_GROUP);
    let [models, helpers, privacy, limits, mount, mcp] = ["models", "helpers", "privacy", "limits", "mount", "mcp"];
    [
        agent, agents, model, endpoint, command, trigger, language, image, keep_days, models, helpers, privacy, limits,
        mount, mcp,
    ]
}

static GROUP: Vocabulary = Vocabulary {
    top: &TOP,
    tables: &[agent::MODELS, HELPERS, PRIVACY, LIMITS, MOUNT, mcp::MCP],
    synonyms: &[("mounts", "mount")],
    planned: &[],
};

/// Parses a group's file; `name` is what problems call it.
pub(in super::super) fn group(name: &str, text: &str) -> Result<GroupSettings, Problems> {
    let mut reader = Reader::new(Text::with_secrets(name, text), &GROUP, PathBuf::from("/"));
    let settings = reader.read(file).unwrap_or_default();
    reader.finish(settings)
}

fn file(file: &mut Block<'_, '_>) -> GroupSettings {
    file.known_keys("a group's file", &TOP);
    let (agent, others) = agent::agents(file);
    GroupSettings {
        limits: section(file, "limits", &LIMITS, |block| limits(block, &agent)),
        image: file.read("image", values::word),
        trigger: file.read("trigger", Trigger::parse),
        language: file.read("language", Language::parse),
        helpers: section(file, "helpers", &HELPERS, helpers),
        servers: mcp::servers(file),
        mounts: mounts(file),
        keep: super::days(file),
        people: section(file, "privacy", &PRIVACY, |block| block.read("people", People::parse)).unwrap_or_default(),
        agent,
        others,
    }
}

fn helpers(block: &mut Block<'_, '_>) -> HelperLimits {
    let usual = HelperLimits::default();
    let upto = |from: u32, to: u32| move |number: i64| u32::try_from(number).ok().filter(|it| (from..=to).contains(it));
    let minutes = block.whole("minutes", "from 1 to 60", upto(1, 60));
    HelperLimits {
        most: block.whole("most", "from 0 to 8", upto(0, 8)).unwrap_or(usual.most),
        longest: minutes.map_or(usual.longest, |minutes| Duration::from_mins(minutes.into())),
        voices: block.bool("voices"),
    }
}

fn mounts(file: &mut Block<'_, '_>) -> Vec<Mount> {
    let mut names = BTreeSet::new();
    file.each("mount", MOUNT.header, |block| {
        let one = mount(block)?;
        if !names.insert(one.name.clone()) {
            let help = Some("give one of them another name = \"…\"".to_owned());
            block.reader.problem(block.span_of("name"), format!("two mounts are called {}", one.name), help);
        }
        Some(one)
    })
}

fn mount(block: &mut Block<'_, '_>) -> Option<Mount> {
    block.known_keys(MOUNT.header, MOUNT.keys);
    let word = block.needed("path", MOUNT.header, "~/notes")?;
    let path = block.meaning(word, values::host_folder)?;
    let name = if block.has("name") { block.read("name", mount::name)? } else { own_name(block, &path)? };
    let (write, copy) = (block.bool("write"), block.bool("copy"));
    if write && copy {
        let help = Some("leave one of the two out".to_owned());
        block.reader.problem(block.span_of("copy"), "a copy cannot be written: it goes with its sandbox", help);
    }
    let access = match (write, copy) {
        (true, _) => Access::Write,
        (false, true) => Access::Copy,
        (false, false) => Access::Read,
    };
    let words = block.any_strings("known");
    let known = super::all(block, words, mount::inside);
    Some(Mount { path, name, access, known })
}

/// The folder's own name, if it is valid.
fn own_name(block: &mut Block<'_, '_>, path: &Path) -> Option<String> {
    let name = mount::name_of(path);
    if name.is_none() {
        let help = Some("say what it is called inside: add name = \"photos\"".to_owned());
        block.reader.problem(block.span_of("path"), "this folder's name needs quotes in a shell", help);
    }
    name
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
