//! The basis on which a request is judged, and values that are looked up anew each time.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use policies::{Grant, HeadHash, Moment, Policy, PolicyAt};

use crate::request::Intercepted;

/// A value that is looked up at the moment of use, because it may have been replaced: a [`Case`]
/// holds what was in force when the request was read.
pub struct Newest<T>(Arc<ArcSwap<T>>);

impl<T> Newest<T> {
    /// The value that this handle holds.
    pub fn of(handle: Arc<ArcSwap<T>>) -> Self {
        Newest(handle)
    }

    /// The value in force at this moment.
    pub fn now(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// The same, to keep.
    pub fn snapshot(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the value with the result of `change`, which runs again if another thread was faster.
    pub fn update(&self, change: impl FnMut(&Arc<T>) -> T) {
        self.0.rcu(change);
    }
}

/// The basis on which one request is judged, taken once, when it is read: none of its stages sees
/// another policy or another moment. Code that needs the newest asks the [`crate::Gate`].
#[derive(Clone)]
pub struct Case {
    pub(crate) connection: u64,
    pub(crate) within: Option<Arc<Intercepted>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) now: Moment,
    /// The owner's yeses to this request.
    pub(crate) grants: Arc<[Grant]>,
    /// The head that they are for.
    pub(crate) head: HeadHash,
    /// Whether the owner had locked the group.
    pub(crate) locked: bool,
    /// Whether the owner was away, so that only models could be asked.
    pub(crate) away: bool,
}

impl Case {
    /// What CONNECT and SNI agreed on, if the request came through an opened tunnel.
    pub fn within(&self) -> Option<&Intercepted> {
        self.within.as_deref()
    }

    /// The policy that was in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// That policy at the moment when the request was read, or when the owner said yes to it.
    pub fn policy_now(&self) -> PolicyAt<'_> {
        self.policy.at(self.now).with_grants(&self.grants).with_head(self.head)
    }
}
