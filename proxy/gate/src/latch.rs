//! The owner's lock, above every policy: what is locked lets nothing through, and what is in
//! flight is cut. While the owner is away, nothing but models is. What it is not: a file. Whoever keeps
//! that over restarts hands it in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use policies::{Code, GroupName, Refusal};

/// What is locked, for all doors of a daemon; replaced whole.
#[derive(Debug, Default)]
pub struct Latch {
    locked: ArcSwap<Locked>,
    away: AtomicBool,
}

/// What is locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    /// Every group, also those that are new.
    pub all: bool,
    /// These.
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

    /// From now on this is locked, and nothing else. Who holds doors has them look what they let
    /// through ([`crate::Gate::cut_if_locked`]).
    pub fn set(&self, locked: Locked) {
        self.locked.store(Arc::new(locked));
    }

    /// Whether the owner is away: then nothing but models is asked.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// From now on they are, or are not. Who holds doors has them look, as for a lock.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Whether a group is locked at this moment.
    pub(crate) fn holds(&self, group: &GroupName) -> bool {
        self.locked.load().holds(group)
    }
}

/// What a request is told that asks no model while the owner is away.
pub(crate) fn away() -> Refusal {
    let why = "no word of the owner came for a long time: until one does, nothing but the model can be reached";
    Refusal::new(Code::OwnerAway, why)
}

/// What a locked group is told.
pub(crate) fn refusal() -> Refusal {
    Refusal::new(Code::Locked, "the owner has locked this group: nothing goes out until they unlock it")
}
