//! The policies in force: read from the configuration folder, replaced whole when a
//! file is saved, never by one that does not load.
//!
//! Each group is compiled under a lock of its own: nobody's tightening waits for the file
//! of another. What is watched, and when a file counts as written, is `watching.rs` and
//! `watched.rs`.

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
    /// It cannot be read at all.
    #[error("{file} cannot be read: {error}")]
    Read {
        /// As the owner knows it.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// It can be read, and is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

/// The policies of all groups that were asked for so far.
pub struct PolicyFiles {
    home: Home,
    ledger: Arc<AuditLog>,
    groups: Mutex<BTreeMap<GroupName, Arc<Group>>>,
    /// `base.toml`: its denials do not go because the file is away or empty, as it is for an
    /// instant while some editors save it.
    base: Mutex<Watched>,
    /// One at a time: two groups may use one preset.
    taking: Mutex<()>,
    doors: watching::Doors,
    /// Who is told when a policy was replaced.
    replaced: OnceLock<Replaced>,
}

/// Hears whose policy was replaced, after it was.
pub type Replaced = Box<dyn Fn(&GroupName) + Send + Sync>;

/// One group's policy and where it comes from.
struct Group {
    name: GroupName,
    policy: Arc<ArcSwap<Policy>>,
    /// What helpers of its agent have of it, for as long as they live.
    narrowed: Mutex<Vec<(Narrow, Weak<ArcSwap<Policy>>)>>,
    state: Mutex<State>,
    /// Somebody wanted it looked at while it was being compiled.
    again: AtomicBool,
}

struct State {
    file: Watched,
    /// What was accepted of its skills.
    skills: Watched,
    /// What the policy was made from: an unchanged text is not compiled again.
    texts: Option<Texts>,
    /// The files as they were then, by their versions.
    made_from: Option<Versions>,
    /// Why it could not be read, while it cannot: told once.
    unread: Option<String>,
    /// It would be replaced, were the log there to hear of it: told once.
    waits: bool,
}

impl Group {
    /// Puts a policy in force, for helpers as well.
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

/// Which text of each file this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions {
    file: u64,
    skills: u64,
    base: u64,
}

/// A policy file that is longer is compiled beside the others.
const SHORT: usize = 64 << 10;

impl PolicyFiles {
    /// For the policies of a home; what becomes of them is told to its log.
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

    /// Says who hears of replaced policies, once.
    pub fn tell_replaced(&self, hears: Replaced) {
        let _ = self.replaced.set(hears);
    }

    /// Reads and compiles a group's policy as it stands in the file now.
    pub fn compile(home: &Home, group: &GroupName) -> Result<policy_file::Compiled, PolicyError> {
        policy_file::compile_all(group, &read(home, group)?).map_err(PolicyError::Wrong)
    }

    /// What a request does that is only spoken of, in the words of a group's policy as it stands in the file now;
    /// nothing where it has none.
    pub fn said(home: &Home, group: &GroupName, facts: &Facts) -> Option<String> {
        Self::compile(home, group).ok()?.policy.said(facts)
    }

    /// The policy in force, looked up anew in the file: nobody has to wait for a
    /// file system event. The handle stays the group's own.
    pub fn of(&self, group: &GroupName) -> Arc<ArcSwap<Policy>> {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        group.policy.clone()
    }

    /// A part of the policy in force, and of each that follows it.
    pub fn narrowed(&self, group: &GroupName, narrow: &Narrow) -> Arc<ArcSwap<Policy>> {
        let group = self.group(group);
        self.refresh(&group, lock(&group.state));
        let mut narrowed = lock(&group.narrowed);
        let handle = Arc::new(ArcSwap::from_pointee(group.policy.load().narrowed(narrow.clone())));
        narrowed.push((narrow.clone(), Arc::downgrade(&handle)));
        handle
    }

    /// The hash of each policy that was asked for so far.
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

    /// Looks whether a file is another than the one in force. `written` are those whose own
    /// writing has just ended.
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
                    // Whoever compiles it looks again.
                    group.again.store(true, Ordering::SeqCst);
                    continue;
                }
            };
            let (file_was, skills_were) = (state.file.is_among(written), state.skills.is_among(written));
            // What cannot be read is told by whoever compiles.
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

    /// All of them again, whatever is known of their files.
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

    /// Replaces a policy if its text has changed and compiles; otherwise the last
    /// good one stays, and the log says why.
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

    /// What a policy is made from, as far as it is written.
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

    /// What may allow more is in the log before it is in force. Tightening waits for nothing.
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

    /// Takes a preset as this version ships it, once the log has heard that the owner said yes.
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

/// A group's file, what was accepted of its skills, `base.toml`, and the presets that are not those of this version.
/// A file that is not there is an empty one: it allows nothing.
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

/// The rules of skills, as they were accepted.
fn accepted(file: Source) -> Result<Vec<Source>, PolicyError> {
    let skills = skills::parse(&file.name, &file.text).map_err(PolicyError::Wrong)?;
    Ok(skills.iter().map(Accepted::source).collect())
}

/// `base.toml`, where there is one.
pub fn read_base(home: &Home) -> Result<Option<Source>, PolicyError> {
    read_one(&home.base_policy_file(), "policies/base.toml".to_owned())
}

/// What stands for presets of this version that wait for the owner's yes.
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
