//! `hours`, `days` and `until`: when a rule holds, by the owner's clock.
//!
//! What it is not: a clock. A minute that a clock change skips never occurs, and one that it
//! repeats occurs twice.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::{Moment, TimeOfDay, Weekday};

/// When a rule holds: from the first minute of a span up to but not including its end, on some days of the week,
/// until it ends for good. Hours that cross midnight belong to the day on which they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// `None`: the whole day.
    span: Option<(TimeOfDay, TimeOfDay)>,
    /// From Monday on; empty: every day.
    days: Vec<Weekday>,
    /// The first moment after it ends for good; `None`: never.
    until: Option<Moment>,
}

impl Hours {
    /// From what a rule says; `None` if it always holds. A span's two ends differ.
    pub fn new(span: Option<(TimeOfDay, TimeOfDay)>, mut days: Vec<Weekday>, until: Option<Moment>) -> Option<Self> {
        days.sort_unstable();
        days.dedup();
        if days.len() == Weekday::ALL.len() {
            days.clear();
        }
        (span.is_some() || !days.is_empty() || until.is_some()).then_some(Hours { span, days, until })
    }

    /// Where they begin and end; `None`: the whole day.
    pub fn span(&self) -> Option<(TimeOfDay, TimeOfDay)> {
        self.span
    }

    /// The days on which they begin, from Monday on; empty: every day.
    pub fn days(&self) -> &[Weekday] {
        &self.days
    }

    /// The first moment after they end for good; `None`: never.
    pub fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Whether they are over for good.
    pub fn have_ended(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether a moment is in them.
    pub fn include(&self, moment: Moment) -> bool {
        !self.have_ended(moment) && self.hold(moment.weekday(), moment.time())
    }

    /// Whether some moment is in both, as long as neither has ended.
    pub fn meet(&self, other: &Hours) -> bool {
        // If two spans overlap, one begins within the other.
        self.begin_in(other) || other.begin_in(self)
    }

    fn begin_in(&self, other: &Hours) -> bool {
        let from = self.span.map_or(TimeOfDay::MIDNIGHT, |(from, _)| from);
        let days: &[Weekday] = if self.days.is_empty() { &Weekday::ALL } else { &self.days };
        days.iter().any(|day| other.hold(*day, from))
    }

    fn hold(&self, day: Weekday, time: TimeOfDay) -> bool {
        let begin_on = |day| self.days.is_empty() || self.days.contains(&day);
        match self.span {
            None => begin_on(day),
            Some((from, to)) if from < to => from <= time && time < to && begin_on(day),
            Some((from, to)) => (from <= time && begin_on(day)) || (time < to && begin_on(day.yesterday())),
        }
    }
}

/// `07:00-21:00 on mon, tue`, `until sat 2026-12-05 22:00`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((from, to)) = self.span {
            write!(f, "{from}-{to}")?;
        }
        if !self.days.is_empty() {
            let days: Vec<_> = self.days.iter().map(|day| day.as_str()).collect();
            let on = match self.span {
                None => "on",
                Some((from, to)) if from < to => " on",
                Some(_) => " beginning on",
            };
            write!(f, "{on} {}", days.join(", "))?;
        }
        let gap = if self.span.is_some() || !self.days.is_empty() { ", " } else { "" };
        self.until.map_or(Ok(()), |until| write!(f, "{gap}until {until}"))
    }
}

