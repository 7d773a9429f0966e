//! Durations, from the database's form to the timers'.

use std::time::Duration;

use crate::store::Millis;

/// At least a millisecond, so that it is due when the timer fires.
pub(super) fn millis(wait: i64) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0) + 1)
}

pub(super) fn pause_in_millis(pause: Duration) -> Millis {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}
