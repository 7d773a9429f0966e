//! Parses `doorward.toml` into the configuration; every problem is reported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use desk::toml::{Reader, TableKeys, Value, Vocabulary, Word};
use desk::{Problems, Text};
use policies::HostName;

use crate::phrases::Language;

use super::keys::{self, names};
use super::{
    Absence, Alarm, Assistant, Audit, Channels, Chat, Config, Digest, Engine, Messages, Mounts, Owner, Pinned, Privacy,
    Queue, Upstream, Whatsapp, mount, resolver, values,
};

mod agent;
mod credentials;
mod group;
mod mcp;
mod prices;

pub(super) use group::group;
pub(super) use prices::shipped_prices;

/// A table of a settings file. Relative paths start in the folder that is the context.
type Block<'a, 'i> = desk::toml::Block<'a, 'i, PathBuf>;

const ASSISTANT: TableKeys = TableKeys { header: "[assistant]", keys: &names(&keys::OF_ASSISTANT) };
const CHAT: TableKeys = TableKeys { header: "[chat]", keys: &names(&keys::OF_CHAT) };
const OWNER: TableKeys = TableKeys { header: "[owner]", keys: &names(&keys::OF_OWNER) };
const ABSENCE: TableKeys = TableKeys { header: "[absence]", keys: &names(&keys::OF_ABSENCE) };
const ENGINE: TableKeys = TableKeys { header: "[engine]", keys: &names(&keys::OF_ENGINE) };
const QUEUE: TableKeys = TableKeys { header: "[queue]", keys: &names(&keys::OF_QUEUE) };
const UPSTREAM: TableKeys = TableKeys { header: "[upstream]", keys: &names(&keys::OF_UPSTREAM) };
const ALARM: TableKeys = TableKeys { header: "[alarm]", keys: &names(&keys::OF_ALARM) };
const AUDIT: TableKeys = TableKeys { header: "[audit]", keys: &names(&keys::OF_AUDIT) };
const MESSAGES: TableKeys = TableKeys { header: "[messages]", keys: &names(&keys::OF_MESSAGES) };
const MOUNTS: TableKeys = TableKeys { header: "[mounts]", keys: &names(&keys::OF_MOUNTS) };
const DIGEST: TableKeys = TableKeys { header: "[digest]", keys: &names(&keys::OF_DIGEST) };
const PRIVACY: TableKeys = TableKeys { header: "[privacy]", keys: &names(&keys::OF_PRIVACY) };
const CHANNELS: TableKeys = TableKeys { header: "[channels]", keys: &names(&keys::OF_CHANNELS) };
const WHATSAPP: TableKeys = TableKeys { header: "[channels.whatsapp]", keys: &names(&keys::OF_WHATSAPP) };

static SETTINGS: Vocabulary = Vocabulary {
    top: &keys::OF_SETTINGS,
    tables: &[
        ASSISTANT,
        CHAT,
        OWNER,
        ABSENCE,
        ENGINE,
        QUEUE,
        UPSTREAM,
        ALARM,
        AUDIT,
        MESSAGES,
        MOUNTS,
        DIGEST,
        PRIVACY,
        WHATSAPP,
        credentials::CREDENTIAL,
        credentials::MINTS,
        credentials::OAUTH,
        prices::PRICE,
    ],
    synonyms: &[],
    planned: &[],
};

/// Parses `doorward.toml`. `name` is what problems call it; relative paths start in `dir`.
pub(super) fn config(name: &str, text: &str, dir: &Path) -> Result<Config, Problems> {
    let mut reader = Reader::new(Text::with_secrets(name, text), &SETTINGS, dir.to_owned());
    let config = reader.read(file).unwrap_or_default();
    reader.finish(config)
}

