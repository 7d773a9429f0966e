//! The checks, in the order of their dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use policies::GroupName;

use super::super::group::observed_until;
use super::super::policy;
use super::{Check, Mend, chats, engine, folders, held, keys, machine, others, tasks};
use crate::agents;
use crate::config::{Config, GroupSettings};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request, Status};
use crate::control::settings::fingerprint;
use crate::gateway;
use crate::gateway::policy_files::{PolicyError, PolicyFiles};
use crate::home::Home;
use crate::sandboxes::mounts;
use crate::skills;
use crate::store::ledger::{VerifyError, check_key, verify};
use crate::store::{Group, Millis, Store};

pub(super) async fn all(home: &Home) -> Vec<Check> {
    let mut checks = vec![folder(home)];
    let (database, seen) = database(home);
    let (log, written) = audit_log(home, seen);
    checks.extend([machine::space(home), machine::clock(machine::now(), written), database]);
    checks.extend(log);
    let (daemon, status) = daemon(home).await;
    checks.push(daemon);
    checks.extend(held::check(home));
    checks.extend(machine::watches());
    let groups = registered(home);
    match Config::load(home) {
        Ok(config) => {
            checks.push(settings(home, &config, status.as_ref()));
            checks.extend(of_settings(home, &config, &groups).await);
        }
        Err(error) => {
            let file = home.config_file().display().to_string();
            checks.push(Check::broken("doorward.toml", error.to_string(), format!("correct {file}")));
            // A consequence is not a second fault.
            checks.push(Check::fine(
                "not looked at",
                "engine, images, agents, secrets, chats: doorward.toml comes first",
            ));
        }
    }
    let in_force = status.iter().flat_map(|status| &status.policies).map(|one| (one.group.clone(), one.hash.clone()));
    checks.extend(policies(home, &in_force.collect()));
    checks.extend(names(&groups).flat_map(|group| mounts(home, &group)));
    checks.extend(names(&groups).flat_map(|group| skills(home, &group)));
    checks.extend(folders::check(home, names(&groups)));
    checks.extend(tasks::check(home));
    checks
}

/// The owner's folders in a group's sandboxes. An unreadable file is reported with its agent.
fn mounts(home: &Home, group: &GroupName) -> Vec<Check> {
    let check = |report: mounts::Report| {
        let what = format!("mount of {group}");
        let path = report.mount.path.display();
        match report.looked {
            Ok(seen) => match seen.hints.first() {
                None => Check::fine(what, format!("{path}, {} files and folders", seen.entries)),
                Some(hint) => Check::warning(what, format!("{path}: {hint}"), format!("doorward mount check {group}")),
            },
            Err(refused) => Check::broken(what, format!("{path}: {}", refused.why), refused.fix),
        }
    };
    mounts::check(home, group).unwrap_or_default().into_iter().map(check).collect()
}

/// Whether a group's skills are those that were accepted. An unreadable file is reported with its policy.
fn skills(home: &Home, group: &GroupName) -> Vec<Check> {
    let check = |skill: &skills::Accepted| {
        let what = format!("skill {} of {group}", skill.name);
        match skills::state(home, skill).told(group, skill) {
            None => Check::fine(what, format!("as you accepted it, {}", skill.at)),
            Some((found, fix)) => Check::warning(what, found, fix),
        }
    };
    let all = skills::read(home, group).ok().and_then(Result::ok).unwrap_or_default();
    all.iter().map(check).collect()
}

/// Checks that depend on `doorward.toml`.
async fn of_settings(home: &Home, config: &Config, groups: &[Group]) -> Vec<Check> {
    let mut checks = vec![machine::descriptors(home, config)];
    let (engine, socket) = engine::check(home, config).await;
    checks.extend(engine);
    checks.extend(agents(home, config, groups));
    checks.extend(keys::check(home, config));
    checks.extend(chats::check(home, config, groups).await);
    checks.extend(others::check(home, config, socket.as_deref()));
    checks
}

/// Whether a daemon could start with it, and whether a running one uses the present file.
fn settings(home: &Home, config: &Config, status: Option<&Status>) -> Check {
    if let Err(error) = gateway::upstream_tls(&config.upstream) {
        let fix = "put the file there, or take it out of [upstream]; until then `doorward up` does not start";
        return Check::broken("doorward.toml", error.to_string(), fix);
    }
    let changed = status.and_then(|status| status.settings.as_ref()).is_some_and(|then| *then != fingerprint(home));
    if changed {
        let fix = "stop the daemon and start it again: it reads its settings when it starts";
        return Check::warning(
            "doorward.toml",
            "OK, but changed since the daemon was started, which goes by the old one",
            fix,
        );
    }
    Check::fine("doorward.toml", "OK")
}

