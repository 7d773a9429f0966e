//! How days and times are written, and what somebody means who writes one.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Date, Moment, TimeOfDay, Weekday};

/// A time as a person gives it: `sat 22:00`, `2026-12-01 22:00`, or one of the two alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    day: Option<Day>,
    time: Option<TimeOfDay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Date(Date),
    Weekday(Weekday),
}

impl Date {
    /// Reads `2026-12-01`, in exactly that form.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return None };
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
            return None;
        }
        Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }
}

impl Moment {
    /// Reads `2026-12-01 22:00`, in exactly that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        Some(Moment::new(Date::parse(date)?, TimeOfDay::parse(time)?))
    }

    /// In the form that [`Moment::parse`] reads.
    pub fn written(self) -> String {
        format!("{} {}", self.date(), self.time())
    }
}

impl TimeOfDay {
    /// Reads `07:30`, in exactly that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !(two_digits(hour) && two_digits(minute)) {
            return None;
        }
        TimeOfDay::new(hour.parse().ok()?, minute.parse().ok()?)
    }
}

impl Weekday {
    /// As a policy writes it: `mon`.
    pub fn as_str(self) -> &'static str {
        match self {
            Weekday::Mon => "mon",
            Weekday::Tue => "tue",
            Weekday::Wed => "wed",
            Weekday::Thu => "thu",
            Weekday::Fri => "fri",
            Weekday::Sat => "sat",
            Weekday::Sun => "sun",
        }
    }

    /// Reads `mon`, in exactly that form.
    pub fn parse(text: &str) -> Option<Self> {
        Weekday::ALL.into_iter().find(|day| day.as_str() == text)
    }
}

impl At {
    /// Any time.
    pub const ANY: At = At { day: None, time: None };

