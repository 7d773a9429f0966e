//! The policies of a group that are in force: its own, and the parts of it that its agent's helpers have.

use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;
use desk::lock;
use policies::{GroupName, Narrow, Policy};

/// The policy behind a door, whichever is in force by then. It is a group's or a helper's part of that, and the files of
/// policies alone replace it:
///
/// ```compile_fail
/// fn replaced(behind: doorward::gateway::InForce, policy: policies::Policy) {
///     behind.0.store(std::sync::Arc::new(policy));
/// }
/// ```
pub struct InForce(Arc<ArcSwap<Policy>>);

impl InForce {
    /// The one in force now.
    pub fn load(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    pub(in crate::gateway) fn for_a_door(self) -> Arc<ArcSwap<Policy>> {
        self.0
    }
}

/// A group's policy, and the narrowed ones of its agent's helpers for as long as they live.
pub(super) struct OfGroup {
    policy: Arc<ArcSwap<Policy>>,
    narrowed: Mutex<Vec<(Narrow, Weak<ArcSwap<Policy>>)>>,
}

impl OfGroup {
    /// Until a file has loaded, nothing is allowed.
    pub(super) fn without_a_file(group: &GroupName) -> Self {
        let policy = Arc::new(ArcSwap::from_pointee(policy_file::deny_all(group)));
        OfGroup { policy, narrowed: Mutex::default() }
    }

    /// The group's own.
    pub(super) fn handle(&self) -> InForce {
        InForce(self.policy.clone())
    }

    /// A helper's part of it.
    pub(super) fn narrowed(&self, narrow: &Narrow) -> InForce {
        let mut narrowed = lock(&self.narrowed);
        let handle = Arc::new(ArcSwap::from_pointee(self.policy.load().narrowed(narrow.clone())));
        narrowed.push((narrow.clone(), Arc::downgrade(&handle)));
        InForce(handle)
    }

    pub(super) fn now(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Replaces it, for helpers too.
    pub(super) fn put_in_force(&self, policy: Policy) {
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