fn file(file: &mut Block<'_, '_>) -> Config {
    file.known_keys("doorward.toml", &keys::OF_SETTINGS);
    Config {
        assistant: section(file, "assistant", &ASSISTANT, assistant),
        chat: section(file, "chat", &CHAT, |block| Chat {
            language: block.read("language", Language::parse).unwrap_or_default(),
        }),
        owner: section(file, "owner", &OWNER, owner),
        absence: section(file, "absence", &ABSENCE, |block| Absence { after: block.read("after", values::absence) }),
        engine: section(file, "engine", &ENGINE, engine),
        queue: section(file, "queue", &QUEUE, queue),
        upstream: section(file, "upstream", &UPSTREAM, upstream),
        alarm: section(file, "alarm", &ALARM, alarm),
        audit: section(file, "audit", &AUDIT, audit),
        messages: section(file, "messages", &MESSAGES, messages),
        mounts: section(file, "mounts", &MOUNTS, mounts),
        privacy: section(file, "privacy", &PRIVACY, |block| Privacy {
            notice: block.read("notice", values::people_notice).unwrap_or_default(),
        }),
        digest: section(file, "digest", &DIGEST, |block| Digest {
            at: block.read("at", values::digest_time).unwrap_or_else(|| Digest::default().at),
        }),
        channels: section(file, "channels", &CHANNELS, |channels| Channels {
            whatsapp: section(channels, "whatsapp", &WHATSAPP, whatsapp),
        }),
        credentials: credentials::credentials(file),
        prices: prices::prices(file),
        canaries: credentials::canaries(file),
    }
}

/// A table with its keys; the defaults if it is missing.
fn section<T: Default>(
    block: &mut Block<'_, '_>,
    key: &str,
    table: &TableKeys,
    read: impl FnOnce(&mut Block<'_, '_>) -> T,
) -> T {
    let Some(mut inside) = block.section(key, table.header) else { return T::default() };
    inside.known_keys(table.header, table.keys);
    read(&mut inside)
}

fn assistant(block: &mut Block<'_, '_>) -> Assistant {
    let usual = Assistant::default();
    Assistant {
        name: block.read("name", values::assistant_name).unwrap_or(usual.name),
        time_zone: block.read("time_zone", values::time_zone).unwrap_or(usual.time_zone),
    }
}

fn owner(block: &mut Block<'_, '_>) -> Owner {
    let words = block.strings("identities");
    Owner { identities: all(block, words, values::identity) }
}

fn engine(block: &mut Block<'_, '_>) -> Engine {
    let usual = Engine::default();
    Engine {
        host: block.read("host", values::engine_host),
        runtime: block.read("runtime", values::word),
        image: block.read("image", values::word),
        memory: block.read("memory", values::memory).unwrap_or(usual.memory),
        cpus: cpus(block).unwrap_or(usual.cpus),
        pids: pids(block).unwrap_or(usual.pids),
        disk: block.read("disk", values::disk).unwrap_or(usual.disk),
        files: files(block).unwrap_or(usual.files),
    }
}

fn cpus(block: &mut Block<'_, '_>) -> Option<f64> {
    block.number("cpus", "from 0.1 to 1024", |cpus| (0.1..=1024.0).contains(&cpus).then_some(cpus))
}

fn pids(block: &mut Block<'_, '_>) -> Option<u32> {
    let fits = |pids| u32::try_from(pids).ok().filter(|pids| (16..=1 << 22).contains(pids));
    block.whole("pids", "from 16 to 4194304", fits)
}

fn files(block: &mut Block<'_, '_>) -> Option<u64> {
    let fits = |files| u64::try_from(files).ok().filter(|files| (100..=1_000_000_000).contains(files));
    block.whole("files", "from 100 to 1000000000", fits)
}

fn queue(block: &mut Block<'_, '_>) -> Queue {
    let usual = Queue::default();
    let fits = |number| usize::try_from(number).ok().filter(|number| (1..=1000).contains(number));
    Queue {
        sandboxes: block.whole("sandboxes", "from 1 to 1000", fits).unwrap_or(usual.sandboxes),
        idle: block.read("idle", values::duration).unwrap_or(usual.idle),
        longest: block.read("longest", values::duration).unwrap_or(usual.longest),
    }
}

