//! A daemon that has nothing to do does nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::support::{Home, PATIENCE, until};

/// How many seconds are looked at: longer than any pause of a daemon's that is not at rest yet. `DOORWARD_REST=60`
/// looks at a minute (`make test-long`).
const WINDOW: u64 = 10;

/// How often each thread of a process went to sleep, and so was woken.
fn wakes(pid: u64) -> BTreeMap<OsString, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of = |thread: std::fs::DirEntry| -> Option<(OsString, u64)> {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((thread.file_name(), line.trim().parse().ok()?))
    };
    threads.filter_map(of).collect()
}

/// No polling where an event will do: with three groups, a chat that was answered and a sandbox that has closed, less than
/// one wake a second is left.
#[test]
fn at_rest_the_daemon_sleeps() {
    let home = Home::new().config("[queue]\nidle = \"1s\"").group("one").group("two").group("three");
    let daemon = home.up();
    home.chat("one", "echo hello").ok().prints("hello");
    until("the sandbox to close", || home.containers().is_empty());
    let pid = daemon.pid();
    let window = std::env::var("DOORWARD_REST").map_or(WINDOW, |seconds| seconds.parse().expect("a number"));
    let started = Instant::now();
    let mut counted = Vec::new();
    // It comes to rest: connections that were open end, and what was written is synced.
    while started.elapsed() < 2 * PATIENCE + Duration::from_secs(2 * window) {
        let (before, since) = (wakes(pid), Instant::now());
        std::thread::sleep(Duration::from_secs(window).saturating_sub(since.elapsed()));
        // A thread that has ended meanwhile, as those for blocking work do, was woken for that at least.
        let after = wakes(pid);
        let ended = before.keys().filter(|thread| !after.contains_key(*thread)).count() as u64;
        let of_each = after.iter().map(|(thread, wakes)| wakes - before.get(thread).unwrap_or(&0));
        let woken = of_each.sum::<u64>() + ended;
        counted.push(woken);
        // Less than once a second.
        if woken < window {
            eprintln!("measured: woken {woken} times in {window} seconds");
            return;
        }
    }
    panic!("it is woken again and again, so often in {window} seconds each: {counted:?}");
}
