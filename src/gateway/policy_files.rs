//! The policies in force: read from the configuration folder, and replaced atomically when a file is saved, unless the
//! new one does not load.
//!
//! Each group compiles under its own lock: no group's tightening waits for another's file. What is watched is
//! `watching.rs`; when a file counts as complete is `watched.rs`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError, Weak};

use arc_swap::ArcSwap;
use desk::lock;
use policies::{Facts, GroupName, Narrow, Policy};
use policy_file::{Problems, Source, Texts};
use proxy::audit::LedgerDown;

use super::policy_events;
use super::taken_presets::TakenPresets;
use crate::home::{self, Home};
use crate::skills::{self, Accepted};
use crate::store::ledger::AuditLog;

mod watched;
mod watching;

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
    policy: Arc<ArcSwap<Policy>>,
    /// The narrowed policies of its agent's helpers, for as long as they live.
    narrowed: Mutex<Vec<(Narrow, Weak<ArcSwap<Policy>>)>>,
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

impl Group {
    /// Puts a policy in force, for helpers too.
    fn put(&self, policy: Policy) {
        let mut narrowed = lock(&self.narrowed);
        narrowed.retain(|(narrow, handle)| match handle.upgrade() {
            Some(handle) => {
                handle.store(Arc::new(policy.narrowed(narrow.clone())));
                true
            }
            None => false,
        });
        self.policy.store(Arc::new(policy));
    }
}

/// The version of each file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions {
    file: u64,
    skills: u64,
    base: u64,
}

/// A longer policy file is compiled on another thread.
const SHORT: usize = 64 << 10;

