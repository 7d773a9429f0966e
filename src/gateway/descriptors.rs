//! File descriptors: doors take most of them. One sandbox with all of its connections
//! open must leave enough for the others, the log and the daemon itself.

use proxy::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What is not for doors: databases, engine, channels, the resolver.
const OWN: u64 = 256;

/// Doors that are open besides those of the queue's sandboxes: one that ends, one of the owner's.
const MORE_DOORS: u64 = 2;

/// How many this process may have, once it has taken what it may.
pub fn available() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.unwrap_or(u64::MAX)
}

/// Takes what it may: the soft limit is there for programs that cannot count further.
pub(super) fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => available(),
        Err(error) => {
            tracing::warn!(%error, "Limit on file descriptors not raised");
            before.unwrap_or(u64::MAX)
        }
    }
}

/// What each door may have open, so that as many as there may be fit.
pub(super) fn limits(available: u64, sandboxes: usize) -> Limits {
    Limits::within(usize::try_from(share(available, sandboxes)).unwrap_or(usize::MAX))
}

/// Whether doors have to do with less than they usually may.
pub fn are_few(available: u64, sandboxes: usize) -> bool {
    limits(available, sandboxes).connections < Limits::default().connections
}

fn share(available: u64, sandboxes: usize) -> u64 {
    available.saturating_sub(OWN) / (sandboxes as u64 + MORE_DOORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However few there are, all doors with all that they may have open fit.
    #[test]
    fn all_doors_together_fit() {
        for (available, sandboxes) in [(512, 3), (1024, 3), (4096, 3), (4096, 16), (524_288, 3), (524_288, 1000)] {
            let limits = limits(available, sandboxes);
            let door = limits.connections + 2 * limits.requests + limits.idle_upstreams_in_all;
            let doors = sandboxes as u64 + MORE_DOORS;
            assert!(door as u64 * doors + OWN <= available, "{available} {limits:?}");
            assert!(limits.connections >= 4 && limits.requests >= 4, "{available} {limits:?}");
        }
        assert!(are_few(4096, 3) && !are_few(524_288, 3));
    }
}