/// Writable, and closed to others. (Socket paths were checked for length when the home was named.)
fn folder(home: &Home) -> Check {
    if let Err(error) = home.prepare() {
        return Check::broken("home", error.to_string(), "make the folder writable for you, or choose another --home");
    }
    let open = [home.config_dir(), home.data()].into_iter().find(|dir| is_open_to_others(dir));
    if let Some(open) = open {
        let shown = open.display();
        let mend = Mend::Mode { path: open.to_owned(), mode: 0o700 };
        let words = format!("{shown} can be entered by other users");
        return Check::broken("home", words, format!("chmod 700 {shown}")).mended_by(mend);
    }
    match tempfile::tempfile_in(home.data()) {
        Ok(_) => Check::fine("home", format!("{home}, writable and private")),
        Err(error) => Check::broken("home", format!("{home} is not writable: {error}"), mend(&error)),
    }
}

fn mend(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
        ErrorKind::ReadOnlyFilesystem => "mount its file system so that it can be written",
        _ => "make it writable for you",
    }
}

fn is_open_to_others(dir: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    std::fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0 || meta.uid() != me)
}

/// The database, and the last record of the log that it knows of.
fn database(home: &Home) -> (Check, Option<u64>) {
    let (what, path) = ("database", home.main_db());
    if !path.exists() {
        return (Check::fine(what, "none yet; the first command that needs it makes it"), None);
    }
    let looked =
        Store::open(&path).and_then(|store| Ok((store.groups()?.len(), store.quick_check()?, store.log_seen()?)));
    match looked {
        Ok((groups, None, seen)) => (Check::fine(what, format!("whole; groups: {groups}")), seen),
        Ok((_, Some(damage), _)) => {
            let found = format!("{} is damaged: {damage}", path.display());
            (Check::broken(what, found, "restore it from a backup, with doorward.db-wal moved away"), None)
        }
        Err(error) => (Check::broken(what, error.to_string(), "see what the message says"), None),
    }
}

/// The audit log: whether the daemon could continue it, and whether it is the same log as before. With the time of its
/// last record.
fn audit_log(home: &Home, seen: Option<u64>) -> (Vec<Check>, Option<Millis>) {
    let (what, path) = ("audit log", home.audit_log());
    let mut checks = Vec::new();
    if let Err(error) = check_key(&path) {
        checks.push(Check::broken("audit key", error.to_string(), "see what the message says"));
    }
    let missing = |last: u64| seen.filter(|seen| *seen > last);
    let lost = "put the right file back while Doorward is stopped; where it was removed on purpose, the next start begins \
                anew and says so";
    if !path.exists() {
        checks.push(match missing(0) {
            Some(seen) => Check::warning(what, format!("is gone; record {seen} had been written"), lost),
            None => Check::fine(what, "none yet; `doorward up` begins it"),
        });
        return (checks, None);
    }
    let verified = verify(&path, None);
    let written = verified.as_ref().ok().and_then(|whole| whole.last_at);
    checks.push(match verified {
        Err(VerifyError::Damaged(damage)) => Check::broken(what, damage.to_string(), "see docs/audit.md, \"Damage\""),
        Ok(whole) => match missing(whole.last.seq) {
            Some(seen) => {
                let found = format!("ends with record {}, and record {seen} had been written", whole.last.seq);
                Check::warning(what, found, lost)
            }
            None => Check::fine(what, format!("whole; record {} is the last", whole.last.seq)),
        },
        Err(error) => Check::broken(what, error.to_string(), "see what the message says"),
    });
    (checks, written)
}

/// Whether a daemon runs, and its report.
async fn daemon(home: &Home) -> (Check, Option<Status>) {
    let mut status = None;
    let check = match Client::connect(home).await {
        Ok(Some(client)) => {
            if let Ok((Answer::Status(said), _)) = client.ask(&Request::Status {}).await {
                status = Some(said);
            }
            Check::fine("daemon", "runs")
        }
        Ok(None) if home.is_served() => {
            Check::warning("daemon", "holds the home but does not answer", "it is starting or ending; wait a moment")
        }
        Ok(None) => Check::fine("daemon", "does not run; `doorward up` starts it"),
        Err(error) => Check::broken("daemon", error.to_string(), "see who owns the home; it must be you"),
    };
    (check, status)
}

pub(super) fn registered(home: &Home) -> Vec<Group> {
    let path = home.main_db();
    let groups = path.exists().then(|| Store::open(&path).and_then(|store| store.groups()));
    groups.and_then(Result::ok).unwrap_or_default()
}

fn names(groups: &[Group]) -> impl Iterator<Item = GroupName> {
    groups.iter().map(|group| group.name.clone())
}

/// Whether each group's agent can be started, as far as files tell.
fn agents(home: &Home, config: &Config, groups: &[Group]) -> Vec<Check> {
    let check = |group| {
        let what = format!("agent of {group}");
        let settings = match GroupSettings::load(home, &group) {
            Ok(settings) => settings,
            Err(error) => return Check::broken(what, error.to_string(), "correct what the message names"),
        };
        let policy = PolicyFiles::compile(home, &group);
        // A wrong policy has a line of its own.
        let policy = policy.as_ref().ok();
        let lacks = |agent| policy.and_then(|it| agents::check_key(&group, agent, &it.policy, config).err());
        match settings.agents().find_map(lacks) {
            Some(error) => Check::broken(what, error.to_string(), error.remedy(config)),
            None => {
                let all: Vec<String> = settings.agents().map(ToString::to_string).collect();
                Check::fine(what, all.join(", then "))
            }
        }
    };
    names(groups).map(check).collect()
}

