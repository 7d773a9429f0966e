//! Rate limits: a number of each kind per interval; the rest is counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Lets at most `most` of each kind pass in an interval that begins with the first. For the rest it
/// keeps their count and one `T`, until [`Pace::due`] collects them. A caller whose kinds others
/// choose must limit how many kinds there are.
#[derive(Debug)]
pub struct Pace<K, T> {
    most: u64,
    every: Duration,
    kinds: HashMap<K, Stretch<T>>,
}

/// Those of one kind that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// Their number.
    pub count: u64,
    /// Stands for all of them.
    pub kept: T,
}

#[derive(Debug)]
struct Stretch<T> {
    since: Instant,
    passed: u64,
    counted: Option<Counted<T>>,
}

impl<K: Eq + Hash, T> Pace<K, T> {
    /// At most `most` of a kind in each `every`.
    pub fn new(most: u64, every: Duration) -> Self {
        Pace { most, every, kinds: HashMap::new() }
    }

    /// Whether one more may pass. If not, it is counted, and `keep` merges it into what is kept for
    /// those before it. An interval with counted items lasts until [`Pace::due`] collects them, so
    /// that nothing overtakes them.
    pub fn passes(&mut self, kind: K, now: Instant, keep: impl FnOnce(Option<T>) -> T) -> bool {
        self.passes_of(self.most, kind, now, keep)
    }

    /// The same with another limit for this one.
    pub fn passes_of(&mut self, most: u64, kind: K, now: Instant, keep: impl FnOnce(Option<T>) -> T) -> bool {
        let new = || Stretch { since: now, passed: 0, counted: None };
        let stretch = self.kinds.entry(kind).or_insert_with(new);
        if stretch.counted.is_none() && now >= stretch.since + self.every {
            *stretch = new();
        }
        if stretch.passed < most {
            stretch.passed += 1;
            return true;
        }
        let (count, before) = stretch.counted.take().map_or((0, None), |before| (before.count, Some(before.kept)));
        stretch.counted = Some(Counted { count: count + 1, kept: keep(before) });
        false
    }

    /// Whether one of a kind came in the current interval.
    pub fn has(&self, kind: &K) -> bool {
        self.kinds.contains_key(kind)
    }

    /// Whether something was counted and not collected.
    pub fn owes(&self) -> bool {
        self.kinds.values().any(|stretch| stretch.counted.is_some())
    }

    /// When the first interval ends.
    pub fn next(&self) -> Option<Instant> {
        self.kinds.values().map(|stretch| stretch.since + self.every).min()
    }

    /// Ends the intervals that are over (with `None`: all of them), and returns what was counted.
    pub fn due(&mut self, now: Option<Instant>) -> Vec<(K, Counted<T>)> {
        let every = self.every;
        let over = self.kinds.extract_if(|_, stretch| now.is_none_or(|now| now >= stretch.since + every));
        over.filter_map(|(kind, stretch)| Some((kind, stretch.counted?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn first(kept: Option<u32>, new: u32) -> u32 {
        kept.unwrap_or(new)
    }

    #[test]
    fn the_rest_is_counted_until_it_is_asked_for() {
        let (mut pace, start) = (Pace::new(2, MINUTE), Instant::now());
        let passed = (0..5).filter(|n| pace.passes("a", start, |kept| first(kept, *n))).count();
        assert_eq!((passed, pace.passes("b", start, |kept| first(kept, 9))), (2, true));
        assert_eq!((pace.next(), pace.due(Some(start))), (Some(start + MINUTE), vec![]));
        let later = start + MINUTE;
        assert!(!pace.passes("a", later, |kept| first(kept, 9)), "what was counted comes first");
        assert_eq!(pace.due(Some(later)), [("a", Counted { count: 4, kept: 2 })]);
        assert_eq!(pace.next(), None, "nothing is remembered of what is over");
        assert!(pace.passes("a", later, |kept| first(kept, 9)));
    }

    #[test]
    fn a_time_without_a_rest_begins_anew_by_itself() {
        let (mut pace, start) = (Pace::new(1, MINUTE), Instant::now());
        assert!(pace.passes((), start, |_| ()));
        assert!(!pace.passes((), start + MINUTE / 2, |_| ()));
        assert_eq!(pace.due(None), [((), Counted { count: 1, kept: () })]);
        assert!(pace.passes((), start + MINUTE / 2, |_| ()));
        assert!(pace.passes((), start + MINUTE * 3 / 2, |_| ()));
        assert!(!pace.passes((), start + MINUTE * 2, |_| ()));
    }
}
