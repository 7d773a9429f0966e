//! Watches what live sandboxes write, and ends one before the disk is full: a full disk
//! would shut every group's doors (invariant 9), and no group may do that to another (15).
//!
//! The disk is asked every second, which costs nothing; folders are looked through when
//! something was written, and never for more than a tenth of the time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use containers::Engine;
use policies::GroupName;

use super::disk::{Bound, Room, Usage};
use super::unlinked;

/// How often the disk is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Folders are looked through at least this often while a sandbox runs.
const AT_LEAST: Duration = Duration::from_secs(30);

/// Less than that is no reason to look again at once.
const SOMETHING: u64 = 32 << 20;

/// A sandbox that has grown by less than this part of a thousand of the reserve is not
/// what fills the disk.
const LITTLE: u64 = 10;

/// Tells the owner what happened: the group, and why.
pub(super) type Tell = Box<dyn Fn(&GroupName, String) + Send + Sync>;

/// All live sandboxes, and who watches them.
pub(super) struct Watch {
    live: Arc<Mutex<BTreeMap<String, Watched>>>,
    engine: Engine,
    tell: Arc<Tell>,
}

/// One live sandbox; watched no more when it is dropped.
pub(super) struct Ticket {
    live: Weak<Mutex<BTreeMap<String, Watched>>>,
    id: String,
    ended: Arc<OnceLock<String>>,
}

/// What there is to watch of a sandbox.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) group: GroupName,
    pub(super) container: String,
    pub(super) folders: Vec<PathBuf>,
    pub(super) bound: Bound,
    /// When it started.
    pub(super) before: Usage,
    ended: Arc<OnceLock<String>>,
}

impl Watched {
    pub(super) fn new(
        group: GroupName,
        container: String,
        folders: Vec<PathBuf>,
        bound: Bound,
        before: Usage,
    ) -> Self {
        Watched { group, container, folders, bound, before, ended: Arc::default() }
    }
}

impl Watch {
    pub(super) fn new(engine: Engine, tell: Tell) -> Self {
        Watch { live: Arc::default(), engine, tell: Arc::new(tell) }
    }

    /// Watches a sandbox that has just started.
    pub(super) fn begin(&self, id: &str, watched: Watched) -> Ticket {
        let (live, ended) = (Arc::downgrade(&self.live), watched.ended.clone());
        let mut all = lock(&self.live);
        if all.is_empty() {
            tokio::spawn(watch(live.clone(), self.engine.clone(), self.tell.clone()));
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

/// Until no sandbox lives: the next one that starts is watched anew.
async fn watch(live: Weak<Mutex<BTreeMap<String, Watched>>>, engine: Engine, tell: Arc<Tell>) {
    let mut last = Looked { at: Instant::now(), took: Duration::ZERO, room: None };
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(all) = live.upgrade().map(|live| lock(&live).values().cloned().collect::<Vec<_>>()) else { return };
        if all.is_empty() {
            // Under the lock: whoever adds one now finds it empty and starts another.
            let Some(live) = live.upgrade() else { return };
            if lock(&live).is_empty() {
                return;
            }
            continue;
        }
        let Ok((ended, looked)) = tokio::task::spawn_blocking(move || look(&all, last)).await else { return };
        last = looked;
        for (watched, why) in ended {
            let (group, container) = (&watched.group, &watched.container);
            if watched.ended.set(why.clone()).is_err() {
                continue;
            }
            tracing::warn!(sandbox.group = %group, why, "A sandbox was ended because of the disk");
            if let Err(error) = engine.end(container).await {
                tracing::error!(sandbox.container = %container, %error, "It could not be removed");
            }
            tell(group, why);
        }
    }
}

/// When folders were last looked through.
#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    took: Duration,
    room: Option<Room>,
}

/// Which are to be ended, and why.
fn look(all: &[Watched], last: Looked) -> (Vec<(Watched, String)>, Looked) {
    let room = all.iter().flat_map(|watched| &watched.folders).filter_map(|folder| Room::on_disk_of(folder).ok());
    let Some(room) = room.min_by_key(|room| room.bytes) else { return (Vec::new(), last) };
    let since = last.at.elapsed();
    let wrote = last.room.is_none_or(|before| before.bytes.saturating_sub(room.bytes) >= SOMETHING);
    let due = wrote || room.is_short() || since >= AT_LEAST;
    if !due || since < last.took * 10 {
        return (Vec::new(), last);
    }
    let started = Instant::now();
    let usages: Vec<(Watched, Usage)> = all.iter().map(|watched| (watched.clone(), usage(watched))).collect();
    let looked = Looked { at: Instant::now(), took: started.elapsed(), room: Some(room) };
    let over: Vec<_> = usages.iter().filter(|(watched, usage)| usage.over(watched.bound)).collect();
    if !over.is_empty() {
        let ended = over.into_iter().map(|(watched, _)| (watched.clone(), too_much(watched.bound)));
        return (ended.collect(), looked);
    }
    (if room.is_short() { fills_the_disk(usages, room) } else { Vec::new() }, looked)
}

fn usage(watched: &Watched) -> Usage {
    // What cannot be looked through at all hides everything.
    let mut usage = Usage::of(&watched.folders, watched.bound).unwrap_or(Usage { hidden: true, ..watched.before });
    unlinked::add(&mut usage, &watched.container, &watched.folders);
    usage
}

/// The one that grew most; none where it is somebody else who fills the disk.
fn fills_the_disk(usages: Vec<(Watched, Usage)>, room: Room) -> Vec<(Watched, String)> {
    let grown = |(watched, usage): &(Watched, Usage)| usage.growth(&watched.before, room.reserve);
    let Some(most) = usages.iter().max_by_key(|one| grown(one)).filter(|one| grown(one) >= LITTLE) else {
        return Vec::new();
    };
    vec![(most.0.clone(), ALMOST_FULL.to_owned())]
}

/// Told when a group may keep no more, before a sandbox starts or when it is ended.
pub(super) fn too_much(bound: Bound) -> String {
    format!(
        "the group's folder and its agent's home hold more than the {bound} that they may. Its owner makes room \
         there, or raises `disk` or `files` under [limits] in groups/NAME.toml"
    )
}

const ALMOST_FULL: &str = "the disk of this machine is almost full, and this sandbox wrote most of late. \
                           Its owner makes room on the disk first";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
