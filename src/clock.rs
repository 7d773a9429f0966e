//! The owner's clock: days, weeks and the ends of policies follow `[assistant] time_zone`, not the machine's zone.
//! `[limits]`, doors and commands all use this one.

mod changes;
mod days;

use std::sync::{Arc, Mutex};

use desk::lock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use policies::{Clock, Date, Moment, TimeOfDay};

pub use changes::ClockChanges;

/// A clock in the owner's time zone.
#[derive(Clone, Debug)]
pub struct OwnersClock {
    zone: TimeZone,
    /// The last second that was asked about, and its moment in the owner's zone.
    last: Arc<Mutex<(i64, Moment)>>,
}

impl OwnersClock {
    /// Goes by this zone.
    pub fn new(zone: TimeZone) -> Self {
        let last = Arc::new(Mutex::new((i64::MIN, Moment::new(Date::LAST, TimeOfDay::NOON))));
        OwnersClock { zone, last }
    }

    /// The current moment.
    pub fn now(&self) -> Moment {
        self.at(Timestamp::now())
    }

    /// Cached by the second: each request asks several times.
    fn at(&self, now: Timestamp) -> Moment {
        let (mut last, second) = (lock(&self.last), now.as_millisecond().div_euclid(1000));
        if last.0 != second {
            *last = (second, moment(&now.to_zoned(self.zone.clone())));
        }
        last.1
    }

    /// The clock as doors take it.
    pub fn port(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// The moment that a policy judges by.
pub(crate) fn moment(now: &jiff::Zoned) -> Moment {
    let part = |value: i8| u8::try_from(value).unwrap_or(1);
    let year = u16::try_from(now.year()).unwrap_or(9999);
    // A date outside the calendar ends every observation.
    let date = Date::new(year, part(now.month()), part(now.day())).unwrap_or(Date::LAST);
    Moment::new(date, TimeOfDay::new(part(now.hour()), part(now.minute())).unwrap_or(TimeOfDay::NOON))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-11-29 23:30 UTC is a Sunday in London, and a Monday in Tokyo.
    #[test]
    fn days_are_those_of_the_owners_zone() {
        let at = |zone: &str| {
            let at = Timestamp::from_second(1_795_995_000).unwrap();
            moment(&at.to_zoned(TimeZone::get(zone).unwrap())).to_string()
        };
        assert_eq!(at("UTC"), "sun 2026-11-29 23:30");
        assert_eq!(at("Europe/London"), "sun 2026-11-29 23:30");
        assert_eq!(at("Asia/Tokyo"), "mon 2026-11-30 08:30");
    }

    /// Hours follow what the clock shows: a skipped hour never comes, a repeated one comes twice.
    #[test]
    fn hours_go_by_a_clock_that_changes() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let hours = |from, to| {
            let time = |text| TimeOfDay::parse(text).unwrap();
            policies::Hours::new(policies::Times { span: Some((time(from), time(to))), ..policies::Times::default() })
                .unwrap()
        };
        let (skipped, until_then) = (hours("02:00", "03:00"), hours("01:00", "02:30"));
        for (utc, shown, in_skipped, in_until) in [
            ("2026-03-29T00:59:00Z", "sun 2026-03-29 01:59", false, true),
            ("2026-03-29T01:00:00Z", "sun 2026-03-29 03:00", false, false),
            ("2026-10-25T00:29:00Z", "sun 2026-10-25 02:29", true, true),
            ("2026-10-25T00:30:00Z", "sun 2026-10-25 02:30", true, false),
            ("2026-10-25T01:00:00Z", "sun 2026-10-25 02:00", true, true),
            ("2026-10-25T01:30:00Z", "sun 2026-10-25 02:30", true, false),
            ("2026-10-25T01:59:00Z", "sun 2026-10-25 02:59", true, false),
            ("2026-10-25T02:00:00Z", "sun 2026-10-25 03:00", false, false),
        ] {
            let now = moment(&utc.parse::<jiff::Timestamp>().unwrap().to_zoned(zone.clone()));
            assert_eq!(now.to_string(), shown, "{utc}");
            assert_eq!((skipped.include(now), until_then.include(now)), (in_skipped, in_until), "{utc}");
        }
    }

    #[test]
    fn a_month_begins_with_its_first_day() {
        for zone in ["UTC", "Asia/Tokyo", "America/Los_Angeles"] {
            let clock = OwnersClock::new(TimeZone::get(zone).unwrap());
            let began = Timestamp::from_millisecond(clock.start_of_month()).unwrap().to_zoned(clock.zone.clone());
            assert_eq!((began.day(), began.hour(), began.minute()), (1, 0, 0));
            assert!(clock.start_of_month() <= clock.start_of_day());
        }
    }

    #[test]
    fn a_clock_that_is_asked_again_goes_on() {
        let clock = OwnersClock::new(TimeZone::get("Asia/Tokyo").unwrap());
        for at in [1_795_995_000_000, 1_795_995_059_999, 1_795_995_060_000, 1_795_994_999_999, 0, -1] {
            let at = Timestamp::from_millisecond(at).unwrap();
            for _ in 0..2 {
                assert_eq!(clock.at(at), moment(&at.to_zoned(clock.zone.clone())), "{at}");
            }
        }
    }

    #[test]
    fn a_day_begins_where_the_owner_is() {
        let zones = ["UTC", "Asia/Tokyo", "America/Los_Angeles"].map(|zone| TimeZone::get(zone).unwrap());
        for clock in zones.map(OwnersClock::new) {
            let began = Timestamp::from_millisecond(clock.start_of_day()).unwrap().to_zoned(clock.zone.clone());
            assert_eq!(moment(&began).time(), TimeOfDay::new(0, 0).unwrap());
        }
    }
}
