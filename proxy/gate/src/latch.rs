//! The owner's lock, above every policy: what is locked lets nothing through, and what is in
//! flight is cut. What it is not: a file. Whoever keeps the lock over restarts hands it in.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use policies::{Code, GroupName, Refusal};

/// What is locked, for all doors of a daemon; replaced whole.
#[derive(Debug, Default)]
pub struct Latch(ArcSwap<Locked>);

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
        self.0.load_full()
    }

    /// From now on this is locked, and nothing else. Who holds doors has them look what they let
    /// through ([`crate::Gate::cut_if_locked`]).
    pub fn set(&self, locked: Locked) {
        self.0.store(Arc::new(locked));
    }

    /// Whether a group is locked at this moment.
    pub(crate) fn holds(&self, group: &GroupName) -> bool {
        self.0.load().holds(group)
    }
}

/// What a locked group is told.
pub(crate) fn refusal() -> Refusal {
    Refusal::new(Code::Locked, "the owner has locked this group: nothing goes out until they unlock it")
}
