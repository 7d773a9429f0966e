//! File descriptors: doors take most of them. One sandbox with all of its connections
//! open must leave enough for the others, the log and the daemon itself.

use proxy::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What is not for doors: databases, engine, channels, the resolver.
const OWN: u64 = 256;

/// Doors that are open besides those of the queue's sandboxes: one that ends, one of the owner's.
const MORE_DOORS: u64 = 2;

/// What to do about few of them.
pub const MORE: &str = "raise the hard limit: LimitNOFILE= in systemd, ulimit -Hn";

/// How many this process may have, once it has taken what it may.
pub fn available() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.unwrap_or(u64::MAX)
}

/// How many another process may have: what a daemon was started with is not what its owner's
/// shell has.
pub fn available_to(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// Takes what there is, shares it among the doors, and says so where it is little.
pub(super) fn take(sandboxes: usize) -> Limits {
    let available = raise();
    let limits = limits(available, sandboxes);
    if are_few(available, sandboxes) {
        tracing::warn!(
            available,
            connections = limits.connections,
            "Few file descriptors, so each door takes few connections at a time and others wait; {MORE}"
        );
    }
    limits
}

/// Takes what it may: the soft limit is there for programs that cannot count further.
fn raise() -> u64 {
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
fn limits(available: u64, sandboxes: usize) -> Limits {
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

    /// Of this process both ways say the same; of one that is not there, nothing.
    #[test]
    fn another_process_is_asked_for_its_own() {
        assert_eq!(available_to(std::process::id()), Some(available()));
        assert_eq!(available_to(u32::MAX), None);
    }

    /// However few there are, all doors with all that they may have open fit.
    #[test]
    fn all_doors_together_fit() {
        for (available, sandboxes) in [(512, 3), (1024, 3), (4096, 3), (4096, 16), (524_288, 3), (524_288, 1000)] {
            let limits = limits(available, sandboxes);
            let door = 2 * limits.connections + 2 * limits.requests + limits.idle_upstreams_in_all;
            let doors = sandboxes as u64 + MORE_DOORS;
            assert!(door as u64 * doors + OWN <= available, "{available} {limits:?}");
            assert!(limits.connections >= 4 && limits.requests >= 4, "{available} {limits:?}");
        }
        assert!(are_few(4096, 3) && !are_few(524_288, 3));
    }
}
