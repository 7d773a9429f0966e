//! How often the owner is asked: at most three messages a minute. The first goes at once; whatever comes while the next
//! one waits goes with it, in one message.

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// After one message in the last minute, and after two.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// When messages went.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<Duration>);

impl Pace {
    /// When the next may go.
    pub(super) fn next(&self, now: Duration) -> Duration {
        let recent: Vec<_> = self.0.iter().rev().take_while(|went| **went + MINUTE > now).copied().collect();
        match recent[..] {
            [] => now,
            [last] => last + PAUSES[0],
            [last, _] => last + PAUSES[1],
            [_, _, third, ..] => third + MINUTE,
        }
    }

    /// Records that one goes.
    pub(super) fn goes(&mut self, now: Duration) {
        self.0.push_back(now);
        while self.0.len() > PAUSES.len() + 1 {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_three_go_in_any_minute_and_none_waits_for_one() {
        let mut pace = Pace::default();
        let mut went: Vec<u64> = Vec::new();
        for second in 0..600 {
            let now = Duration::from_secs(second);
            if pace.next(now) <= now {
                pace.goes(now);
                went.push(second);
            }
            assert!(pace.next(now) < now + MINUTE);
        }
        assert_eq!(went[..4], [0, 5, 25, 60]);
        assert!(went.windows(4).all(|four| four[3] - four[0] >= 60), "{went:?}");
        // After a pause the first goes at once.
        let later = Duration::from_secs(1000);
        assert_eq!(pace.next(later), later);
    }
}
