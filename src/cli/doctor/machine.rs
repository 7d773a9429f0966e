//! The machine's resources: space, time, watches, descriptors.

use std::fs;
use std::path::Path;

use rustix::fs::statvfs;

use super::Check;
use crate::config::Config;
use crate::gateway::descriptors;
use crate::home::Home;
use crate::store::{self, Millis};

/// With less, databases and sandboxes soon fill the disk.
const LITTLE_SPACE: u64 = 1 << 30;

/// A sandbox with a few packages has more files than this.
const FEW_FILES: u64 = 20_000;

/// 2026-01-01; an earlier clock fails every certificate.
const EARLIEST: Millis = 1_767_225_600_000;

/// How far two times of one machine may differ after a small correction.
const A_LITTLE: Millis = 5 * 60 * 1000;

/// The watches that a daemon needs: for its folders, and those of policies that are links.
const WATCHES: u64 = 64;

pub(super) fn space(home: &Home) -> Check {
    match statvfs(home.data()) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB free", free >> 20);
            // Some file systems do not count files.
            if disk.f_files > 0 && disk.f_favail < FEW_FILES {
                let found = format!("{found}, but room for {} more files only", disk.f_favail);
                return Check::warning(
                    "disk",
                    found,
                    "remove what has many small files; df -i shows how many there are",
                );
            }
            if free < LITTLE_SPACE {
                return Check::warning("disk", found, "free some space: a full disk closes every door");
            }
            Check::fine("disk", found)
        }
        Err(error) => Check::warning("disk", format!("cannot be asked: {error}"), "see whether the disk is mounted"),
    }
}

/// `written` is the time of the log's last record.
pub(super) fn clock(now: Millis, written: Option<Millis>) -> Check {
    let fix = "set the clock: certificates, limits by day and hours are judged by it (timedatectl set-ntp true)";
    if now < EARLIEST {
        return Check::broken("clock", "it shows a time long past", fix);
    }
    match written.filter(|written| *written > now + A_LITTLE) {
        Some(written) => {
            let behind = (written - now) / 60_000;
            Check::warning("clock", format!("it is {behind} minutes behind the last record of the audit log"), fix)
        }
        None => Check::fine("clock", "plausible"),
    }
}

/// Doors share the descriptors, so with few of them each has fewer connections. A running daemon's are checked: a
/// service and a shell have separate limits.
pub(super) fn descriptors(home: &Home, config: &Config) -> Check {
    let available = home.served_by().and_then(descriptors::available_to).unwrap_or_else(descriptors::available);
    if descriptors::are_few(available, config.queue.sandboxes) {
        let found = format!("{available} at most, so each sandbox has fewer connections than usual");
        return Check::warning("file descriptors", found, descriptors::MORE);
    }
    Check::fine("file descriptors", "enough")
}

/// A saved policy is noticed by a watch; without one, by checking once a second.
pub(super) fn watches() -> Option<Check> {
    let most = |name: &str| -> Option<u64> {
        fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok()?.trim().parse().ok()
    };
    let (instances, watches) = (most("max_user_instances")?, most("max_user_watches")?);
    let used = used();
    for (name, most, used, needed) in
        [("max_user_instances", instances, used.instances, 1), ("max_user_watches", watches, used.watches, WATCHES)]
    {
        if most < used + needed {
            let found = format!(
                "your programs use {used} of {most} (fs.inotify.{name}): a saved policy may be noticed a second later"
            );
            let fix = format!("sudo sysctl fs.inotify.{name}={}", most.max(64) * 2);
            return Some(Check::warning("file watches", found, fix));
        }
    }
    Some(Check::fine("file watches", "enough"))
}

#[derive(Default)]
struct Used {
    instances: u64,
    watches: u64,
}

/// What this user's programs have, as far as it can be read.
fn used() -> Used {
    let mut used = Used::default();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())) {
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            if fs::read_link(open.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify") {
                let info = fs::read_to_string(process.path().join("fdinfo").join(open.file_name())).unwrap_or_default();
                used.instances += 1;
                used.watches += info.lines().filter(|line| line.starts_with("inotify ")).count() as u64;
            }
        }
    }
    used
}

/// The current time.
pub(super) fn now() -> Millis {
    store::now()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_that_goes_back_is_told() {
        let now = EARLIEST + 3_600_000;
        assert_eq!(clock(now, None).state, State::Fine);
        assert_eq!(clock(now, Some(now + A_LITTLE)).state, State::Fine);
        let behind = clock(now, Some(now + 3_600_000));
        assert!(behind.state == State::Warning && behind.found.contains("60 minutes behind"), "{behind:?}");
        assert_eq!(clock(0, None).state, State::Broken);
    }

    #[test]
    fn watches_of_this_user_are_counted() {
        let before = used();
        let watcher = notify::recommended_watcher(|_| {});
        assert!(watcher.is_ok() && used().instances > before.instances);
    }
}
