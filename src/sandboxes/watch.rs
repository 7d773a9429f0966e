//! Watches what live sandboxes write, and ends a sandbox before the disk is full: a full disk
//! would shut every group's doors (invariant 9), and no group may do that to another (15).
//!
//! The disk is checked five times a second, which is cheap; folders are walked when something was written, and for at
//! most a tenth of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use containers::Engine;
use desk::lock;
use policies::GroupName;

use super::ballast::Ballast;
use super::disk::{Bound, Room, Usage};
use super::error::too_much;
use super::unlinked;

/// How often the disk is checked.
const EVERY: Duration = Duration::from_millis(200);

/// Folders are walked at least this often while a sandbox runs.
const AT_LEAST: Duration = Duration::from_secs(30);

/// Less growth than this, or than an eighth of a bound, does not trigger a walk.
const SOMETHING: u64 = 32 << 20;

/// The same for files.
const MANY: u64 = 1000;

/// A sandbox that has grown by fewer thousandths of the reserve is not the one that fills the disk.
const LITTLE: u64 = 10;

/// Reports to the owner: the group, and what happened.
pub(super) type Tell = Box<dyn Fn(&GroupName, String) + Send + Sync>;

/// All live sandboxes, and the task that watches them.
pub(super) struct Watch {
    live: Arc<Mutex<BTreeMap<String, Watched>>>,
    /// Groups whose sandboxes filled the disk: they get no new ones while space is short.
    fillers: Arc<Mutex<BTreeSet<GroupName>>>,
    engine: Engine,
    ballast: Ballast,
    tell: Arc<Tell>,
}

/// One live sandbox; watched until this is dropped.
pub(super) struct Ticket {
    live: Weak<Mutex<BTreeMap<String, Watched>>>,
    id: String,
    ended: Arc<OnceLock<String>>,
}

/// The watched data of a sandbox.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) group: GroupName,
    pub(super) container: String,
    pub(super) folders: Vec<PathBuf>,
    pub(super) bound: Bound,
    /// Its usage at the start.
    pub(super) before: Usage,
    ended: Arc<OnceLock<String>>,
}

impl Watched {
    pub(super) fn new(group: GroupName, container: String, folders: Vec<PathBuf>, bound: Bound, before: Usage) -> Self {
        Watched { group, container, folders, bound, before, ended: Arc::default() }
    }
}

impl Watch {
    pub(super) fn new(engine: Engine, ballast: Ballast, tell: Tell) -> Self {
        Watch { live: Arc::default(), fillers: Arc::default(), engine, ballast, tell: Arc::new(tell) }
    }

    /// Whether the disk of these folders has room for a group's sandbox. The ballast is put in place before one runs: a
    /// fast disk is full before the first check.
    pub(super) fn has_room_for(&self, group: &GroupName, folders: &[PathBuf]) -> bool {
        let room = room(folders.iter());
        if room.is_none_or(|room| self.ballast.fits(&room)) {
            lock(&self.fillers).remove(group);
        }
        if let Some(room) = room {
            self.ballast.take(&room);
        }
        !lock(&self.fillers).contains(group)
    }

    /// Watches a sandbox that has just started.
    pub(super) fn begin(&self, id: &str, watched: Watched) -> Ticket {
        let (live, ended) = (Arc::downgrade(&self.live), watched.ended.clone());
        let mut all = lock(&self.live);
        if all.is_empty() {
            let fillers = self.fillers.clone();
            tokio::spawn(watch(live.clone(), fillers, self.engine.clone(), self.ballast.clone(), self.tell.clone()));
        }
        all.insert(id.to_owned(), watched);
        Ticket { live, id: id.to_owned(), ended }
    }
}

impl Ticket {
    /// Why it was ended, if it was.
    pub(super) fn why(&self) -> Option<&String> {
        self.ended.get()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(live) = self.live.upgrade() {
            lock(&live).remove(&self.id);
        }
    }
}

/// Runs until no sandbox is left; the next start runs it again.
async fn watch(
    live: Weak<Mutex<BTreeMap<String, Watched>>>,
    fillers: Arc<Mutex<BTreeSet<GroupName>>>,
    engine: Engine,
    ballast: Ballast,
    tell: Arc<Tell>,
) {
    let mut last = Looked { at: Instant::now(), took: Duration::ZERO, room: None };
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(all) = live.upgrade().map(|live| lock(&live).clone()) else { return };
        if all.is_empty() {
            // Under the lock: whoever adds a sandbox now finds the list empty and starts a new task.
            let Some(live) = live.upgrade() else { return };
            if lock(&live).is_empty() {
                return;
            }
            continue;
        }
        let spare = ballast.clone();
        let looking = tokio::task::spawn_blocking(move || look(&all, last, &spare)).await;
        let Ok((ended, looked)) = looking else { return };
        last = looked;
        for (watched, why) in ended.now {
            let (group, container) = (&watched.group, &watched.container);
            // One that could not be removed is found again at the next check.
            let first = watched.ended.set(why.clone()).is_ok();
            if why == ALMOST_FULL {
                lock(&fillers).insert(group.clone());
                grew_until_now(&live, &ended.others, container);
            }
            if first {
                tracing::warn!(sandbox.group = %group, why, "A sandbox was ended because of the disk");
            }
            match engine.end(container).await {
                Err(error) => tracing::error!(sandbox.container = %container, %error, "It could not be removed"),
                // Not earlier: the sandbox would have used it up too.
                Ok(()) if why == ALMOST_FULL => ballast.give_back(),
                Ok(()) => {}
            }
            if first {
                tell(group, why);
            }
        }
    }
}