fn whatsapp(block: &mut Block<'_, '_>) -> Whatsapp {
    let dir = block.reader.context.clone();
    Whatsapp {
        enabled: block.bool("enabled"),
        program: block.read("program", |text| values::path(text, &dir)),
        mode: block.read("mode", values::whatsapp_mode).unwrap_or_default(),
    }
}

fn upstream(block: &mut Block<'_, '_>) -> Upstream {
    let [extra_ca, crl] = ["extra_ca", "crl"].map(|key| paths(block, key));
    let pinned = block.section("hosts", "[upstream.hosts]").map(|mut block| hosts(&mut block));
    let hosts = pinned.unwrap_or_default();
    let resolver = block.read("resolver", |text| resolver::resolver(text, &hosts)).unwrap_or_default();
    Upstream { resolver, extra_ca, crl, hosts }
}

fn paths(block: &mut Block<'_, '_>, key: &str) -> Vec<PathBuf> {
    let dir = block.reader.context.clone();
    let words = block.any_strings(key);
    words.into_iter().filter_map(|word| block.meaning(word, |text| values::path(text, &dir))).collect()
}

fn hosts(block: &mut Block<'_, '_>) -> BTreeMap<HostName, Pinned> {
    let mut hosts = BTreeMap::new();
    for (name, value) in block.entries() {
        let span = name.0.clone();
        if let Some((name, address)) = host(block, name, value)
            && hosts.insert(name, address).is_some()
        {
            block.reader.problem(span, "this host is there twice, in another spelling", None);
        }
    }
    hosts
}

fn host<'i>(block: &mut Block<'_, 'i>, name: Word, value: &Value<'i>) -> Option<(HostName, Pinned)> {
    let address = block.as_string(value, &name.1);
    let name = block.meaning(name, |text| HostName::parse(text).map_err(|error| error.to_string()));
    let address = block.meaning(address?, values::address);
    name.zip(address)
}

fn audit(block: &mut Block<'_, '_>) -> Audit {
    let usual = Audit::default();
    Audit {
        age: days(block).unwrap_or(usual.age),
        size: block.read("keep_size", values::audit_size).unwrap_or(usual.size),
    }
}

fn messages(block: &mut Block<'_, '_>) -> Messages {
    Messages { age: days(block).unwrap_or(Messages::default().age) }
}

fn mounts(block: &mut Block<'_, '_>) -> Mounts {
    let [read, write] = ["read", "write"].map(|key| {
        let words = block.any_strings(key);
        all(block, words, values::host_folder)
    });
    let words = block.any_strings("refuse");
    let refuse = all(block, words, |text| mount::pattern(text).map(|_| text.to_owned()));
    Mounts { read, write, refuse }
}

fn days(block: &mut Block<'_, '_>) -> Option<Duration> {
    let fits = |days| u32::try_from(days).ok().filter(|days| (2..=36_500).contains(days));
    let days = block.whole("keep_days", "from 2 to 36500", fits)?;
    Some(Duration::from_hours(24 * u64::from(days)))
}

fn alarm(block: &mut Block<'_, '_>) -> Alarm {
    let words = block.strings("command");
    if let Some((span, _)) = words.first().filter(|(_, program)| !program.starts_with('/')) {
        let message = "the program's full path is wanted here: it is started without a shell, and not looked for";
        block.reader.problem(span.clone(), message, None);
    }
    let command = words.into_iter().filter_map(|word| block.meaning(word, values::argument)).collect();
    Alarm { command }
}

/// The parsed values of a list of texts.
fn all<T>(block: &mut Block<'_, '_>, words: Vec<Word>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    words.into_iter().filter_map(|word| block.meaning(word, &read)).collect()
}
