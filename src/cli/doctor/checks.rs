//! The checks, in the order in which things depend on each other.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use containers::{Engine, images};
use policies::GroupName;
use rustix::fs::statvfs;

use super::super::policy;
use super::{Check, folders};
use crate::claude;
use crate::config::{Agent, Config, GroupSettings};
use crate::control::client::Client;
use crate::gateway::descriptors;
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::sandboxes;
use crate::store::{self, Store};

/// Below this, databases and sandboxes soon run into the end of the disk.
const LITTLE_SPACE: u64 = 1 << 30;

/// 2026-01-01; a clock before that fails every certificate.
const EARLIEST: store::Millis = 1_767_225_600_000;

pub(super) async fn all(home: &Home) -> Vec<Check> {
    let mut checks = vec![folder(home)];
    checks.extend([space(home), clock(), database(home), daemon(home).await]);
    let config = Config::load(home);
    match &config {
        Ok(_) => checks.push(Check::fine("doorward.toml", "right")),
        Err(error) => {
            let file = home.config_file().display().to_string();
            checks.push(Check::broken("doorward.toml", error.to_string(), format!("correct {file}")));
        }
    }
    let config = config.unwrap_or_default();
    checks.push(descriptors(home, &config));
    checks.extend(engine(home, &config).await);
    checks.extend(policies(home));
    checks.extend(agents(home, &config));
    checks.extend(secrets(&config));
    checks.extend(folders::check(home, registered(home)));
    checks
}

/// Doors share what there is, so with few of them each has fewer connections. Asked of the
/// daemon where one runs: a service and a shell have limits of their own.
fn descriptors(home: &Home, config: &Config) -> Check {
    let available = home.served_by().and_then(descriptors::available_to).unwrap_or_else(descriptors::available);
    if descriptors::are_few(available, config.queue.sandboxes) {
        let found = format!("{available} at most, so each sandbox has fewer connections than usual");
        return Check::warning("file descriptors", found, descriptors::MORE);
    }
    Check::fine("file descriptors", "enough")
}

/// Writable and closed to others. (That sockets' paths are short enough was checked
/// when the home was named.)
fn folder(home: &Home) -> Check {
    if let Err(error) = home.prepare() {
        return Check::broken("home", error.to_string(), "make the folder writable for you, or choose another --home");
    }
    let open = [home.config_dir(), home.data()].into_iter().find(|dir| is_open_to_others(dir));
    if let Some(dir) = open {
        let dir = dir.display();
        return Check::broken("home", format!("{dir} can be entered by other users"), format!("chmod 700 {dir}"));
    }
    match tempfile::tempfile_in(home.data()) {
        Ok(_) => Check::fine("home", format!("{home}, writable and private")),
        Err(error) => Check::broken("home", format!("{home} is not writable: {error}"), "free space, or mend its mode"),
    }
}

fn is_open_to_others(dir: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    std::fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0 || meta.uid() != me)
}

fn space(home: &Home) -> Check {
    match statvfs(home.data()) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB free", free >> 20);
            if free < LITTLE_SPACE {
                return Check::warning("disk", found, "free some space: a full disk closes every door");
            }
            Check::fine("disk", found)
        }
        Err(error) => Check::warning("disk", format!("cannot be asked: {error}"), "see whether the disk is mounted"),
    }
}

fn clock() -> Check {
    if store::now() < EARLIEST {
        return Check::broken("clock", "it shows a time long past", "set the clock; certificates are checked by it");
    }
    Check::fine("clock", "plausible")
}

fn database(home: &Home) -> Check {
    let path = home.main_db();
    if !path.exists() {
        return Check::fine("database", "none yet; the first command that needs it makes it");
    }
    match Store::open(&path).and_then(|store| store.groups()) {
        Ok(groups) => Check::fine("database", format!("can be read; groups: {}", groups.len())),
        Err(error) => Check::broken("database", error.to_string(), "see what the message says"),
    }
}

async fn daemon(home: &Home) -> Check {
    match Client::connect(home).await {
        Ok(Some(_)) => Check::fine("daemon", "runs"),
        Ok(None) if home.is_served() => {
            Check::warning("daemon", "holds the home but does not answer", "it is starting or ending; wait a moment")
        }
        Ok(None) => Check::fine("daemon", "does not run; `doorward up` starts it"),
        Err(error) => Check::broken("daemon", error.to_string(), "see who owns the home; it must be you"),
    }
}