/// When folders were last walked.
#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    took: Duration,
    room: Option<Room>,
}

impl Looked {
    /// Whether walks would take more than a tenth of the time. Where a short disk loses more room, that counts for
    /// nothing: one group can make all walks long.
    fn is_soon(&self, since: Duration, room: &Room) -> bool {
        let loses = room.is_short() && self.room.is_none_or(|before| room.lost(&before) >= LITTLE);
        !loses && since < self.took * 10
    }
}

/// What to do next.
#[derive(Default)]
struct Ended {
    /// Which sandboxes to end, and why.
    now: Vec<(Watched, String)>,
    /// The others' usage.
    others: Vec<(String, Usage)>,
}

/// The disk may stay full after a sandbox was ended, which is not the others' fault: only what they write from now on
/// counts for them.
fn grew_until_now(live: &Weak<Mutex<BTreeMap<String, Watched>>>, others: &[(String, Usage)], ended: &str) {
    let Some(live) = live.upgrade() else { return };
    let mut live = lock(&live);
    for (id, usage) in others {
        if let Some(watched) = live.get_mut(id).filter(|watched| watched.container != ended) {
            watched.before = usage.clone();
        }
    }
}

fn look(all: &BTreeMap<String, Watched>, last: Looked, ballast: &Ballast) -> (Ended, Looked) {
    let Some(room) = room(all.values().flat_map(|watched| &watched.folders)) else { return (Ended::default(), last) };
    ballast.take(&room);
    let since = last.at.elapsed();
    let something = all.values().map(|watched| watched.bound.bytes / 8).fold(SOMETHING, u64::min);
    let wrote = last.room.is_none_or(|before| {
        let files = before.files.saturating_sub(room.files);
        before.bytes.saturating_sub(room.bytes) >= something || files >= MANY
    });
    let due = wrote || room.is_short() || since >= AT_LEAST;
    if !due || last.is_soon(since, &room) {
        let room = last.room.map_or(room, |before| room.or_more(&before));
        return (Ended::default(), Looked { room: Some(room), ..last });
    }
    let started = Instant::now();
    let usages: BTreeMap<&String, Usage> = all.iter().map(|(id, watched)| (id, usage(watched))).collect();
    let looked = Looked { at: Instant::now(), took: started.elapsed(), room: Some(room) };
    let over = all.iter().filter(|(id, watched)| usages.get(id).is_some_and(|usage| usage.over(watched.bound)));
    let mut now: Vec<_> = over.map(|(id, watched)| (watched.clone(), too_much(&usages[id], watched.bound))).collect();
    if now.is_empty() && room.is_short() {
        let grown = all.iter().map(|(id, watched)| (watched, usages[id].growth(&watched.before, room.reserve)));
        // None if something else fills the disk.
        let most = grown.max_by_key(|(_, grown)| *grown).filter(|(_, grown)| *grown >= LITTLE);
        now.extend(most.map(|(watched, _)| (watched.clone(), ALMOST_FULL.to_owned())));
    }
    (Ended { now, others: usages.into_iter().map(|(id, usage)| (id.clone(), usage)).collect() }, looked)
}

/// Of the fullest disk.
fn room<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> Option<Room> {
    folders.filter_map(|folder| Room::on_disk_of(folder).ok()).min_by_key(|room| (!room.is_short(), room.bytes))
}

fn usage(watched: &Watched) -> Usage {
    // A folder that cannot be read at all counts as hiding everything.
    let mut usage =
        Usage::of(&watched.folders, watched.bound).unwrap_or_else(|_| Usage { hidden: true, ..watched.before.clone() });
    unlinked::add(&mut usage, &watched.container, &watched.folders);
    usage
}

/// The message when the disk is full.
pub(super) const ALMOST_FULL: &str = "the disk of this machine is almost full, and this group's sandbox wrote most of late. \
                           Its owner makes room on the disk first";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_disk_that_loses_room_is_looked_at_however_long_that_takes() {
        let room = |bytes| Room { bytes, files: 1000, reserve: Bound { bytes: 1000, files: 100 } };
        let looked = |bytes| Looked { at: Instant::now(), took: Duration::from_secs(60), room: Some(room(bytes)) };
        let since = Duration::from_secs(1);
        assert!(looked(9000).is_soon(since, &room(2000)), "there is enough");
        assert!(looked(800).is_soon(since, &room(795)) && looked(800).is_soon(since, &room(900)), "it loses none");
        assert!(!looked(800).is_soon(since, &room(790)) && !looked(9000).is_soon(since, &room(900)));
        assert!(!looked(9000).is_soon(Duration::from_secs(600), &room(2000)));
        let few = Room { files: 50, ..room(9000) };
        assert!(!looked(9000).is_soon(since, &few), "or files");
        assert_eq!(room(790).or_more(&few), Room { files: 1000, ..room(9000) });
    }
}
