//! The owner's lock, above every policy: a locked group sends nothing, and its requests in flight
//! are cut. While the owner is away, only models can be asked. What it is not: a file. Whoever
//! keeps the state across restarts passes it in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use policies::{Code, GroupName, Refusal};

/// The lock, for all doors of a daemon; replaced as a whole.
#[derive(Debug, Default)]
pub struct Latch {
    locked: ArcSwap<Locked>,
    away: AtomicBool,
}

/// What is locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    /// Every group, also new ones.
    pub all: bool,
    /// These groups.
    pub groups: BTreeSet<GroupName>,
}

impl Locked {
    /// Whether a group is locked.
    pub fn holds(&self, group: &GroupName) -> bool {
        self.all || self.groups.contains(group)
    }
}

impl Latch {
    /// What is locked at this moment.
    pub fn now(&self) -> Arc<Locked> {
        self.locked.load_full()
    }

    /// From now on exactly this is locked. The owner of the doors has them check their requests in
    /// flight (`cut_if_locked`).
    pub fn set(&self, locked: Locked) {
        self.locked.store(Arc::new(locked));
    }

    /// Whether the owner is away: then only models are asked.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// Sets whether the owner is away. The owner of the doors has them check, as for a lock.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Whether a group is locked at this moment.
    pub(crate) fn holds(&self, group: &GroupName) -> bool {
        self.locked.load().holds(group)
    }
}

/// The refusal of a request that does not ask a model while the owner is away.
pub(crate) fn away() -> Refusal {
    let why = "no word of the owner came for a long time: until one does, nothing but the model can be reached";
    Refusal::new(Code::OwnerAway, why)
}

/// The refusal for a locked group.
pub(crate) fn refusal() -> Refusal {
    Refusal::new(Code::Locked, "the owner has locked this group: nothing goes out until they unlock it")
}
