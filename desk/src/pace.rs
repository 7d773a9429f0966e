//! At most so much of a kind in a time; the rest is counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Lets at most `most` of each kind pass within a time that begins with the first. Of the
/// rest it keeps the number and one `T`, until they are asked for with [`Pace::due`]. Whoever
/// lets others choose the kinds bounds how many of them there are.
#[derive(Debug)]
pub struct Pace<K, T> {
    most: u64,
    every: Duration,
    kinds: HashMap<K, Stretch<T>>,
}

/// What did not pass, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// How many there were.
    pub count: u64,
    /// What stands for all of them.
    pub kept: T,
}

#[derive(Debug)]
struct Stretch<T> {
    since: Instant,
    passed: u64,
    counted: Option<Counted<T>>,
}

impl<K: Eq + Hash, T> Pace<K, T> {
    /// At most `most` of a kind within `every`.
    pub fn new(most: u64, every: Duration) -> Self {
        Pace { most, every, kinds: HashMap::new() }
    }

    /// Whether one more may pass. If not it is counted, and `keep` is given what stands for
    /// those before it and says what stands for all. A time that has ended goes on until what
    /// was counted in it is asked for, so that nothing passes before it.
    pub fn passes(&mut self, kind: K, now: Instant, keep: impl FnOnce(Option<T>) -> T) -> bool {
        self.passes_of(self.most, kind, now, keep)
    }

    /// The same where at most `most` of this one may pass.
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

    /// Whether one of a kind came within the time.
    pub fn has(&self, kind: &K) -> bool {
        self.kinds.contains_key(kind)
    }

    /// Whether something was counted that nobody has asked for.
    pub fn owes(&self) -> bool {
        self.kinds.values().any(|stretch| stretch.counted.is_some())
    }

    /// When the first time ends.
    pub fn next(&self) -> Option<Instant> {
        self.kinds.values().map(|stretch| stretch.since + self.every).min()
    }

    /// Ends the times that are over, all of them with `None`, and gives back what was counted.
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
