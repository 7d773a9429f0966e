//! File descriptors: doors take most of them. A sandbox with all of its connections open must leave enough for the
//! others, the log and the daemon.

use proxy::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Reserved for everything but doors: databases, engine, channels, the resolver.
const OWN: u64 = 256;

/// Doors besides those of the queue's sandboxes: one that is closing, one of the owner's.
const MORE_DOORS: u64 = 2;

/// The remedy for too few.
pub const MORE: &str = "raise the hard limit: LimitNOFILE= in systemd, ulimit -Hn";

/// How many this process may have, after raising its soft limit.
pub fn available() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.unwrap_or(u64::MAX)
}

/// How many another process may have: a daemon's limit need not be that of its owner's shell.
pub fn available_to(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// Raises the limit, divides it among the doors, and warns if it is low.
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

/// Raises the soft limit, which exists for programs that use select(2).
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

/// What each door may have open, so that the highest number of doors fits.
fn limits(available: u64, sandboxes: usize) -> Limits {
    Limits::within(usize::try_from(share(available, sandboxes)).unwrap_or(usize::MAX))
}

/// Whether doors get less than usual.
pub fn are_few(available: u64, sandboxes: usize) -> bool {
    limits(available, sandboxes).connections < Limits::default().connections
}

fn share(available: u64, sandboxes: usize) -> u64 {
    available.saturating_sub(OWN) / (sandboxes as u64 + MORE_DOORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For this process both ways agree; for one that does not exist there is no answer.
    #[test]
    fn another_process_is_asked_for_its_own() {
        assert_eq!(available_to(std::process::id()), Some(available()));
        assert_eq!(available_to(u32::MAX), None);
    }

    /// However few there are, all doors fit at their own limits.
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
