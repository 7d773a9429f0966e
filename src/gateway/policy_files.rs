//! The policies in force: read from the configuration folder, and replaced atomically when a file is saved, unless the
//! new one does not load.
//!
//! Each group compiles under its own lock: no group's tightening waits for another's file. What is watched, and when it
//! is looked at again, is `watching.rs`; which of a file's texts counts as complete is `watched.rs`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use desk::lock;
use policies::{Facts, GroupName, Narrow, Policy};
use policy_file::{Problems, Source, Texts};
use proxy::audit::LedgerDown;

use super::policy_events;
use super::taken_presets::TakenPresets;
use crate::home::Home;
use crate::skills::{self, Accepted};
use crate::store::ledger::AuditLog;

mod in_force;
mod text;
mod watched;
mod watching;

pub use in_force::InForce;
use in_force::OfGroup;
use text::{PolicyFile, Text};
use watched::Watched;
pub use watching::{DoorOpen, Watching};
pub(super) use watching::{is_saved, tell_unwatched};

/// Why a policy does not load.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {error}")]
    Read {
        /// The file, under the name its owner knows.
        file: String,
        /// The system's error.
        error: io::Error,
    },
    /// The file can be read but is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

/// The policies of all groups that have been asked for so far.
pub struct PolicyFiles {
    home: Home,
    ledger: Arc<AuditLog>,
    groups: Mutex<BTreeMap<GroupName, Arc<Group>>>,
    /// `base.toml`: its denials stay when the file is missing or empty, as it briefly is while some editors save it.
    base: Mutex<Watched>,
    /// One group at a time: two may use the same preset.
    taking: Mutex<()>,
    doors: watching::Doors,
    /// Called when a policy was replaced.
    replaced: OnceLock<Replaced>,
}

/// Called with the group whose policy was replaced, afterwards.
pub type Replaced = Box<dyn Fn(&GroupName) + Send + Sync>;

/// A group's policy and its sources.
struct Group {
    name: GroupName,
    policy: OfGroup,
    state: Mutex<State>,
    /// Another look was asked for while it was being compiled.
    again: AtomicBool,
}

struct State {
    file: Watched,
    /// What was accepted of its skills.
    skills: Watched,
    /// The texts that the policy was compiled from: unchanged ones are not compiled again.
    texts: Option<Texts>,
    /// Their versions.
    made_from: Option<Versions>,
    /// Why it cannot be read, so that this is reported once.
    unread: Option<String>,
    /// A new policy waits for the log to record it; reported once.
    waits: bool,
}

/// The version of each file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions {
    file: u64,
    skills: u64,
    base: u64,
}

impl PolicyFiles {
    /// For the policies of a home; changes are recorded in its log.
    pub fn new(home: Home, ledger: Arc<AuditLog>) -> Self {
        let base = Watched::new(PolicyFile::base(&home), true);
        PolicyFiles {
            home,
            ledger,
            groups: Mutex::default(),
            base: Mutex::new(base),
            taking: Mutex::default(),
            doors: watching::Doors::default(),
            replaced: OnceLock::new(),
        }
    }

    /// Sets the callback for replaced policies, once.
    pub fn tell_replaced(&self, hears: Replaced) {
        let _ = self.replaced.set(hears);
    }

    /// Reads and compiles a group's policy from the file as it is now.
    pub fn compile(home: &Home, group: &GroupName) -> Result<policy_file::Compiled, PolicyError> {
        policy_file::compile_all(group, &read(home, group)?).map_err(PolicyError::Wrong)
    }

    /// A hypothetical request in the words of a group's policy, from the file as it is now; `None` without such words.
    pub fn said(home: &Home, group: &GroupName, facts: &Facts) -> Option<String> {
        Self::compile(home, group).ok()?.policy.said(facts)
    }

    /// The policy in force, after another look at the file, so that nobody has to wait for a file system event. The
    /// handle stays the same for the group.
    pub fn of(&self, group: &GroupName) -> InForce {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        group.policy.handle()
    }

    /// A narrowed form of the policy in force, and of each that replaces it.
    pub fn narrowed(&self, group: &GroupName, narrow: &Narrow) -> InForce {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        group.policy.narrowed(narrow)
    }

    fn group(&self, name: &GroupName) -> Arc<Group> {
        let made = || Group {
            name: name.clone(),
            policy: OfGroup::without_a_file(name),
            state: Mutex::new(State {
                file: Watched::new(PolicyFile::of_group(&self.home, name), false),
                skills: Watched::new(PolicyFile::of_skills(&self.home, name), false),
                texts: None,
                made_from: None,
                unread: None,
                waits: false,
            }),
            again: AtomicBool::new(false),
        };
        lock(&self.groups).entry(name.clone()).or_insert_with(|| Arc::new(made())).clone()
    }

    fn refresh(&self, group: &Group, mut state: MutexGuard<'_, State>) {
        self.replace(group, &mut state);
        drop(state);
        while group.again.swap(false, Ordering::SeqCst) {
            self.replace(group, &mut lock(&group.state));
        }
    }

