//! When the next digest is due. Pure: the caller supplies the time.

use std::time::Duration;

use jiff::Zoned;
use jiff::civil::{Date, Time};
use policies::TimeOfDay;

/// What is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The digest of this day.
    Now(String),
    /// Nothing for this long.
    In(Duration),
}

/// The day on a clock, as it is stored.
pub(super) fn day(now: &Zoned) -> String {
    now.date().to_string()
}

/// What is due at this time of day, if `last` is the last day that had its digest. After the clock was set back, days
/// do not get a second digest; after a machine was off, one digest covers everything missed.
pub(super) fn due(now: &Zoned, at: TimeOfDay, last: &str) -> Due {
    let today = now.date();
    let had = last.parse::<Date>().unwrap_or(Date::MIN);
    let of_today = moment(now, today, at);
    if had < today && of_today <= *now {
        return Due::Now(today.to_string());
    }
    let next = if had < today { today } else { had.tomorrow().unwrap_or(had) };
    let length = moment(now, next, at).duration_since(now);
    Due::In(Duration::try_from(length).unwrap_or(Duration::ZERO).max(Duration::from_millis(1)))
}

/// A time in a gap of the clock is the one after it; a repeated one is the first.
fn moment(now: &Zoned, day: Date, at: TimeOfDay) -> Zoned {
    let part = |value: u16| i8::try_from(value).unwrap_or(0);
    let time = Time::new(part(at.minutes() / 60), part(at.minutes() % 60), 0, 0).unwrap_or(Time::midnight());
    day.to_datetime(time).to_zoned(now.time_zone().clone()).unwrap_or_else(|_| now.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> TimeOfDay {
        TimeOfDay::parse(text).unwrap()
    }

    fn hours(due: &Due) -> Option<f64> {
        match due {
            Due::Now(_) => None,
            Due::In(length) => Some(length.as_secs_f64() / 3600.0),
        }
    }

    #[test]
    fn a_day_has_one_at_its_time() {
        let berlin = |text: &str| format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap();
        let eight = at("08:00");
        assert_eq!(hours(&due(&berlin("2026-11-30T07:00"), eight, "2026-11-29")), Some(1.0));
        assert_eq!(due(&berlin("2026-11-30T08:00"), eight, "2026-11-29"), Due::Now("2026-11-30".to_owned()));
        assert_eq!(due(&berlin("2026-11-30T23:59"), eight, "2026-11-20"), Due::Now("2026-11-30".to_owned()), "late");
        assert_eq!(hours(&due(&berlin("2026-11-30T20:00"), eight, "2026-11-30")), Some(12.0));
        // Across both clock changes.
        assert_eq!(hours(&due(&berlin("2026-03-28T08:00"), eight, "2026-03-28")), Some(23.0));
        assert_eq!(hours(&due(&berlin("2026-10-24T08:00"), eight, "2026-10-24")), Some(25.0));
        // A skipped time and a repeated one.
        assert_eq!(hours(&due(&berlin("2026-03-29T00:00"), at("02:30"), "2026-03-28")), Some(2.5));
        assert_eq!(hours(&due(&berlin("2026-10-25T00:00"), at("02:30"), "2026-10-24")), Some(2.5));
        // Set back by a day, and by a year.
        assert_eq!(hours(&due(&berlin("2026-11-29T09:00"), eight, "2026-11-30")), Some(47.0));
        assert!(hours(&due(&berlin("2025-11-30T09:00"), eight, "2026-11-30")).unwrap() > 8700.0);
    }

    /// A year, hour by hour, in five zones: each day once.
    #[test]
    fn each_day_of_a_year_has_one() {
        for zone in ["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            let mut now = format!("2027-12-31T12:00[{zone}]").parse::<Zoned>().unwrap();
            let (mut last, mut told) = (day(&now), 0);
            let end = now.date().saturating_add(jiff::Span::new().days(366));
            while now.date() < end {
                match due(&now, at("02:30"), &last) {
                    Due::Now(day) => {
                        assert!(day > last, "{zone}: {day}");
                        (last, told) = (day, told + 1);
                    }
                    Due::In(length) => now = now.saturating_add(length.min(Duration::from_hours(1))),
                }
            }
            assert_eq!(told, 365, "{zone}");
        }
    }
}
