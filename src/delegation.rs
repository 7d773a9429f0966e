//! Helpers: an agent delegates parts of its work to others of its kind, each in its own sandbox with narrower access.
//!
//! What it is: who helps whom, from the start to the result. What it is not: what a helper may reach, which the
//! narrowed policy decides (`policies::Narrow`); its usage counts for its group, whose name its door carries.
//!
//! **Invariants**
//! - A helper lives no longer than the sandbox that asked for it, nor longer than its group's file allows.
//! - A helper has no helpers and no operations: it answers the agent that asked, and nobody else.
//! - A failure of one helper ends that one only.

mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use desk::lock;
use policies::{GroupName, SandboxId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::HelperLimits;
use crate::sandboxes::Sandboxes;
use crate::sandboxes::delegate::Helper;

/// The most that work at once, over all groups.
const MOST_OF_ALL: usize = 8;

/// The most that are remembered per sandbox, ended ones included.
const MOST_REMEMBERED: usize = 24;

/// The helpers of an installation.
#[derive(Default)]
pub struct Helpers {
    ground: OnceLock<Ground>,
    all: Mutex<BTreeMap<Key, Entry>>,
    changes: watch::Sender<u64>,
}

/// Where they run, and where their results are posted.
struct Ground {
    /// Weak: helpers' doors lead back here, so a strong reference would keep both and the log alive for ever.
    sandboxes: Weak<Sandboxes>,
    runtime: Handle,
    voice: Box<Voice>,
}

/// Posts in a group's chat what the helper of this name has found.
pub type Voice = dyn Fn(&GroupName, &str, &str) + Send + Sync;

/// The sandbox that asked, and the helper's name.
type Key = (SandboxId, String);

struct Entry {
    group: GroupName,
    since: Instant,
    state: State,
    stop: watch::Sender<bool>,
}

/// A helper's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is working.
    Works,
    /// It has answered and left these files.
    Done {
        /// Its answer.
        answer: String,
        /// The files it put into `results`.
        files: Vec<(String, Vec<u8>)>,
    },
    /// It failed, and why.
    Failed(String),
}

/// A request for a helper.
pub struct Wanted {
    /// The group whose agent asks.
    pub group: GroupName,
    /// The sandbox that asks.
    pub parent: SandboxId,
    /// Its run.
    pub run: Option<u64>,
    /// The helper's name.
    pub name: String,
    /// Its task.
    pub task: String,
    /// What it may use.
    pub helper: Helper,
    /// Its limits.
    pub limits: HelperLimits,
}

/// A helper, as reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its group.
    pub group: GroupName,
    /// Its name.
    pub name: String,
    /// How long ago it was asked for.
    pub lasts: Duration,
    /// Its state.
    pub state: State,
}

impl Helpers {
    /// Sets where they run, once.
    pub fn run_in(&self, sandboxes: Weak<Sandboxes>, runtime: Handle, voice: Box<Voice>) {
        let _ = self.ground.set(Ground { sandboxes, runtime, voice });
    }

    /// Starts one. [`Helpers::of`] reports its result.
    pub fn begin(self: &Arc<Self>, wanted: Wanted) -> Result<(), String> {
        let Some(ground) = self.ground.get() else { return Err("there are no sandboxes here".to_owned()) };
        let key = (wanted.parent.clone(), wanted.name.clone());
        let (stop, stopped) = watch::channel(false);
        {
            let mut all = lock(&self.all);
            Self::room(&all, &wanted)?;
            let entry = Entry { group: wanted.group.clone(), since: Instant::now(), state: State::Works, stop };
            all.insert(key.clone(), entry);
        }
        self.changed();
        let helpers = Arc::clone(self);
        ground.runtime.spawn(async move { helpers.see_to(key, wanted, stopped).await });
        Ok(())
    }

    /// Which of its group's agents runs in a sandbox.
    pub fn place_of(&self, sandbox: &SandboxId) -> usize {
        self.ground.get().and_then(|ground| ground.sandboxes.upgrade()?.place_of(sandbox)).unwrap_or(0)
    }

    fn room(all: &BTreeMap<Key, Entry>, wanted: &Wanted) -> Result<(), String> {
        let work = || all.values().filter(|entry| entry.state == State::Works);
        let most = wanted.limits.most;
        let of_group = work().filter(|entry| entry.group == wanted.group).count();
        let of_parent = all.keys().filter(|(parent, _)| *parent == wanted.parent).count();
        if most == 0 {
            return Err("the owner lets this group have no helpers".to_owned());
        }
        if of_group >= most as usize {
            return Err(format!("this group has as many helpers as it may at once ({most}); wait until one has ended"));
        }
        if work().count() >= MOST_OF_ALL {
            return Err(format!("all groups together have {MOST_OF_ALL} helpers at work; try again later"));
        }
        if of_parent >= MOST_REMEMBERED {
            return Err(format!(
                "{MOST_REMEMBERED} helpers were asked already; that is as many as one sandbox may ask"
            ));
        }
        match all.contains_key(&(wanted.parent.clone(), wanted.name.clone())) {
            true => Err(format!("there is a helper {} already; call this one something else", wanted.name)),
            false => Ok(()),
        }
    }

    async fn see_to(self: Arc<Self>, key: Key, wanted: Wanted, stopped: watch::Receiver<bool>) {
        let Some(ground) = self.ground.get() else { return };
        let Some(sandboxes) = ground.sandboxes.upgrade() else { return };
        let parent = sandboxes.until_gone(&wanted.parent);
        tokio::pin!(parent);
        let state = work::carry_out(&sandboxes, &wanted, stopped, parent.as_mut()).await;
        if let (State::Done { answer, .. }, true) = (&state, wanted.limits.voices) {
            (ground.voice)(&wanted.group, &wanted.name, answer);
        }
        if let Some(entry) = lock(&self.all).get_mut(&key) {
            entry.state = state;
        }
        self.changed();
        // The result is for the sandbox that asked; once that is gone, nobody needs it.
        parent.await;
        lock(&self.all).remove(&key);
        self.changed();
    }

    /// The helpers that this sandbox asked for.
    pub fn of(&self, parent: &SandboxId) -> Vec<Told> {
        lock(&self.all).iter().filter(|((asked, _), _)| asked == parent).map(told).collect()
    }

    /// All that are working.
    pub fn at_work(&self) -> Vec<Told> {
        lock(&self.all).iter().filter(|(_, entry)| entry.state == State::Works).map(told).collect()
    }

    /// Stops one. Returns whether it was working.
    pub fn stop(&self, parent: &SandboxId, name: &str) -> bool {
        let all = lock(&self.all);
        let entry = all.get(&(parent.clone(), name.to_owned())).filter(|entry| entry.state == State::Works);
        entry.map(|entry| entry.stop.send_replace(true)).is_some()
    }

    /// Waits until a helper of this sandbox changes state, or for `longest`.
    pub async fn until_changed(&self, parent: &SandboxId, longest: Duration) {
        let mut changes = self.changes.subscribe();
        let working = || self.of(parent).into_iter().filter(|told| told.state == State::Works).count();
        let before = working();
        let changed = async { while before > 0 && working() == before && changes.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(longest, changed).await;
    }

    fn changed(&self) {
        self.changes.send_modify(|number| *number += 1);
    }
}

fn told(((_, name), entry): (&Key, &Entry)) -> Told {
    Told { group: entry.group.clone(), name: name.clone(), lasts: entry.since.elapsed(), state: entry.state.clone() }
}
