//! At most one message a minute of a kind in a group; the others are counted.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Alarm;

const EVERY: Duration = Duration::from_secs(60);

/// What was told in the last minute. It holds a row per group and kind, and no
/// sandbox can make more of either.
#[derive(Debug, Default)]
pub(super) struct Quiet(BTreeMap<(String, String), Told>);

#[derive(Debug)]
struct Told {
    until: Instant,
    /// The last that was only counted; it stands for all of them.
    last: Option<Alarm>,
}

impl Quiet {
    /// Gives the alarm back if it is to be told now.
    pub(super) fn admit(&mut self, alarm: Alarm, now: Instant) -> Option<Alarm> {
        let key = (alarm.group.clone(), alarm.kind.clone());
        match self.0.get_mut(&key) {
            Some(told) if told.until > now || told.last.is_some() => {
                let more = told.last.take().map_or(1, |last| last.more + 1);
                told.last = Some(Alarm { more, ..alarm });
                None
            }
            _ => {
                self.0.insert(key, Told { until: now + EVERY, last: None });
                Some(alarm)
            }
        }
    }

    /// When something may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|told| told.until).min()
    }

    /// What was counted and may be told now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Alarm> {
        let mut due = Vec::new();
        self.0.retain(|_, told| {
            if told.until > now {
                return true;
            }
            told.until = now + EVERY;
            let last = told.last.take();
            let keep = last.is_some();
            due.extend(last);
            keep
        });
        due
    }

    /// All that was counted and not told yet.
    pub(super) fn rest(&mut self) -> Vec<Alarm> {
        std::mem::take(&mut self.0).into_values().filter_map(|told| told.last).collect()
    }
}