    /// Replaces a policy if its text has changed and compiles; otherwise the last good one stays, and the log says why.
    fn replace(&self, group: &Group, state: &mut State) {
        let name = &group.name;
        let (texts, made_from) = match self.texts(name, state) {
            Ok(found) => found,
            Err(error) => {
                let why = Some(error.to_string());
                if state.unread != why {
                    tracing::error!(policy.group = %name, %error, "Policy not read; the last good one stays");
                    self.ledger.note(&policy_events::rejected(name, &group.policy.now(), &error.to_string()));
                    state.unread = why;
                }
                return;
            }
        };
        state.unread = None;
        if state.texts.as_ref() == Some(&texts) {
            state.made_from = Some(made_from);
            return;
        }
        match policy_file::compile_all(name, &texts) {
            Ok(compiled) => {
                for warning in &compiled.warnings.0 {
                    tracing::warn!(policy.group = %name, %warning, "Policy loaded with a warning");
                }
                if let Err(error) = self.record(name, &group.policy.now(), &compiled.policy, &texts.skills) {
                    if !std::mem::replace(&mut state.waits, true) {
                        tracing::error!(
                            policy.group = %name, %error,
                            "A policy that may allow more waits: the log does not hear of it"
                        );
                    }
                    return;
                }
                tracing::info!(policy.group = %name, policy.hash = %compiled.policy.hash(), "Policy in force");
                self.take_presets(&compiled.policy);
                group.policy.put_in_force(compiled.policy);
                if let Some(hears) = self.replaced.get() {
                    hears(name);
                }
            }
            Err(problems) => {
                tracing::error!(policy.group = %name, "Policy refused; the last good one stays:\n{problems}");
                self.ledger.note(&policy_events::rejected(name, &group.policy.now(), &problems.to_string()));
            }
        }
        state.texts = Some(texts);
        state.made_from = Some(made_from);
        state.waits = false;
    }

    /// The texts that a policy is compiled from.
    fn texts(&self, group: &GroupName, state: &mut State) -> Result<(Texts, Versions), PolicyError> {
        let State { file, skills, .. } = state;
        file.look(false)?;
        skills.look(false)?;
        let mut base = lock(&self.base);
        base.look(false)?;
        let made_from = Versions { file: file.version(), skills: skills.version(), base: base.version() };
        let base = base.text().map(Text::source);
        let file = file.text().map_or_else(|| PolicyFile::of_group(&self.home, group).empty(), Text::source);
        let skills = skills.text().map(accepted).transpose()?.unwrap_or_default();
        Ok((Texts { file, base, presets: presets_in_force(&self.home)?, skills }, made_from))
    }

    /// Whatever may allow more is in the log before it is in force. Tightening waits for nothing.
    fn record(&self, group: &GroupName, old: &Policy, new: &Policy, skills: &[Source]) -> Result<(), LedgerDown> {
        if old.hash() == new.hash() {
            return Ok(());
        }
        let change = policy_file::diff(old, new);
        match self.ledger.notice(&policy_events::in_force(group, new, &change, skills)) {
            Err(error) if !change.widens() => {
                tracing::error!(%error, policy.group = %group, "A tighter policy is in force, and the log does not hear of it");
                Ok(())
            }
            noted => noted.map(drop),
        }
    }

    /// Takes this version's preset, once the log has recorded the owner's yes.
    pub fn accept_preset(&self, name: &str) -> Result<(), String> {
        let _one = lock(&self.taking);
        let taken = TakenPresets::of(&self.home);
        let unread =
            |error: std::io::Error| format!("nothing was changed: the presets in force cannot be read: {error}");
        let waiting = taken.waiting().map_err(unread)?.into_iter().find(|waiting| waiting.name == name);
        let Some(waiting) = waiting else { return Ok(()) };
        let noted = self.ledger.notice(&policy_events::preset_accepted(name, waiting.change.as_ref()));
        noted.map_err(|down| format!("nothing was changed: {down}"))?;
        taken.accept(name).map(drop).map_err(|error| format!("the preset cannot be written: {error}"))
    }

    fn take_presets(&self, policy: &Policy) {
        let _one = lock(&self.taking);
        let taken = TakenPresets::of(&self.home);
        match taken.take(policy) {
            Ok(names) => names.iter().for_each(|name| self.ledger.note(&policy_events::preset_taken(name))),
            Err(error) => {
                tracing::warn!(%error, "Presets not kept as they are; a later version's would be taken as they come");
            }
        }
        for waiting in taken.waiting().unwrap_or_default() {
            tracing::warn!(
                preset = waiting.name,
                "This version's preset would allow more and waits for your yes: doorward policy accept {}",
                waiting.name
            );
        }
    }
}

/// A group's file, what was accepted of its skills, `base.toml`, and presets that differ from this version's. A missing
/// file is an empty one: it allows nothing.
pub fn read(home: &Home, group: &GroupName) -> Result<Texts, PolicyError> {
    let skills = PolicyFile::of_skills(home, group).now()?;
    let skills = skills.as_ref().map(accepted).transpose()?.unwrap_or_default();
    Ok(Texts { skills, ..read_without_skills(home, group)? })
}

/// The same without skills.
pub fn read_without_skills(home: &Home, group: &GroupName) -> Result<Texts, PolicyError> {
    let file = PolicyFile::of_group(home, group);
    let text = file.now()?.as_ref().map_or_else(|| file.empty(), Text::source);
    Ok(Texts { base: read_base(home)?, presets: presets_in_force(home)?, ..Texts::of(text) })
}

/// The accepted rules of skills.
fn accepted(file: &Text) -> Result<Vec<Source>, PolicyError> {
    let file = file.source();
    let skills = skills::parse(&file.name, &file.text).map_err(PolicyError::Wrong)?;
    Ok(skills.iter().map(Accepted::source).collect())
}

/// `base.toml`, if there is one.
pub fn read_base(home: &Home) -> Result<Option<Source>, PolicyError> {
    Ok(PolicyFile::base(home).now()?.as_ref().map(Text::source))
}

/// The presets that stay in force while this version's wait for the owner's yes.
pub fn presets_in_force(home: &Home) -> Result<Vec<Source>, PolicyError> {
    let waiting = TakenPresets::of(home).waiting();
    let waiting = waiting.map_err(|error| PolicyError::Read { file: "a preset in force".to_owned(), error })?;
    Ok(waiting.into_iter().map(|waiting| waiting.taken).collect())
}

#[cfg(test)]
mod tests;
