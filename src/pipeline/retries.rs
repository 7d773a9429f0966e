//! When to try again: after 5 s, 10 s, 20 s, 40 s and 80 s; then the failure is reported.

use std::time::Duration;

/// How often a failed run is tried again.
pub const RETRIES: u32 = 5;

/// The pauses between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Before the second attempt; doubled with each that follows.
    pub first: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// How long to rest after the `attempt`-th attempt (counted from 1) has failed;
    /// `None`: that was the last.
    pub fn after(self, attempt: u32) -> Option<Duration> {
        let doublings = attempt.saturating_sub(1);
        (attempt <= RETRIES).then(|| self.first.saturating_mul(1 << doublings.min(16)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_retries_twice_as_far_apart_each() {
        let seconds: Vec<_> = (1..=7).map(|n| Backoff::default().after(n).map(|rest| rest.as_secs())).collect();
        assert_eq!(seconds, [Some(5), Some(10), Some(20), Some(40), Some(80), None, None]);
    }
}