    /// What to write, for help texts.
    pub const FORM: &str = "write a day (sat, or 2026-12-01), a time (22:00), or both (\"sat 22:00\")";

    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        let day = |text: &str| Date::parse(text).map(Day::Date).or_else(|| Weekday::parse(text).map(Day::Weekday));
        if let Some((first, second)) = text.split_once(' ') {
            return Some(At { day: Some(day(first)?), time: Some(TimeOfDay::parse(second)?) });
        }
        match TimeOfDay::parse(text) {
            Some(time) => Some(At { day: None, time: Some(time) }),
            None => Some(At { day: Some(day(text)?), time: None }),
        }
    }

    /// The moment meant by somebody who says it now: a day of the week is the next such day,
    /// including today; parts that are not given are taken from now.
    pub fn seen_from(self, now: Moment) -> Moment {
        let date = match self.day {
            None => now.date(),
            Some(Day::Date(date)) => date,
            Some(Day::Weekday(weekday)) => {
                let days = (7 + weekday as usize - now.weekday() as usize) % 7;
                (0..days).fold(now.date(), |date, _| date.tomorrow())
            }
        };
        Moment::new(date, self.time.unwrap_or(now.time()))
    }

    /// Every moment that may be meant, if only these times of day make a difference (none: no moment does):
    /// each day of a far-off week if no day is given, each of the times if no time is given.
    pub fn moments(self, times: &BTreeSet<TimeOfDay>) -> Vec<Moment> {
        let week = std::iter::successors(Some(Date::FAR_MONDAY), |date| Some(date.tomorrow())).take(7);
        let dates: Vec<Date> = match self.day {
            None => week.collect(),
            Some(Day::Date(date)) => vec![date],
            Some(Day::Weekday(weekday)) => week.skip(weekday as usize).take(1).collect(),
        };
        if times.is_empty() {
            return Vec::new();
        }
        let times: Vec<TimeOfDay> = self.time.map_or_else(|| times.iter().copied().collect(), |time| vec![time]);
        dates.into_iter().flat_map(|date| times.iter().map(move |time| Moment::new(date, *time))).collect()
    }

    /// Whether it gives a time of day.
    pub fn has_time(self) -> bool {
        self.time.is_some()
    }

    /// Whether it gives a day of the week.
    pub fn has_weekday(self) -> bool {
        matches!(self.day, Some(Day::Weekday(_)))
    }

    /// Whether it gives a day of the calendar.
    pub fn has_date(self) -> bool {
        matches!(self.day, Some(Day::Date(_)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.weekday(), self.date(), self.time())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Some(Day::Date(date)) => date.fmt(f)?,
            Some(Day::Weekday(weekday)) => weekday.fmt(f)?,
            None => {}
        }
        let space = if self.day.is_some() { " " } else { "" };
        self.time.map_or(Ok(()), |time| write!(f, "{space}{time}"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes() / 60, self.minutes() % 60)
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn moment(date: &str, time: &str) -> Moment {
        Moment::new(Date::parse(date).unwrap(), TimeOfDay::parse(time).unwrap())
    }

    #[test]
    fn moments_are_shown_with_their_day_of_the_week() {
        for (date, time, want) in [
            ("2026-11-23", "07:05", "mon 2026-11-23 07:05"),
            ("2026-11-29", "00:00", "sun 2026-11-29 00:00"),
            ("2024-02-29", "23:59", "thu 2024-02-29 23:59"),
            ("2000-01-01", "12:00", "sat 2000-01-01 12:00"),
            ("1900-03-01", "12:00", "thu 1900-03-01 12:00"),
            ("0001-01-01", "12:00", "mon 0001-01-01 12:00"),
        ] {
            assert_eq!(moment(date, time).to_string(), want);
        }
        assert_eq!(Moment::FAR.to_string(), "mon 9999-12-20 12:00");
        assert_eq!(Moment::parse(&Moment::FAR.written()), Some(Moment::FAR));
        for text in ["2026-12-01", "22:00", "2026-12-01T22:00", "2026-12-01 22:00:00", "sat 22:00", "2026-02-30 22:00"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        for text in ["00:00", "07:30", "23:59"] {
            assert_eq!(TimeOfDay::parse(text).unwrap().to_string(), text);
        }
        for text in ["24:00", "7:30", "07:60", "07", "07:3", "+7:30", "07:30:00", ""] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
        assert_eq!(TimeOfDay::parse("01:01").unwrap().minutes(), 61);
    }

    #[test]
    fn what_a_person_says_is_seen_from_now() {
        let now = moment("2026-12-30", "10:00");
        for (text, want) in [
            ("wed", "wed 2026-12-30 10:00"),
            ("sat 22:00", "sat 2027-01-02 22:00"),
            ("tue", "tue 2027-01-05 10:00"),
            ("22:00", "wed 2026-12-30 22:00"),
            ("2026-12-01", "tue 2026-12-01 10:00"),
            ("2026-12-01 22:00", "tue 2026-12-01 22:00"),
        ] {
            let at = At::parse(text).unwrap();
            assert_eq!(at.seen_from(now).to_string(), want, "{text}");
            assert_eq!(at.to_string(), text);
            assert_eq!(at.has_date(), text.starts_with("2026"));
        }
        for text in ["", "saturday", "Sat", "sat 22", "22:00 sat", "sat  22:00", "2026-02-30", "sat 24:00", " sat"] {
            assert_eq!(At::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_said_may_be_any() {
        let times: BTreeSet<_> = ["07:00", "21:00"].map(|time| TimeOfDay::parse(time).unwrap()).into();
        let shown = |at: At| at.moments(&times).iter().map(ToString::to_string).collect::<Vec<_>>();
        let meant = |text: &str| shown(At::parse(text).unwrap());
        assert_eq!(meant("sat"), ["sat 9999-12-25 07:00", "sat 9999-12-25 21:00"]);
        assert_eq!(meant("sat 22:00"), ["sat 9999-12-25 22:00"]);
        assert_eq!(meant("2026-12-01"), ["tue 2026-12-01 07:00", "tue 2026-12-01 21:00"]);
        let days = meant("22:00").iter().map(|shown| shown[..3].to_owned()).collect::<Vec<_>>();
        assert_eq!(days, Weekday::ALL.map(Weekday::as_str));
        assert_eq!(shown(At::ANY).len(), 14);
        assert_eq!((Weekday::Mon.yesterday(), Weekday::Sun.yesterday()), (Weekday::Sun, Weekday::Sat));
    }

    #[test]
    fn dates() {
        for text in ["2026-12-01", "2024-02-29", "2000-02-29", "0001-01-31"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "2026-2-01",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-04-00",
            "+026-04-01",
            "2026-04-01Z",
            "",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("2026-12-01") > Date::parse("2026-11-30"));
        assert!(Date::parse("2027-01-01") > Date::parse("2026-12-31"));
    }
}