impl PolicyFiles {
    /// For the policies of a home; changes are recorded in its log.
    pub fn new(home: Home, ledger: Arc<AuditLog>) -> Self {
        let base = Watched::base(home.base_policy_file());
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
    pub fn of(&self, group: &GroupName) -> Arc<ArcSwap<Policy>> {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        group.policy.clone()
    }

    /// A narrowed form of the policy in force, and of each that replaces it.
    pub fn narrowed(&self, group: &GroupName, narrow: &Narrow) -> Arc<ArcSwap<Policy>> {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        let mut narrowed = lock(&group.narrowed);
        let handle = Arc::new(ArcSwap::from_pointee(group.policy.load().narrowed(narrow.clone())));
        narrowed.push((narrow.clone(), Arc::downgrade(&handle)));
        handle
    }

    /// The hash of each policy that has been asked for so far.
    pub fn in_force(&self) -> Vec<(GroupName, String)> {
        let hash = |group: &Arc<Group>| (group.name.clone(), group.policy.load().hash().to_string());
        lock(&self.groups).values().map(hash).collect()
    }

    fn group(&self, name: &GroupName) -> Arc<Group> {
        let made = || Group {
            name: name.clone(),
            // Until a file has loaded, nothing is allowed.
            policy: Arc::new(ArcSwap::from_pointee(policy_file::deny_all(name))),
            narrowed: Mutex::default(),
            state: Mutex::new(State {
                file: Watched::of_group(self.home.policy_file(name), name),
                skills: Watched::of_skills(self.home.skills_file(name), name),
                texts: None,
                made_from: None,
                unread: None,
                waits: false,
            }),
            again: AtomicBool::new(false),
        };
        lock(&self.groups).entry(name.clone()).or_insert_with(|| Arc::new(made())).clone()
    }

    /// Checks whether a file differs from the one in force. `written` are the files whose own writing has just ended.
    fn look(self: &Arc<Self>, written: &[std::path::PathBuf]) {
        let mut base = lock(&self.base);
        let version = base.version();
        let was_written = base.is_among(written);
        if let Err(error) = base.look(was_written) {
            tracing::error!(%error, "base.toml not read; its denials stay");
        }
        let base_changed = base.version() != version;
        drop(base);
        let groups: Vec<_> = lock(&self.groups).values().cloned().collect();
        let mut long = Vec::new();
        for group in groups {
            let mut state = match group.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    // Whoever is compiling looks again.
                    group.again.store(true, Ordering::SeqCst);
                    continue;
                }
            };
            let (file_was, skills_were) = (state.file.is_among(written), state.skills.is_among(written));
            // Read errors are reported by the compiling thread.
            let unread = state.file.look(file_was).is_err() | state.skills.look(skills_were).is_err();
            let (file, skills) = (state.file.version(), state.skills.version());
            let same = state.made_from.is_some_and(|from| (from.file, from.skills) == (file, skills));
            if !base_changed && !unread && same {
                continue;
            }
            match state.file.length() > SHORT {
                true => long.push(group.clone()),
                false => self.refresh(&group, state),
            }
        }
        for group in long {
            let files = self.clone();
            std::thread::spawn(move || files.refresh(&group, lock(&group.state)));
        }
    }

    /// Reads all of them again, whatever is known of their files.
    fn refresh_all(&self) {
        let groups: Vec<_> = lock(&self.groups).values().cloned().collect();
        groups.iter().for_each(|group| self.refresh(group, lock(&group.state)));
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
        let (texts, made_from) = match self.texts(state) {
            Ok(found) => found,
            Err(error) => {
                let why = Some(error.to_string());
                if state.unread != why {
                    tracing::error!(policy.group = %name, %error, "Policy not read; the last good one stays");
                    self.ledger.note(&policy_events::rejected(name, &group.policy.load(), &error.to_string()));
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
                if let Err(error) = self.record(name, &group.policy.load(), &compiled.policy, &texts.skills) {
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
                group.put(compiled.policy);
                if let Some(hears) = self.replaced.get() {
                    hears(name);
                }
            }
            Err(problems) => {
                tracing::error!(policy.group = %name, "Policy refused; the last good one stays:\n{problems}");
                self.ledger.note(&policy_events::rejected(name, &group.policy.load(), &problems.to_string()));
            }
        }
        state.texts = Some(texts);
        state.made_from = Some(made_from);
        state.waits = false;
    }

    /// The texts that a policy is compiled from.
    fn texts(&self, state: &mut State) -> Result<(Texts, Versions), PolicyError> {
        let State { file, skills, .. } = state;
        file.look(false)?;
        skills.look(false)?;
        let mut base = lock(&self.base);
        base.look(false)?;
        let made_from = Versions { file: file.version(), skills: skills.version(), base: base.version() };
        let base = base.source();
        let file = file.source().unwrap_or_else(|| file.empty());
        let skills = skills.source().map(accepted).transpose()?.unwrap_or_default();
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
    let skills = read_one(&home.skills_file(group), format!("skills/{group}.toml"))?;
    let skills = skills.map(accepted).transpose()?.unwrap_or_default();
    Ok(Texts { skills, ..read_without_skills(home, group)? })
}

/// The same without skills.
pub fn read_without_skills(home: &Home, group: &GroupName) -> Result<Texts, PolicyError> {
    let file = read_one(&home.policy_file(group), format!("policies/{group}.toml"))?;
    let file = file.unwrap_or(Source { name: format!("policies/{group}.toml"), text: String::new() });
    Ok(Texts { base: read_base(home)?, presets: presets_in_force(home)?, ..Texts::of(file) })
}

/// The accepted rules of skills.
fn accepted(file: Source) -> Result<Vec<Source>, PolicyError> {
    let skills = skills::parse(&file.name, &file.text).map_err(PolicyError::Wrong)?;
    Ok(skills.iter().map(Accepted::source).collect())
}

/// `base.toml`, if there is one.
pub fn read_base(home: &Home) -> Result<Option<Source>, PolicyError> {
    read_one(&home.base_policy_file(), "policies/base.toml".to_owned())
}

/// The presets that stay in force while this version's wait for the owner's yes.
pub fn presets_in_force(home: &Home) -> Result<Vec<Source>, PolicyError> {
    let waiting = TakenPresets::of(home).waiting();
    let waiting = waiting.map_err(|error| PolicyError::Read { file: "a preset in force".to_owned(), error })?;
    Ok(waiting.into_iter().map(|waiting| waiting.taken).collect())
}

fn read_one(path: &Path, name: String) -> Result<Option<Source>, PolicyError> {
    match home::read_text(path) {
        Ok(text) => Ok(Some(Source { name, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PolicyError::Read { file: name, error }),
    }
}

#[cfg(test)]
mod tests;
