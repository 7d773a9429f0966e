//! When policy files are checked: as soon as the file system reports a write, and once a second while a door is open,
//! for what it does not report (a link into another folder, a second name of the same file, no watches left). While no
//! door is open, nothing is checked until one opens.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Group, GroupName, PolicyFiles, lock};

/// Files are watched for as long as this lives.
pub struct Watching {
    say: Sender<Said>,
}

/// A door is open for as long as this lives.
pub struct DoorOpen {
    files: Arc<PolicyFiles>,
}

/// How many doors are open, and whom to wake when the first one opens.
#[derive(Default)]
pub(super) struct Doors {
    open: AtomicUsize,
    say: Mutex<Option<Sender<Said>>>,
}

/// A message to the watching thread.
pub(super) enum Said {
    Event(Event),
    DoorOpened,
    End,
}

const EACH: Duration = Duration::from_secs(1);

/// A longer policy file is compiled on another thread.
const SHORT: usize = 64 << 10;

impl PolicyFiles {
    /// Watches the files for as long as the returned value lives. If the system has no watches left, they are still
    /// checked every second.
    pub fn watch(self: &Arc<Self>) -> Watching {
        self.watch_by(|events| {
            notify::recommended_watcher(move |event: notify::Result<Event>| {
                // Fails only if the thread has ended.
                let _ = event.map(|event| events.send(Said::Event(event)));
            })
        })
    }

    pub(super) fn watch_by(
        self: &Arc<Self>,
        make: impl FnOnce(Sender<Said>) -> notify::Result<RecommendedWatcher>,
    ) -> Watching {
        let (say, hear) = mpsc::channel();
        let mut watcher = make(say.clone()).map_err(|error| tell_unwatched(&error)).ok();
        let mut watched = BTreeSet::new();
        for folder in [self.home.policies_dir(), self.home.skills_files_dir(), self.home.presets_dir()] {
            watch_folder(&mut watcher, &mut watched, folder);
        }
        *lock(&self.doors.say) = Some(say.clone());
        // Weak, since the thread may outlive the files: dropping the last handle closes the log, which writes its
        // counts.
        let files = Arc::downgrade(self);
        std::thread::spawn(move || watch(&files, &hear, watcher, watched));
        Watching { say }
    }

    /// Registers an open door.
    pub fn door_open(self: &Arc<Self>) -> DoorOpen {
        self.doors.open.fetch_add(1, Ordering::SeqCst);
        if let Some(say) = &*lock(&self.doors.say) {
            let _ = say.send(Said::DoorOpened);
        }
        DoorOpen { files: self.clone() }
    }

    /// Checks whether a file differs from the one in force. `written` are the files whose own writing has just ended.
    pub(super) fn look(self: &Arc<Self>, written: &[PathBuf]) {
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
            match state.file.text().is_some_and(|text| text.as_str().len() > SHORT) {
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

    /// The hash of each policy that has been asked for so far.
    pub fn in_force(&self) -> Vec<(GroupName, String)> {
        let hash = |group: &Arc<Group>| (group.name.clone(), group.policy.now().hash().to_string());
        lock(&self.groups).values().map(hash).collect()
    }

    /// The folders of the files' targets.
    fn folders(&self) -> Vec<PathBuf> {
        let of_group = |group| [self.home.policy_file(group), self.home.skills_file(group)];
        let groups: Vec<_> = lock(&self.groups).keys().flat_map(of_group).collect();
        let base = lock(&self.base).path().to_owned();
        let target = |path: PathBuf| std::fs::canonicalize(path).ok()?.parent().map(ToOwned::to_owned);
        groups.into_iter().chain([base]).filter_map(target).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.say.send(Said::End);
    }
}

impl Drop for DoorOpen {
    fn drop(&mut self) {
        self.files.doors.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn watch(
    files: &Weak<PolicyFiles>,
    hear: &Receiver<Said>,
    mut watcher: Option<RecommendedWatcher>,
    mut watched: BTreeSet<PathBuf>,
) {
    let mut looking = false;
    loop {
        let said = match looking {
            true => hear.recv_timeout(EACH),
            false => hear.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let Some(files) = files.upgrade() else { return };
        match said {
            Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Said::Event(event)) => heard(&files, event),
            Ok(Said::DoorOpened) | Err(RecvTimeoutError::Timeout) => files.look(&[]),
        }
        for folder in files.folders() {
            watch_folder(&mut watcher, &mut watched, folder);
        }
        looking = files.doors.open.load(Ordering::SeqCst) > 0;
    }
}

fn heard(files: &Arc<PolicyFiles>, event: Event) {
    let in_presets = event.paths.iter().any(|path| path.starts_with(files.home.presets_dir()));
    match event.kind {
        _ if in_presets && is_saved(&event.kind) => files.refresh_all(),
        kind if is_written(&kind) => files.look(&event.paths),
        kind if is_saved(&kind) || event.need_rescan() => files.look(&[]),
        _ => {}
    }
}

/// Once each, even if it fails.
fn watch_folder(watcher: &mut Option<RecommendedWatcher>, watched: &mut BTreeSet<PathBuf>, folder: PathBuf) {
    let Some(watcher) = watcher else { return };
    if !watched.contains(&folder) {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            tell_unwatched(&error);
        }
        watched.insert(folder);
    }
}

/// Reports the error, and how to get more watches.
pub(in crate::gateway) fn tell_unwatched(error: &notify::Error) {
    let sysctl = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "fs.inotify.max_user_watches",
        _ => "fs.inotify.max_user_instances",
    };
    tracing::warn!(
        %error,
        "Files cannot be watched, so they are looked at instead: policies once a second while a door is open. \
         Raise the sysctl {sysctl} to have them in force at once"
    );
}

/// Whether the file's own writing has ended.
fn is_written(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Name(mode)) => *mode != RenameMode::From,
        _ => false,
    }
}

/// Whether a write has finished, not only begun: reading a file in the middle of a write would give half of it.
pub(in crate::gateway) fn is_saved(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(_) => false,
        _ => true,
    }
}
