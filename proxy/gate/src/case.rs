//! What a request is judged by, and what is asked anew each time.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use policies::{Grant, HeadHash, Moment, Policy, PolicyAt};

use crate::request::Intercepted;

/// What is asked at the moment of use, because it may have been replaced since: a [`Case`]
/// holds what was in force when a request was read.
pub struct Newest<T>(Arc<ArcSwap<T>>);

impl<T> Newest<T> {
    /// What this handle holds.
    pub fn of(handle: Arc<ArcSwap<T>>) -> Self {
        Newest(handle)
    }

    /// What is in force at this moment.
    pub fn now(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// The same, to keep.
    pub fn snapshot(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces it by what is made of it; made anew where somebody else was faster.
    pub fn update(&self, change: impl FnMut(&Arc<T>) -> T) {
        self.0.rcu(change);
    }
}

/// What one request is judged by, taken once, when it is read: no stage of it sees another
/// policy or another moment. What must see the newest asks the [`crate::Gate`].
#[derive(Clone)]
pub struct Case {
    pub(crate) connection: u64,
    pub(crate) within: Option<Arc<Intercepted>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) now: Moment,
    /// The yeses to this request.
    pub(crate) grants: Arc<[Grant]>,
    /// The head that they are for.
    pub(crate) head: HeadHash,
    /// Whether the owner had locked the group.
    pub(crate) locked: bool,
    /// Whether nothing but models could be asked: the owner was away.
    pub(crate) away: bool,
}

impl Case {
    /// What CONNECT and SNI agreed on, where the request came through a tunnel that was opened.
    pub fn within(&self) -> Option<&Intercepted> {
        self.within.as_deref()
    }

    /// The policy that was in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The same as it judged when the request was read, or when its owner had said yes.
    pub fn policy_now(&self) -> PolicyAt<'_> {
        self.policy.at(self.now).with_grants(&self.grants).with_head(self.head)
    }
}
