//! A daemon that has nothing to do does nothing.

use std::time::{Duration, Instant};

use crate::support::{Home, PATIENCE, until};

/// How many seconds are looked at: longer than any pause of a daemon's that is not at rest yet. `DOORWARD_REST=60`
/// looks at a minute (`make test-long`).
const WINDOW: u64 = 10;

/// How often the threads of a process went to sleep, and so were woken.
fn wakes(pid: u64) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of = |thread: std::fs::DirEntry| -> Option<u64> {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    };
    threads.filter_map(of).sum()
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
        let woken = wakes(pid) - before;
        counted.push(woken);
        // Less than once a second.
        if woken < window {
            eprintln!("measured: woken {woken} times in {window} seconds");
            return;
        }
    }
    panic!("it is woken again and again, so often in {window} seconds each: {counted:?}");
}
