//! From what was typed to what is used; every problem is collected.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use policies::HostName;
use toml::Spanned;

use super::problem::{ConfigProblem, ConfigProblems, Shown};
use super::{
    Alarm, Assistant, Audit, Channels, Config, Engine, Messages, Pinned, Queue, Upstream, Whatsapp, resolver, typed,
    values,
};

mod credentials;
mod group;

pub(super) use group::group;

pub(super) fn check(name: &str, text: &str, dir: &Path, file: typed::File) -> Result<Config, ConfigProblems> {
    let mut check = Check { name, text, dir, problems: Vec::new() };
    let config = Config {
        assistant: check.assistant(&file.assistant),
        engine: check.engine(&file.engine),
        queue: check.queue(&file.queue),
        upstream: check.upstream(&file.upstream),
        alarm: check.alarm(&file.alarm),
        audit: check.audit(&file.audit),
        messages: check.messages(&file.messages),
        channels: Channels { whatsapp: check.whatsapp(&file.channels.whatsapp) },
        credentials: check.credentials(&file.credentials),
        canaries: check.canaries(&file.canaries),
    };
    check.finish(config)
}

struct Check<'a> {
    name: &'a str,
    text: &'a str,
    dir: &'a Path,
    problems: Vec<ConfigProblem>,
}