fn policies(home: &Home, in_force: &BTreeMap<String, String>) -> Vec<Check> {
    let groups = match policy::groups_with_files(home) {
        Ok(groups) => groups,
        Err(error) => return vec![Check::broken("policies", format!("{error:#}"), "make the folder readable for you")],
    };
    let check = |group| {
        let what = format!("policies/{group}.toml");
        let compiled = PolicyFiles::compile(home, &group);
        if let Some(found) = compiled.as_ref().ok().and_then(|one| other_in_force(&group, &one.policy, in_force)) {
            let fix = "save the file again, or stop and start the daemon; `doorward audit` says why it was not taken";
            return Check::broken(what, found, fix);
        }
        match compiled {
            Ok(compiled) if observed_until(home, &compiled.policy).is_some() => {
                observes(home, &group, &compiled.policy)
            }
            Ok(compiled) if compiled.warnings.is_empty() => {
                Check::fine(what, format!("OK, {}", policy::rules_of(&compiled.policy)))
            }
            Ok(compiled) => {
                Check::warning(what, compiled.warnings.to_string(), format!("doorward policy check {group}"))
            }
            Err(error) => {
                let goes_on = if in_force.contains_key(group.as_str()) {
                    "; until then the daemon goes on with the last one that was right"
                } else {
                    ""
                };
                let (what, command) = match is_of_base(&error) {
                    true => ("policies/base.toml".to_owned(), "doorward policy check".to_owned()),
                    false => (what, format!("doorward policy check {group}")),
                };
                Check::broken(what, error.to_string(), format!("{command} shows the lines{goes_on}"))
            }
        }
    };
    // An error in base.toml is in each group's policy, but is one thing to mend.
    let mut told = BTreeSet::new();
    groups.into_iter().map(check).filter(|check| told.insert(check.what.clone())).collect()
}

/// Whether the error is in `base.toml`, and thus in each group's policy.
fn is_of_base(error: &PolicyError) -> bool {
    let file = match error {
        PolicyError::Read { file, .. } => Some(file.as_str()),
        PolicyError::Wrong(problems) => problems.0.first().map(desk::Problem::file),
    };
    file == Some("policies/base.toml")
}

/// The policy in force, if it is not what the files say.
fn other_in_force(group: &GroupName, policy: &policies::Policy, in_force: &BTreeMap<String, String>) -> Option<String> {
    let (file, daemon) = (policy.hash().to_string(), in_force.get(group.as_str())?);
    (*daemon != file).then(|| format!("the files make policy {file}, and the daemon has {daemon} in force"))
}

/// A policy that allows what no rule names.
fn observes(home: &Home, group: &GroupName, policy: &policies::Policy) -> Check {
    let until = observed_until(home, policy).map(|last| format!(" until {last}")).unwrap_or_default();
    let found = format!("observes{until}: what no rule names goes out as well, and is only written down");
    let fix =
        format!("doorward policy suggest {group} makes rules of it; then take mode = \"observe\" out of the file");
    Check::warning(format!("policies/{group}.toml"), found, fix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::State;
    use super::*;

    /// A daemon keeps the last valid policy; the doctor reports that it is not what the file says.
    #[test]
    fn a_policy_that_is_not_in_force_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let (family, work) = (GroupName::parse("family").unwrap(), GroupName::parse("work").unwrap());
        let rule = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n";
        for group in [&family, &work] {
            std::fs::write(home.policy_file(group), rule).unwrap();
        }
        let hash = |group| PolicyFiles::compile(&home, group).unwrap().policy.hash().to_string();
        let looked = |in_force: &[(&str, String)]| {
            let in_force = in_force.iter().map(|(group, hash)| ((*group).to_owned(), hash.clone())).collect();
            policies(&home, &in_force)
                .into_iter()
                .map(|check| (check.what, check.state, check.found))
                .collect::<Vec<_>>()
        };
        let states = |in_force: &[(&str, String)]| looked(in_force).into_iter().map(|one| one.1).collect::<Vec<_>>();
        let (of_family, of_work) = (hash(&family), hash(&work));
        assert_eq!(states(&[]), [State::Fine, State::Fine], "no daemon, or no door of theirs yet");
        assert_eq!(states(&[("family", of_family.clone()), ("work", of_work.clone())]), [State::Fine, State::Fine]);
        std::fs::write(home.policy_file(&family), format!("{rule}[[deny]]\nhost = \"b.test\"\n")).unwrap();
        let now = looked(&[("family", of_family.clone()), ("work", of_work)]);
        assert_eq!((now[0].1, now[1].1), (State::Broken, State::Fine), "{now:?}");
        assert!(now[0].2.contains(&of_family) && now[0].2.contains(&hash(&family)), "{now:?}");
        // One that does not load has its own line.
        std::fs::write(home.policy_file(&family), "[[allow]]").unwrap();
        let wrong = looked(&[("family", of_family)]);
        assert!(wrong[0].1 == State::Broken && !wrong[0].2.contains("in force"), "{wrong:?}");
    }
}