async fn engine(home: &Home, config: &Config) -> Vec<Check> {
    let engine = match Engine::connect(config.engine.host.as_deref()).await {
        Ok(engine) => engine,
        Err(error) => {
            return vec![Check::broken(
                "container engine",
                error.to_string(),
                "see what the message says, then try again",
            )];
        }
    };
    let facts = engine.facts();
    let mut checks = vec![Check::fine(
        "container engine",
        format!("{} {} at {}", facts.kind, facts.version, facts.socket.display()),
    )];
    let unlimited: Vec<&str> =
        [("processes", facts.enforced.pids), ("memory", facts.enforced.memory), ("cpu", facts.enforced.cpu)]
            .into_iter()
            .filter_map(|(what, enforced)| (!enforced).then_some(what))
            .collect();
    if !unlimited.is_empty() {
        let fix = "a sandbox can use all of the machine's; run the engine on a system with cgroup v2, or as root";
        checks.push(Check::warning("limits", format!("this engine does not limit: {}", unlimited.join(", ")), fix));
    }
    if let Some(runtime) = &config.engine.runtime
        && !facts.runtimes.contains(runtime)
    {
        let known = facts.runtimes.join(", ");
        checks.push(Check::broken(
            "runtime",
            format!("the engine has no runtime {runtime:?}"),
            format!("install it, or choose one of: {known}"),
        ));
    }
    for image in wanted_images(home, config) {
        checks.push(match images::exists(&engine, &image).await {
            Ok(true) => Check::fine("image", image),
            Ok(false) => Check::broken("image", format!("{image} is not there"), images::how_to_get(&image)),
            Err(error) => Check::broken("image", error.to_string(), "see what the engine's own log says"),
        });
    }
    checks
}

/// What the groups' sandboxes run, and the image of a group to come.
fn wanted_images(home: &Home, config: &Config) -> BTreeSet<String> {
    let of_groups = registered(home).into_iter().filter_map(|group| GroupSettings::load(home, &group).ok());
    let all = of_groups.chain([GroupSettings::default()]);
    all.map(|settings| sandboxes::image(&settings, &config.engine)).collect()
}

fn registered(home: &Home) -> Vec<GroupName> {
    let path = home.main_db();
    let groups = path.exists().then(|| Store::open(&path).and_then(|store| store.groups()));
    groups.and_then(Result::ok).unwrap_or_default().into_iter().map(|group| group.name).collect()
}

/// Whether each group's agent can be started, as far as files tell.
fn agents(home: &Home, config: &Config) -> Vec<Check> {
    let check = |group| {
        let what = format!("agent of {group}");
        let settings = match GroupSettings::load(home, &group) {
            Ok(settings) => settings,
            Err(error) => return Check::broken(what, error.to_string(), "correct what the message names"),
        };
        let policy = PolicyFiles::compile(home, &group);
        match (&settings.agent, &policy) {
            (Agent::Claude { .. }, Ok(compiled)) => match claude::check_key(&group, &compiled.policy, config) {
                Ok(()) => Check::fine(what, settings.agent.to_string()),
                Err(error) => Check::broken(what, error.to_string(), "see docs/agents.md"),
            },
            // A policy that is wrong has a line of its own.
            _ => Check::fine(what, settings.agent.to_string()),
        }
    };
    registered(home).into_iter().map(check).collect()
}

fn policies(home: &Home) -> Vec<Check> {
    let groups = match policy::groups_with_files(home) {
        Ok(groups) => groups,
        Err(error) => return vec![Check::broken("policies", format!("{error:#}"), "make the folder readable for you")],
    };
    let check = |group| {
        let what = format!("policies/{group}.toml");
        match PolicyFiles::compile(home, &group) {
            Ok(compiled) if compiled.warnings.is_empty() => {
                Check::fine(what, format!("right; rules: {}", compiled.policy.rules().count()))
            }
            Ok(compiled) => {
                Check::warning(what, compiled.warnings.to_string(), format!("doorward policy check {group}"))
            }
            Err(error) => {
                Check::broken(what, error.to_string(), format!("doorward policy check {group} shows the lines"))
            }
        }
    };
    groups.into_iter().map(check).collect()
}

fn secrets(config: &Config) -> Vec<Check> {
    let check = |credential: &crate::config::Credential| {
        let what = format!("secret {}", credential.name);
        match credential.source.read() {
            Ok(_) => Check::fine(what, format!("can be read from {}", credential.source)),
            Err(error) => Check::warning(what, error.to_string(), "put it there; until then, what needs it is refused"),
        }
    };
    config.credentials.values().map(check).collect()
}
