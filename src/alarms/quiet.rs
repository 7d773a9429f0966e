//! At most one message a minute per kind and group; further ones are counted.

use std::time::Duration;

use desk::{Counted, Pace};
use tokio::time::Instant;

use super::alarm::Alarm;

const EVERY: Duration = Duration::from_secs(60);

/// What was told in the last minute: an entry per group and kind, and no sandbox can create more of either. Of the
/// others the last stands for all.
#[derive(Debug)]
pub(super) struct Quiet(Pace<(String, String), Alarm>);

impl Default for Quiet {
    fn default() -> Self {
        Quiet(Pace::new(1, EVERY))
    }
}

impl Quiet {
    /// Returns the alarm if it is to be told now.
    pub(super) fn admit(&mut self, alarm: Alarm, now: Instant) -> Option<Alarm> {
        self.0.passes(kind(&alarm), now.into_std(), |_| alarm.clone()).then_some(alarm)
    }

    /// When the next may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.next().map(Instant::from_std)
    }

    /// What was held back and may be told now; its minute starts again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Alarm> {
        let due = in_order(self.0.due(Some(now.into_std())));
        due.into_iter().filter_map(|alarm| self.admit(alarm, now)).collect()
    }

    /// Everything held back and not told yet.
    pub(super) fn rest(&mut self) -> Vec<Alarm> {
        in_order(self.0.due(None))
    }
}

fn kind(alarm: &Alarm) -> (String, String) {
    (alarm.group.clone(), alarm.kind.clone())
}

fn in_order(counted: Vec<((String, String), Counted<Alarm>)>) -> Vec<Alarm> {
    let told = counted.into_iter().map(|(_, Counted { count, kept })| kept.with_more(count));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|alarm| alarm.seq);
    told
}