impl Check<'_> {
    fn assistant(&mut self, typed: &typed::Assistant) -> Assistant {
        let usual = Assistant::default();
        Assistant {
            name: self.text(&typed.name, values::assistant_name).unwrap_or(usual.name),
            time_zone: self.text(&typed.time_zone, values::time_zone).unwrap_or(usual.time_zone),
        }
    }

    fn finish<T>(mut self, checked: T) -> Result<T, ConfigProblems> {
        if self.problems.is_empty() {
            return Ok(checked);
        }
        self.problems.sort_by_key(ConfigProblem::offset);
        Err(ConfigProblems(self.problems))
    }

    fn engine(&mut self, typed: &typed::Engine) -> Engine {
        let usual = Engine::default();
        Engine {
            host: self.text(&typed.host, values::engine_host),
            runtime: self.text(&typed.runtime, values::word),
            image: self.text(&typed.image, values::word),
            memory: self.text(&typed.memory, memory).unwrap_or(usual.memory),
            cpus: self.cpus(&typed.cpus).unwrap_or(usual.cpus),
            pids: self.pids(&typed.pids).unwrap_or(usual.pids),
            disk: self.text(&typed.disk, disk).unwrap_or(usual.disk),
            files: self.files(&typed.files).unwrap_or(usual.files),
        }
    }

    fn cpus(&mut self, typed: &Option<Spanned<f64>>) -> Option<f64> {
        self.number(typed, |cpus| (0.1..=1024.0).contains(&cpus).then_some(cpus), "from 0.1 to 1024")
    }

    fn pids(&mut self, typed: &Option<Spanned<i64>>) -> Option<u32> {
        let fits = |pids| u32::try_from(pids).ok().filter(|pids| (16..=1 << 22).contains(pids));
        self.number(typed, fits, "from 16 to 4194304")
    }

    fn files(&mut self, typed: &Option<Spanned<i64>>) -> Option<u64> {
        let fits = |files| u64::try_from(files).ok().filter(|files| (100..=1_000_000_000).contains(files));
        self.number(typed, fits, "from 100 to 1000000000")
    }

    fn queue(&mut self, typed: &typed::Queue) -> Queue {
        let usual = Queue::default();
        let fits = |number| usize::try_from(number).ok().filter(|number| (1..=1000).contains(number));
        Queue {
            sandboxes: self.number(&typed.sandboxes, fits, "from 1 to 1000").unwrap_or(usual.sandboxes),
            idle: self.text(&typed.idle, values::duration).unwrap_or(usual.idle),
            longest: self.text(&typed.longest, values::duration).unwrap_or(usual.longest),
        }
    }

    fn whatsapp(&mut self, typed: &typed::Whatsapp) -> Whatsapp {
        let dir = self.dir;
        Whatsapp {
            enabled: typed.enabled,
            program: self.text(&typed.program, |text| values::path(text, dir)),
            mode: self.text(&typed.mode, values::whatsapp_mode).unwrap_or_default(),
        }
    }

    fn upstream(&mut self, typed: &typed::Upstream) -> Upstream {
        let dir = self.dir;
        let extra_ca = typed.extra_ca.iter().filter_map(|ca| self.value(ca, |text| values::path(text, dir))).collect();
        let crl = typed.crl.iter().filter_map(|list| self.value(list, |text| values::path(text, dir))).collect();
        let mut hosts: BTreeMap<HostName, Pinned> = BTreeMap::new();
        for (host, address) in &typed.hosts {
            let name = self.value(host, |text| HostName::parse(text).map_err(|error| error.to_string()));
            let address = self.value(address, values::address);
            if let (Some(name), Some(address)) = (name, address)
                && hosts.insert(name, address).is_some()
            {
                self.problem(host.span(), Shown::Plainly, "this host is there twice, in another spelling".to_owned());
            }
        }
        let resolver = self.text(&typed.resolver, |text| resolver::resolver(text, &hosts)).unwrap_or_default();
        Upstream { resolver, extra_ca, crl, hosts }
    }

    fn audit(&mut self, typed: &typed::Audit) -> Audit {
        let usual = Audit::default();
        Audit {
            age: self.days(&typed.keep_days).unwrap_or(usual.age),
            size: self.text(&typed.keep_size, audit_size).unwrap_or(usual.size),
        }
    }

    fn messages(&mut self, typed: &typed::Messages) -> Messages {
        Messages { age: self.days(&typed.keep_days).unwrap_or(Messages::default().age) }
    }

    fn days(&mut self, typed: &Option<Spanned<i64>>) -> Option<Duration> {
        let days = |days| u32::try_from(days).ok().filter(|days| (2..=36_500).contains(days));
        let days = self.number(typed, days, "from 2 to 36500")?;
        Some(Duration::from_hours(24 * u64::from(days)))
    }

    fn alarm(&mut self, typed: &typed::Alarm) -> Alarm {
        let command = self.list(typed.command.as_ref(), |word| {
            if word.contains('\0') {
                Err("a program's arguments cannot hold a NUL".to_owned())
            } else {
                Ok(word.to_owned())
            }
        });
        let program = typed.command.as_ref().and_then(|command| command.get_ref().first());
        if let Some(program) = program.filter(|program| !program.get_ref().starts_with('/')) {
            let message = "the program's full path is wanted here: it is started without a shell, and not looked for";
            self.problem(program.span(), Shown::Plainly, message.to_owned());
        }
        Alarm { command }
    }

    /// A list that is there must say something: an empty `only` could be read as
    /// "nothing" as well as "everything".
    fn list<T>(
        &mut self,
        typed: Option<&Spanned<Vec<Spanned<String>>>>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(typed) = typed else { return Vec::new() };
        if typed.get_ref().is_empty() {
            self.problem(
                typed.span(),
                Shown::Plainly,
                "the list is empty; name at least one, or leave the key out where it may be missing".to_owned(),
            );
        }
        typed.get_ref().iter().filter_map(|item| self.value(item, &read)).collect()
    }

    fn text<T>(&mut self, typed: &Option<Spanned<String>>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        typed.as_ref().and_then(|typed| self.value(typed, read))
    }

    fn value<T>(&mut self, typed: &Spanned<String>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        read(typed.get_ref()).map_err(|message| self.problem(typed.span(), Shown::Plainly, message)).ok()
    }

    fn number<N: Copy, T>(
        &mut self,
        typed: &Option<Spanned<N>>,
        fits: impl Fn(N) -> Option<T>,
        range: &str,
    ) -> Option<T> {
        let typed = typed.as_ref()?;
        let value = fits(*typed.get_ref());
        if value.is_none() {
            self.problem(typed.span(), Shown::Plainly, format!("this number must be {range}"));
        }
        value
    }

    fn problem(&mut self, span: Range<usize>, shown: Shown, message: String) {
        self.problems.push(ConfigProblem::new(self.name, self.text, span, shown, message));
    }
}

/// Less would be written within a busy day, of which nothing is removed.
fn audit_size(text: &str) -> Result<u64, String> {
    match values::bytes(text)? {
        size if size >= 10_000_000 => Ok(size),
        _ => Err("the audit log needs room for some days; write \"10 MB\" or more".to_owned()),
    }
}

/// Below this an agent cannot keep its own session.
fn disk(text: &str) -> Result<u64, String> {
    values::bytes(text).and_then(|bytes| {
        if bytes >= 1_000_000 { Ok(bytes) } else { Err("a group's folders need at least 1 MB".to_owned()) }
    })
}

/// Below this not even a shell starts reliably.
fn memory(text: &str) -> Result<u64, String> {
    values::bytes(text).and_then(|bytes| {
        if bytes >= 32 << 20 { Ok(bytes) } else { Err("a sandbox needs at least 32 MiB of memory".to_owned()) }
    })
}
