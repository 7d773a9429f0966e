//! How fast a group may ask: an agent in a loop can flood neither the chats nor the log.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use desk::lock;
use policies::GroupName;

/// The most operations of a group in [`EVERY`], apart from those that only read.
pub(super) const AT_MOST: u32 = 60;

/// The period for that limit.
const EVERY: Duration = Duration::from_secs(60);

/// Each group's remaining allowance.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<GroupName, Left>>);

#[derive(Clone, Copy, Debug)]
struct Left {
    /// The allowance at this moment; it grows with time.
    operations: f64,
    at: Instant,
}

impl Left {
    fn by(self, now: Instant) -> f64 {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(AT_MOST) / EVERY.as_secs_f64();
        (self.operations + grown).min(f64::from(AT_MOST))
    }
}

impl Paces {
    /// Whether a group may ask now.
    pub(super) fn has_room(&self, group: &GroupName, now: Instant) -> bool {
        lock(&self.0).get(group).is_none_or(|left| left.by(now) >= 1.0)
    }

    /// Takes the allowance for one operation. `false`: there is none.
    pub(super) fn take(&self, group: &GroupName, now: Instant) -> bool {
        let mut groups = lock(&self.0);
        let left = groups.entry(group.clone()).or_insert(Left { operations: f64::from(AT_MOST), at: now });
        let operations = left.by(now);
        if operations < 1.0 {
            return false;
        }
        *left = Left { operations: operations - 1.0, at: now };
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_group_has_its_own_pace() {
        let (family, club) = (GroupName::parse("family").unwrap(), GroupName::parse("club").unwrap());
        let (paces, start) = (Paces::default(), Instant::now());
        let taken = |group, now| (0..1000).take_while(|_| paces.take(group, now)).count();
        assert_eq!(taken(&family, start), 60);
        assert!(!paces.has_room(&family, start) && paces.has_room(&club, start));
        assert_eq!(taken(&club, start), 60);
        assert_eq!(taken(&family, start + Duration::from_millis(999)), 0);
        assert_eq!(taken(&family, start + Duration::from_secs(5)), 5);
        assert_eq!(taken(&family, start + Duration::from_secs(3600)), 60, "and no more");
    }
}
