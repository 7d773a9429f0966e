//! The policies in force: read from the configuration folder, replaced whole when a
//! file is saved, never by one that does not load.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use policies::{GroupName, Policy, Problems, Source};

use crate::home::Home;

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
    loaded: Mutex<BTreeMap<GroupName, Loaded>>,
    /// `base.toml` as it was last found: its denials do not go because the file is away,
    /// as it is for an instant while some editors save it.
    base: Mutex<Option<Source>>,
}

struct Loaded {
    policy: Arc<ArcSwap<Policy>>,
    /// What it was made from: an unchanged text is not compiled again.
    text: Option<(Source, Option<Source>)>,
}

impl PolicyFiles {
    /// For the policies of a home.
    pub fn new(home: Home) -> Self {
        PolicyFiles { home, loaded: Mutex::default(), base: Mutex::default() }
    }

    /// Reads and compiles a group's policy as it stands in the file now.
    pub fn compile(home: &Home, group: &GroupName) -> Result<policies::Compiled, PolicyError> {
        let (file, base) = read(home, group)?;
        Policy::compile(group, &file, base.as_ref()).map_err(PolicyError::Wrong)
    }

    /// The policy in force, looked up anew in the file: nobody has to wait for a
    /// file system event. The handle stays the group's own.
    pub fn of(&self, group: &GroupName) -> Arc<ArcSwap<Policy>> {
        let mut loaded = self.lock();
        let one = loaded.entry(group.clone()).or_insert_with(|| Loaded {
            // Until a file has loaded, nothing is allowed.
            policy: Arc::new(ArcSwap::from_pointee(Policy::deny_all(group))),
            text: None,
        });
        self.refresh(group, one);
        one.policy.clone()
    }

    /// Watches the folder for as long as the watcher is kept.
    pub fn watch(self: &Arc<Self>) -> notify::Result<RecommendedWatcher> {
        let files = self.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_saved(&event.kind)) {
                files.refresh_all();
            }
        })?;
        watcher.watch(&self.home.policies_dir(), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    fn refresh_all(&self) {
        for (group, one) in self.lock().iter_mut() {
            self.refresh(group, one);
        }
    }

    /// Replaces a policy if its text has changed and compiles; otherwise the last
    /// good one stays, and the log says why.
    fn refresh(&self, group: &GroupName, one: &mut Loaded) {
        let text = match read(&self.home, group) {
            Ok((file, base)) => (file, self.base_that_stays(base)),
            Err(error) => {
                return tracing::error!(policy.group = %group, %error, "Policy not read; the last good one stays");
            }
        };
        if one.text.as_ref().is_some_and(|last| same(last, &text)) {
            return;
        }
        match Policy::compile(group, &text.0, text.1.as_ref()) {
            Ok(compiled) => {
                for warning in &compiled.warnings.0 {
                    tracing::warn!(policy.group = %group, %warning, "Policy loaded with a warning");
                }
                tracing::info!(policy.group = %group, policy.hash = %compiled.policy.hash(), "Policy in force");
                one.policy.store(Arc::new(compiled.policy));
            }
            Err(problems) => {
                tracing::error!(policy.group = %group, "Policy refused; the last good one stays:\n{problems}");
            }
        }
        one.text = Some(text);
    }

    fn base_that_stays(&self, found: Option<Source>) -> Option<Source> {
        let mut last = lock(&self.base);
        if found.is_some() {
            last.clone_from(&found);
        } else if last.is_some() {
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
fn is_saved(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(_) => false,
        _ => true,
    }
}

fn same(one: &(Source, Option<Source>), other: &(Source, Option<Source>)) -> bool {
    let base = |pair: &(Source, Option<Source>)| pair.1.as_ref().map(|base| base.text.clone());
    one.0.text == other.0.text && base(one) == base(other)
}

/// A group's file and `base.toml`. A file that is not there is an empty one: it
/// allows nothing.
pub fn read(home: &Home, group: &GroupName) -> Result<(Source, Option<Source>), PolicyError> {
    let file = read_one(&home.policy_file(group), format!("policies/{group}.toml"))?;
    let file = file.unwrap_or(Source { name: format!("policies/{group}.toml"), text: String::new() });
    let base = read_one(&home.base_policy_file(), "policies/base.toml".to_owned())?;
    Ok((file, base))
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
