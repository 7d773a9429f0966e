//! The policies in force: read from the configuration folder, replaced whole when a
//! file is saved, never by one that does not load.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use policies::{GroupName, Policy, Problems, Source, Texts};
use proxy::audit::LedgerDown;

use super::policy_events;
use super::taken_presets::TakenPresets;
use crate::home::Home;
use crate::store::ledger::AuditLog;

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
    loaded: Mutex<BTreeMap<GroupName, Loaded>>,
    /// `base.toml` as it was last found: its denials do not go because the file is away,
    /// as it is for an instant while some editors save it.
    base: Mutex<Option<Source>>,
}

struct Loaded {
    policy: Arc<ArcSwap<Policy>>,
    /// What it was made from: an unchanged text is not compiled again.
    texts: Option<Texts>,
    /// Why it could not be read, while it cannot: told once.
    unread: Option<String>,
}

impl PolicyFiles {
    /// For the policies of a home; what becomes of them is told to its log.
    pub fn new(home: Home, ledger: Arc<AuditLog>) -> Self {
        PolicyFiles { home, ledger, loaded: Mutex::default(), base: Mutex::default() }
    }

    /// Reads and compiles a group's policy as it stands in the file now.
    pub fn compile(home: &Home, group: &GroupName) -> Result<policies::Compiled, PolicyError> {
        Policy::compile_all(group, &read(home, group)?).map_err(PolicyError::Wrong)
    }

    /// The policy in force, looked up anew in the file: nobody has to wait for a
    /// file system event. The handle stays the group's own.
    pub fn of(&self, group: &GroupName) -> Arc<ArcSwap<Policy>> {
        let mut loaded = self.lock();
        let one = loaded.entry(group.clone()).or_insert_with(|| Loaded {
            // Until a file has loaded, nothing is allowed.
            policy: Arc::new(ArcSwap::from_pointee(Policy::deny_all(group))),
            texts: None,
            unread: None,
        });
        self.refresh(group, one, false);
        one.policy.clone()
    }

    /// Watches the folder for as long as the watcher is kept.
    pub fn watch(self: &Arc<Self>) -> notify::Result<RecommendedWatcher> {
        // Not held by the watcher's thread, which may outlive what it is for: with the last
        // handle the log is closed, and what it counted is written.
        let files = Arc::downgrade(self);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(files) = files.upgrade().filter(|_| event.is_ok_and(|event| is_saved(&event.kind))) {
                files.refresh_all();
            }
        })?;
        for folder in [self.home.policies_dir(), self.home.presets_dir()] {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    }

    fn refresh_all(&self) {
        for (group, one) in self.lock().iter_mut() {
            self.refresh(group, one, true);
        }
    }

    /// Replaces a policy if its text has changed and compiles; otherwise the last
    /// good one stays, and the log says why.
    /// `saved`: whether somebody has just written a file to its end.
    fn refresh(&self, group: &GroupName, one: &mut Loaded, saved: bool) {
        let texts = match read(&self.home, group) {
            Ok(texts) => Texts { base: self.base_that_stays(texts.base, saved), ..texts },
            Err(error) => {
                tracing::error!(policy.group = %group, %error, "Policy not read; the last good one stays");
                let why = Some(error.to_string());
                if one.unread != why {
                    self.ledger.note(&policy_events::rejected(group, &one.policy.load(), &error.to_string()));
                    one.unread = why;
                }
                return;
            }
        };
        one.unread = None;
        if one.texts.as_ref() == Some(&texts) {
            return;
        }
        match Policy::compile_all(group, &texts) {
            Ok(compiled) => {
                for warning in &compiled.warnings.0 {
                    tracing::warn!(policy.group = %group, %warning, "Policy loaded with a warning");
                }
                if let Err(error) = self.record(group, &one.policy.load(), &compiled.policy) {
                    return tracing::error!(
                        policy.group = %group, %error,
                        "A policy that may allow more waits: the log does not hear of it"
                    );
                }
                tracing::info!(policy.group = %group, policy.hash = %compiled.policy.hash(), "Policy in force");
                self.take_presets(&compiled.policy);
                one.policy.store(Arc::new(compiled.policy));
            }
            Err(problems) => {
                tracing::error!(policy.group = %group, "Policy refused; the last good one stays:\n{problems}");
                self.ledger.note(&policy_events::rejected(group, &one.policy.load(), &problems.to_string()));
            }
        }
        one.texts = Some(texts);
    }

    /// What may allow more is in the log before it is in force. Tightening waits for nothing.
    fn record(&self, group: &GroupName, old: &Policy, new: &Policy) -> Result<(), LedgerDown> {
        if old.hash() == new.hash() {
            return Ok(());
        }
        let change = old.diff(new, &[]);
        match self.ledger.notice(&policy_events::in_force(group, new, &change)) {
            Err(error) if !change.widens() => {
                tracing::error!(%error, policy.group = %group, "A tighter policy is in force, and the log does not hear of it");
                Ok(())
            }
            noted => noted.map(drop),
        }
    }

    fn take_presets(&self, policy: &Policy) {
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

    /// One that is empty while nobody has saved it is being written.
    fn base_that_stays(&self, found: Option<Source>, saved: bool) -> Option<Source> {
        let mut last = lock(&self.base);
        if found.as_ref().is_some_and(|base| saved || last.is_none() || !base.text.trim().is_empty()) {
            last.clone_from(&found);
        } else if found.is_none() && last.is_some() {
            tracing::warn!("policies/base.toml is gone; its denials stay until it is there again or the daemon ends");
        }
        last.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupName, Loaded>> {
        lock(&self.loaded)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file is as somebody wants it. One that is still being written is not: an
/// editor that empties it first, or writes a new one, would put an empty policy in force
/// for an instant, and for good where what follows does not load.
pub(super) fn is_saved(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(_) => false,
        _ => true,
    }
}

/// A group's file, `base.toml`, and the presets that are not those of this version. A
/// file that is not there is an empty one: it allows nothing.
pub fn read(home: &Home, group: &GroupName) -> Result<Texts, PolicyError> {
    let file = read_one(&home.policy_file(group), format!("policies/{group}.toml"))?;
    let file = file.unwrap_or(Source { name: format!("policies/{group}.toml"), text: String::new() });
    Ok(Texts { file, base: read_base(home)?, presets: presets_in_force(home)? })
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
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Source { name, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PolicyError::Read { file: name, error }),
    }
}

#[cfg(test)]
mod tests;
