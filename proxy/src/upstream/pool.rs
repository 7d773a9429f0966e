//! Idle upstream connections of one door. Never shared between doors, authorities
//! or credentials, and checked again before each use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use policies::{Authority, Permit, Scheme};

use super::{Sender, Upstream};
use crate::connection::Limits;
use crate::door::Door;

/// What two requests must have in common to use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    scheme: Scheme,
    authority: Authority,
    credential: Option<Arc<str>>,
}

/// The idle connections.
pub(crate) struct Pool {
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
    limits: Limits,
}

struct Idle {
    upstream: Upstream,
    since: Instant,
}

/// A connection in use. Given back only after a whole answer; dropped otherwise.
pub(crate) struct Lease {
    door: Arc<Door>,
    key: Key,
    upstream: Upstream,
}

impl Key {
    pub(crate) fn of(permit: &Permit) -> Self {
        let facts = permit.facts();
        Key { scheme: facts.scheme, authority: facts.authority.clone(), credential: permit.credential().cloned() }
    }
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        Pool { idle: Mutex::default(), limits }
    }

    /// The connection that idled least, if it is alive and its address is still
    /// one that this permit may reach. One that many may use stays for the next.
    pub(crate) async fn take(&self, key: &Key, permit: &Permit) -> Option<Upstream> {
        loop {
            let mut idle = self.lock().get_mut(key)?.pop()?;
            let allowed = permit.check_address(idle.upstream.address.get()).is_ok();
            if self.is_good(&idle) && allowed && idle.upstream.is_ready().await {
                if let Some(shared) = idle.upstream.share() {
                    self.put(key.clone(), shared);
                }
                return Some(idle.upstream);
            }
        }
    }

    pub(super) fn put(&self, key: Key, upstream: Upstream) {
        let mut all = self.lock();
        if all.values().map(Vec::len).sum::<usize>() >= self.limits.idle_upstreams_in_all {
            self.prune(&mut all);
            if all.values().map(Vec::len).sum::<usize>() >= self.limits.idle_upstreams_in_all {
                return;
            }
        }
        let idle = all.entry(key).or_default();
        idle.retain(|idle| self.is_good(idle));
        if idle.len() < self.limits.idle_upstreams {
            idle.push(Idle { upstream, since: Instant::now() });
        }
    }

    /// Lets go of those that nobody used in time, whoever they lead to.
    pub(crate) fn review(&self) {
        self.prune(&mut self.lock());
    }

    fn prune(&self, all: &mut HashMap<Key, Vec<Idle>>) {
        all.retain(|_, idle| {
            idle.retain(|idle| self.is_good(idle));
            !idle.is_empty()
        });
    }

    fn is_good(&self, idle: &Idle) -> bool {
        idle.since.elapsed() < self.limits.idle_time && !idle.upstream.is_closed()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(crate) fn new(door: Arc<Door>, key: Key, upstream: Upstream) -> Self {
        Lease { door, key, upstream }
    }

    /// For the next request. A shared connection has never left the pool.
    pub(crate) fn give_back(self) {
        if matches!(self.upstream.sender, Sender::Http1(_)) && !self.upstream.is_closed() {
            self.door.pool.put(self.key, self.upstream);
        }
    }
}
