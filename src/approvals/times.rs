//! Two clocks: the wall clock, which may be set, and a monotonic one that also runs during sleep.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{self, Millis};

/// A source of the current time.
#[derive(Clone)]
pub struct Times {
    wall: Arc<dyn Fn() -> Millis + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) wall: Millis,
    pub(super) steady: Duration,
}

/// A duration from a moment on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from: At,
    lasts: Duration,
}

impl Times {
    /// The machine's clocks.
    pub fn of_the_machine() -> Self {
        Times::new(store::now, || {
            let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            Duration::new(since.tv_sec.unsigned_abs(), u32::try_from(since.tv_nsec).unwrap_or(0))
        })
    }

    /// The given clocks.
    pub fn new(
        wall: impl Fn() -> Millis + Send + Sync + 'static,
        steady: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Times { wall: Arc::new(wall), steady: Arc::new(steady) }
    }

    /// The time by both, in milliseconds.
    pub fn millis(&self) -> (Millis, u64) {
        let At { wall, steady } = self.now();
        (wall, u64::try_from(steady.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn now(&self) -> At {
        At { wall: (self.wall)(), steady: (self.steady)() }
    }
}

impl Span {
    pub(super) fn new(from: At, lasts: Duration) -> Self {
        Span { from, lasts }
    }

    /// Whether it lasts by both clocks: setting the wall clock back does not extend it, and a time before its start is
    /// outside.
    pub(super) fn holds(&self, now: At) -> bool {
        let lasts = i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX);
        let by_wall = self.from.wall <= now.wall && now.wall < self.from.wall.saturating_add(lasts);
        by_wall && now.steady.saturating_sub(self.from.steady) < self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_by_either_clock() {
        let at = |wall, seconds| At { wall, steady: Duration::from_secs(seconds) };
        let span = Span::new(at(1_000_000, 50), Duration::from_secs(10));
        assert!(span.holds(at(1_000_000, 50)) && span.holds(at(1_009_999, 59)));
        // Set forward, set back, and set back by less than has passed.
        assert!(!span.holds(at(1_010_000, 51)) && !span.holds(at(999_999, 51)) && !span.holds(at(1_005_000, 60)));
    }

    #[test]
    fn the_machines_clock_goes_on() {
        let times = Times::of_the_machine();
        let first = times.now();
        assert!(first.wall > 0 && first.steady > Duration::ZERO && times.now().steady >= first.steady);
    }
}
