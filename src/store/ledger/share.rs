//! How much of the log a group may fill in a day. Nothing of the last day is ever removed (`retention.rs`), so without
//! this bound a group could fill the disk with the records of its own requests, and a full disk shuts every door.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use policies::GroupName;

use desk::lock;

/// The size of a record's outcome.
const BESIDE: u64 = 512;

/// The least share, even if little of the log is kept.
const AT_LEAST: u64 = 5_000_000;

const DAY: Duration = Duration::from_hours(24);

/// The shares of all groups. They are not kept across restarts: no sandbox can cause one.
#[derive(Debug)]
pub(super) struct Shares {
    most: u64,
    used: Mutex<HashMap<GroupName, Used>>,
}

#[derive(Debug)]
struct Used {
    since: Instant,
    bytes: u64,
}

impl Shares {
    /// For a log limited to this size; an unlimited log has no shares.
    pub(super) fn of(size: Option<u64>) -> Self {
        let most = size.map_or(u64::MAX, |size| (size / 8).max(AT_LEAST));
        Shares { most, used: Mutex::default() }
    }

    /// Counts a group's record that was written.
    pub(super) fn add(&self, group: &GroupName, record: usize, now: Instant) {
        let mut used = lock(&self.used);
        let used = used.entry(group.clone()).or_insert(Used { since: now, bytes: 0 });
        if now >= used.since + DAY {
            *used = Used { since: now, bytes: 0 };
        }
        used.bytes += record as u64 + BESIDE;
    }

    /// The share, if a group has filled it.
    pub(super) fn filled(&self, group: &GroupName, now: Instant) -> Option<u64> {
        let used = lock(&self.used);
        let used = used.get(group).filter(|used| now < used.since + DAY)?;
        (used.bytes >= self.most).then_some(self.most)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_share_is_one_groups_and_lasts_a_day() {
        let (one, two) = (GroupName::parse("one").unwrap(), GroupName::parse("two").unwrap());
        let (shares, now) = (Shares::of(Some(80_000_000)), Instant::now());
        for _ in 0..999 {
            shares.add(&one, 10_000, now);
        }
        assert_eq!(shares.filled(&one, now), Some(10_000_000));
        assert_eq!(shares.filled(&two, now), None);
        assert_eq!(shares.filled(&one, now + DAY), None);
        shares.add(&one, 1, now + DAY);
        assert_eq!(shares.filled(&one, now + DAY), None);
        let whole = Shares::of(None);
        whole.add(&one, 1 << 40, now);
        assert_eq!(whole.filled(&one, now), None);
    }
}
