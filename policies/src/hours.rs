//! `hours`, `days`, `from` and `until`: when a rule holds, by the owner's clock.
//!
//! What it is not: a clock. A minute that a clock change skips never occurs, and one that it
//! repeats occurs twice.

use crate::{Moment, TimeOfDay, Weekday};

/// When a rule holds: from the first minute of a span up to its end, which is not of it, on
/// some days of the week, from when it begins until it ends for good. Hours that go over midnight belong to the day on which they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(Times);

/// What a rule says of when it holds. Whoever judges or tells it takes it apart whole: a time that is
/// new does not compile before it is judged and told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Where its hours begin and end, which differ; none: the whole day.
    pub span: Option<(TimeOfDay, TimeOfDay)>,
    /// The days on which they begin; none: every day.
    pub days: Vec<Weekday>,
    /// The first moment at which it holds; none: it always did.
    pub from: Option<Moment>,
    /// The first moment at which it is over, behind `from`; none: never.
    pub until: Option<Moment>,
}

/// How a rule stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not begun to hold.
    Ahead,
    /// It holds.
    Holds,
    /// It does not, and has other hours.
    Closed,
    /// It is over for good.
    Over,
}

impl Hours {
    /// From what a rule says; `None` where that is always.
    pub fn new(times: Times) -> Option<Self> {
        let Times { span, mut days, from, until } = times;
        days.sort_unstable();
        days.dedup();
        if days.len() == Weekday::ALL.len() {
            days.clear();
        }
        let times = Times { span, days, from, until };
        (times != Times::default()).then_some(Hours(times))
    }

    /// What the rule says: the days from Monday on.
    pub fn times(&self) -> &Times {
        &self.0
    }

    /// How the rule stands at a moment.
    pub fn standing(&self, now: Moment) -> Standing {
        let Times { span, days, from, until } = &self.0;
        if until.is_some_and(|until| until <= now) {
            Standing::Over
        } else if from.is_some_and(|from| now < from) {
            Standing::Ahead
        } else if hold(*span, days, now.weekday(), now.time()) {
            Standing::Holds
        } else {
            Standing::Closed
        }
    }

    /// Whether they are over for good.
    pub fn have_ended(&self, now: Moment) -> bool {
        self.standing(now) == Standing::Over
    }

    /// Whether a moment is in them.
    pub fn include(&self, moment: Moment) -> bool {
        self.standing(moment) == Standing::Holds
    }
}

/// Whether a rule with these hours holds; one without always does.
pub(crate) fn hold_now(hours: Option<&Hours>, now: Moment) -> bool {
    hours.is_none_or(|hours| hours.include(now))
}

/// Whether a time of a day is in a span on some days.
pub(crate) fn hold(span: Option<(TimeOfDay, TimeOfDay)>, days: &[Weekday], day: Weekday, time: TimeOfDay) -> bool {
    let begin_on = |day| days.is_empty() || days.contains(&day);
    match span {
        None => begin_on(day),
        Some((from, to)) if from < to => from <= time && time < to && begin_on(day),
        Some((from, to)) => (from <= time && begin_on(day)) || (time < to && begin_on(day.yesterday())),
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
        let days = words.map(|word| Weekday::parse(word).unwrap()).collect();
        Hours::new(Times { span, days, ..Times::default() }).unwrap()
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
                // The first day of the year 2001 was a Monday.
                let first = Weekday::parse(day).unwrap() as u8 + 1;
                hours.include(Moment::parse(&format!("2001-01-{first:02} {time}")).unwrap())
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
        let ends = Hours(Times { until: Some(until), ..hours("07:00-23:00 sat").0 });
        for (moment, holds) in [
            ("2026-11-28 22:30", true),
            ("2026-12-05 21:59", true),
            ("2026-12-05 22:00", false),
            ("2026-12-12 12:00", false),
        ] {
            let moment = Moment::parse(moment).unwrap();
            assert_eq!((ends.include(moment), ends.have_ended(moment)), (holds, moment >= until), "{moment}");
        }
        let alone = Hours::new(Times { until: Some(until), ..Times::default() }).unwrap();
        assert_eq!(ends.to_string(), "07:00-23:00 on sat, until sat 2026-12-05 22:00");
        assert_eq!(alone.to_string(), "until sat 2026-12-05 22:00");
        assert!(ends.meet(&alone) && alone.meet(&ends));
    }

    #[test]
    fn what_has_not_begun_does_not_hold_yet() {
        let from = Moment::parse("2026-12-05 08:00").unwrap();
        let until = Moment::parse("2026-12-12 22:00").unwrap();
        let begins = Hours(Times { from: Some(from), until: Some(until), ..hours("07:00-23:00 sat").0 });
        for (moment, stands) in [
            ("2026-11-28 12:00", Standing::Ahead),
            ("2026-12-05 07:59", Standing::Ahead),
            ("2026-12-05 08:00", Standing::Holds),
            ("2026-12-05 23:00", Standing::Closed),
            ("2026-12-12 21:59", Standing::Holds),
            ("2026-12-12 22:00", Standing::Over),
        ] {
            assert_eq!(begins.standing(Moment::parse(moment).unwrap()), stands, "{moment}");
        }
        let alone = Hours::new(Times { from: Some(from), ..Times::default() }).unwrap();
        let said = "07:00-23:00 on sat, from sat 2026-12-05 08:00 until sat 2026-12-12 22:00";
        assert_eq!((begins.to_string(), alone.to_string()), (said.to_owned(), "from sat 2026-12-05 08:00".to_owned()));
        let borders: Vec<_> = begins.borders().map(|time| time.to_string()).collect();
        assert_eq!(borders, ["07:00", "23:00", "08:00", "22:00", "00:00"]);
    }

    #[test]
    fn what_ends_as_another_begins_never_meets_it() {
        let times = |from, until| {
            let moment = |text: &str| Moment::parse(text).unwrap();
            Hours::new(Times { from: Some(moment(from)), until: Some(moment(until)), ..Times::default() }).unwrap()
        };
        let first = times("2026-12-01 00:00", "2026-12-05 08:00");
        for (from, until, want) in [
            ("2026-12-05 08:00", "2026-12-06 00:00", false),
            ("2026-12-05 07:59", "2026-12-06 00:00", true),
            ("2026-11-01 00:00", "2026-12-01 00:00", false),
            ("2026-11-01 00:00", "2027-12-01 00:00", true),
        ] {
            let other = times(from, until);
            assert_eq!((first.meet(&other), other.meet(&first)), (want, want), "{from}, {until}");
        }
    }

    #[test]
    fn what_is_always_is_no_restriction() {
        assert_eq!(Hours::new(Times::default()), None);
        assert_eq!(Hours::new(Times { days: Weekday::ALL.to_vec(), ..Times::default() }), None);
        let shown = |text: &str| hours(text).to_string();
        assert_eq!(shown("07:00-21:00 tue mon tue"), "07:00-21:00 on mon, tue");
        assert_eq!(shown("22:00-06:00 fri"), "22:00-06:00 beginning on fri");
        assert_eq!((shown("07:00-21:00"), shown("sat sun")), ("07:00-21:00".to_owned(), "on sat, sun".to_owned()));
    }
}