/// `{ "from": "07:00", "to": "21:00", "days": ["mon", "tue"] }`, with `until` where it ends.
impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let days: Vec<_> = self.days.iter().map(|day| day.as_str()).collect();
        let mut shown = serializer.serialize_struct("Hours", 3 + usize::from(self.until.is_some()))?;
        shown.serialize_field("from", &self.span.map(|(from, _)| from.to_string()))?;
        shown.serialize_field("to", &self.span.map(|(_, to)| to.to_string()))?;
        shown.serialize_field("days", &days)?;
        if let Some(until) = self.until {
            shown.serialize_field("until", &until.written())?;
        }
        shown.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `22:00-06:00 fri sat`
    fn hours(text: &str) -> Hours {
        let mut words = text.split(' ').peekable();
        let time = |text| TimeOfDay::parse(text).unwrap();
        let span = words.next_if(|word| word.contains('-')).map(|word| {
            let (from, to) = word.split_once('-').unwrap();
            (time(from), time(to))
        });
        Hours::new(span, words.map(|word| Weekday::parse(word).unwrap()).collect(), None).unwrap()
    }

    #[test]
    fn they_begin_with_their_first_minute_and_end_before_their_last() {
        for (text, inside, outside) in [
            ("07:00-21:00", &["mon 07:00", "sun 20:59"][..], &["mon 06:59", "mon 21:00"][..]),
            ("07:00-21:00 mon tue", &["mon 07:00", "tue 20:59"], &["sun 12:00", "wed 12:00", "tue 21:00"]),
            ("sat sun", &["sat 00:00", "sun 23:59"], &["fri 23:59", "mon 00:00"]),
            ("22:00-06:00", &["mon 22:00", "mon 23:59", "mon 00:00", "mon 05:59"], &["mon 21:59", "mon 06:00"]),
            (
                "22:00-06:00 fri",
                &["fri 22:00", "sat 00:00", "sat 05:59"],
                &["fri 05:59", "fri 21:59", "sat 06:00", "sat 22:00"],
            ),
            ("22:00-06:00 sun", &["sun 22:00", "mon 05:59"], &["sun 05:59", "mon 06:00"]),
            ("07:00-00:00 mon", &["mon 07:00", "mon 23:59"], &["mon 06:59", "tue 00:00"]),
            ("00:00-00:01", &["wed 00:00"], &["wed 00:01", "wed 23:59"]),
        ] {
            let hours = hours(text);
            let hold = |at: &&str| {
                let (day, time) = at.split_once(' ').unwrap();
                hours.hold(Weekday::parse(day).unwrap(), TimeOfDay::parse(time).unwrap())
            };
            assert!(inside.iter().all(hold), "{text}: {inside:?}");
            assert!(!outside.iter().any(hold), "{text}: {outside:?}");
        }
    }

    #[test]
    fn they_meet_where_a_minute_is_in_both() {
        for (one, other, want) in [
            ("07:00-21:00", "21:00-07:00", false),
            ("07:00-21:00", "20:59-07:00", true),
            ("07:00-21:00", "12:00-12:01", true),
            ("22:00-06:00 fri", "00:00-06:00 sat", true),
            ("22:00-06:00 fri", "06:00-22:00 sat", false),
            ("22:00-06:00 sun", "mon", true),
            ("07:00-21:00 mon", "07:00-21:00 tue", false),
            ("mon tue", "tue wed", true),
            ("sat sun", "mon tue wed thu fri", false),
        ] {
            assert_eq!(hours(one).meet(&hours(other)), want, "{one}, {other}");
            assert_eq!(hours(other).meet(&hours(one)), want, "{other}, {one}");
        }
    }

    #[test]
    fn what_has_ended_never_holds_again() {
        let until = Moment::parse("2026-12-05 22:00").unwrap();
        let ends = Hours { until: Some(until), ..hours("07:00-23:00 sat") };
        for (moment, holds) in [
            ("2026-11-28 22:30", true),
            ("2026-12-05 21:59", true),
            ("2026-12-05 22:00", false),
            ("2026-12-12 12:00", false),
        ] {
            let moment = Moment::parse(moment).unwrap();
            assert_eq!((ends.include(moment), ends.have_ended(moment)), (holds, moment >= until), "{moment}");
        }
        let alone = Hours::new(None, Vec::new(), Some(until)).unwrap();
        assert_eq!(ends.to_string(), "07:00-23:00 on sat, until sat 2026-12-05 22:00");
        assert_eq!(alone.to_string(), "until sat 2026-12-05 22:00");
        assert!(ends.meet(&alone) && alone.meet(&ends));
    }

    #[test]
    fn what_is_always_is_no_restriction() {
        assert_eq!(Hours::new(None, Vec::new(), None), None);
        assert_eq!(Hours::new(None, Weekday::ALL.to_vec(), None), None);
        let shown = |text: &str| hours(text).to_string();
        assert_eq!(shown("07:00-21:00 tue mon tue"), "07:00-21:00 on mon, tue");
        assert_eq!(shown("22:00-06:00 fri"), "22:00-06:00 beginning on fri");
        assert_eq!((shown("07:00-21:00"), shown("sat sun")), ("07:00-21:00".to_owned(), "on sat, sun".to_owned()));
    }
}
