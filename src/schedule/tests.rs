//! A year on a simulated clock: each occurrence comes once, at its time, whatever the clocks do.
#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, ToSpan, Zoned};

use super::*;

/// Zones whose clock changes twice a year: north and south, by half an hour, at midnight.
const ZONES: [&str; 5] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(line: &str, zone: &str) -> Schedule {
    Schedule::read(Kind::Cron, line, zone, at("2027-12-31T00:00:00Z")).unwrap()
}

fn begins(zone: &str) -> Timestamp {
    format!("2028-01-01T00:00:00[{zone}]").parse::<Zoned>().unwrap().timestamp()
}

/// The runs from the start of 2028, a leap year, to its end: the clock is checked when the plan says so, and some
/// seconds late.
fn year(schedule: &Schedule, zone: &str) -> Vec<Timestamp> {
    let begin = begins(zone).checked_sub(1.minute()).unwrap();
    let end = begin.checked_add(SignedDuration::from_hours(24 * 366)).unwrap();
    let mut plan = Plan::from_now(schedule, begin, begin);
    let mut runs = Vec::new();
    while let Some(next) = plan.next.filter(|next| *next < end) {
        let due = plan.due(schedule, Missed::Once, next.checked_add(7.seconds()).unwrap());
        assert_eq!((due.runs.len(), due.missed), (1, 0), "{next}");
        runs.extend(due.runs);
        plan = due.plan;
    }
    runs
}

/// The same by checking each minute of the year.
fn minutes(zone: &str, holds: impl Fn(&Zoned) -> bool) -> Vec<Timestamp> {
    let zone_of = TimeZone::get(zone).unwrap();
    let first = begins(zone).checked_sub(1.minute()).unwrap();
    let all = (1..366 * 24 * 60).map(|minute| first.checked_add(SignedDuration::from_mins(minute)).unwrap());
    all.filter(|at| holds(&at.to_zoned(zone_of.clone()))).collect()
}

#[test]
fn what_comes_by_the_clocks_minutes_comes_whenever_it_shows_them() {
    for zone in ZONES {
        let expected = minutes(zone, |at| at.minute() % 15 == 0);
        assert_eq!(year(&cron("*/15 * * * *", zone), zone), expected, "{zone}");
        let expected = minutes(zone, |at| at.minute() == 30);
        assert_eq!(year(&cron("30 * * * *", zone), zone), expected, "{zone}");
    }
}

#[test]
fn a_fixed_time_comes_once_on_each_day_of_the_year() {
    for zone in ZONES {
        for time in ["0 7", "30 2", "15 0", "45 1", "0 3", "30 23"] {
            let runs = year(&cron(&format!("{time} * * *"), zone), zone);
            let zoned = TimeZone::get(zone).unwrap();
            let days: Vec<_> = runs.iter().map(|at| at.to_zoned(zoned.clone()).date()).collect();
            let mut all = days.clone();
            all.dedup();
            assert_eq!((all.len(), days.len()), (366, 366), "{zone} {time}");
            let (minute, hour) =
                time.split_once(' ').map(|(m, h)| (m.parse::<i8>().unwrap(), h.parse::<i8>().unwrap())).unwrap();
            let odd = runs
                .iter()
                .map(|at| at.to_zoned(zoned.clone()))
                .filter(|at| (at.hour(), at.minute()) != (hour, minute));
            for moved in odd {
                let wanted = moved.date().at(hour, minute, 0, 0);
                assert!(zoned.to_ambiguous_timestamp(wanted).is_ambiguous(), "{zone} {time}: {moved}");
                // The first moment after the gap.
                let before = moved.timestamp().checked_sub(1.second()).unwrap().to_zoned(zoned.clone());
                assert_ne!(before.offset(), moved.offset(), "{zone} {time}: {moved}");
            }
        }
    }
}

#[test]
fn days_of_the_week_and_leap_days_are_those_of_the_calendar() {
    for zone in ZONES {
        let expected =
            minutes(zone, |at| at.weekday().to_monday_one_offset() <= 5 && (at.hour(), at.minute()) == (7, 0));
        assert_eq!(year(&cron("0 7 * * 1-5", zone), zone), expected, "{zone}");
        let leap = year(&cron("0 9 29 2 *", zone), zone);
        assert_eq!(leap.len(), 1, "{zone}");
        assert_eq!(cron("0 9 29 2 *", zone).shows(leap[0]), "2028-02-29 09:00");
        let next = cron("0 9 29 2 *", zone).next(leap[0], leap[0]).unwrap();
        assert_eq!(cron("0 9 29 2 *", zone).shows(next), "2032-02-29 09:00");
        let last = year(&cron("0 12 31 * *", zone), zone);
        assert_eq!(last.len(), 7, "{zone}");
    }
}

#[test]
fn intervals_never_drift() {
    for zone in ZONES {
        let hourly = Schedule::read(Kind::Interval, "90m", zone, begins(zone)).unwrap();
        let runs = year(&hourly, zone);
        assert!(runs.windows(2).all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_mins(90)), "{zone}");
        assert_eq!(runs.len(), 366 * 24 * 60 / 90 - 1);
    }
}

#[test]
fn a_time_that_the_clock_shows_twice_comes_once() {
    let zone = "Europe/Berlin";
    let nightly = cron("30 2 * * *", zone);
    let first = at("2028-10-29T00:30:00Z");
    assert_eq!(nightly.next(at("2028-10-28T20:00:00Z"), first), Some(first));
    assert_eq!(nightly.next(first, first), Some(at("2028-10-30T01:30:00Z")));
    // And a skipped time comes when the gap is over.
    assert_eq!(nightly.next(at("2028-03-25T20:00:00Z"), first), Some(at("2028-03-26T01:00:00Z")));
}

/// 2028-05-10 is a Wednesday.
fn daily() -> (Schedule, Plan) {
    let schedule = cron("0 7 * * *", "UTC");
    let noon = at("2028-05-10T12:00:00Z");
    let plan = Plan::from_now(&schedule, noon, noon);
    (schedule, plan)
}

#[test]
fn a_machine_that_slept_for_a_week_makes_up_for_as_much_as_is_wanted() {
    let (schedule, plan) = daily();
    let woke = at("2028-05-17T20:00:00Z");
    let runs = |missed| plan.due(&schedule, missed, woke);
    assert_eq!((runs(Missed::Skip).runs, runs(Missed::Skip).missed), (vec![], 7));
    assert_eq!((runs(Missed::Once).runs, runs(Missed::Once).missed), (vec![at("2028-05-17T07:00:00Z")], 6));
    let all = runs(Missed::All);
    assert_eq!((all.runs.len(), all.missed, all.runs[0]), (7, 0, at("2028-05-11T07:00:00Z")));
    for missed in [Missed::Skip, Missed::Once, Missed::All] {
        let due = runs(missed);
        assert_eq!(due.plan.next, Some(at("2028-05-18T07:00:00Z")));
        assert_eq!(due.plan.due(&schedule, missed, woke).runs, [], "nothing twice");
    }
    // A little late is not missed.
    let (late, slept) = (at("2028-05-11T07:05:00Z"), at("2028-05-11T08:00:00Z"));
    assert_eq!(plan.due(&schedule, Missed::Skip, late).runs.len(), 1);
    assert_eq!(plan.due(&schedule, Missed::Skip, slept).runs.len(), 0);
}

#[test]
fn what_was_missed_is_bounded_and_found_in_no_time() {
    let minutely = cron("* * * * *", "Europe/Berlin");
    let began = at("2020-01-01T00:00:00Z");
    let plan = Plan::from_now(&minutely, began, began);
    let due = plan.due(&minutely, Missed::All, at("2028-05-10T12:00:30Z"));
    assert_eq!((due.runs.len(), *due.runs.last().unwrap()), (MOST_MISSED, at("2028-05-10T12:00:00Z")));
    assert!(due.missed > 5000);
    assert_eq!(due.plan.next, Some(at("2028-05-10T12:01:00Z")));
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing_of_the_day() {
    let (schedule, plan) = daily();
    let ran = plan.due(&schedule, Missed::Once, at("2028-05-11T07:00:00Z"));
    assert_eq!(ran.runs.len(), 1);
    // By an hour: seven o'clock comes again, but has been dealt with.
    let back = ran.plan.due(&schedule, Missed::Once, at("2028-05-11T06:30:00Z"));
    assert_eq!((back.runs.len(), back.plan.next), (0, Some(at("2028-05-12T07:00:00Z"))));
    assert_eq!(back.plan.due(&schedule, Missed::Once, at("2028-05-11T07:00:00Z")).runs, []);
    // By a year, by which it had been ahead: what was due then does not count, and nothing waits for a year.
    let right = ran.plan.due(&schedule, Missed::Once, at("2027-05-11T06:30:00Z"));
    assert_eq!((right.runs.len(), right.plan.next), (0, Some(at("2027-05-11T07:00:00Z"))));
    assert_eq!(right.plan.due(&schedule, Missed::Once, at("2027-05-11T07:00:01Z")).runs.len(), 1);
}

/// Whatever the clock does, no occurrence is due twice within a day.
#[test]
fn a_restless_clock_repeats_nothing() {
    let schedule = cron("*/10 * * * *", "Europe/Berlin");
    let mut now = at("2028-03-25T23:00:00Z");
    let mut plan = Plan::from_now(&schedule, now, now);
    let mut seen = std::collections::BTreeSet::new();
    for step in [7_i64, 11, -13, 25, -20, 3, 90, -85, 4, 61, -5, 300, -290, 10, 10, 10, 600, -599, 1, 1, 600] {
        now = now.checked_add(SignedDuration::from_mins(step)).unwrap();
        let due = plan.due(&schedule, Missed::All, now);
        assert!(due.runs.iter().all(|at| *at <= now && seen.insert(*at)), "{step}: {:?}", due.runs);
        plan = due.plan;
    }
    assert!(seen.len() > 20);
}

#[test]
fn a_single_time_comes_once_and_nothing_follows() {
    let now = at("2028-05-10T12:00:00Z");
    let once = |text: &str| Schedule::read(Kind::Once, text, "Europe/Berlin", now);
    let morning = once("2028-05-11 09:00").unwrap();
    let plan = Plan::from_now(&morning, now, now);
    assert_eq!(plan.next, Some(at("2028-05-11T07:00:00Z")));
    let due = plan.due(&morning, Missed::Once, at("2028-05-14T07:00:00Z"));
    assert_eq!((due.runs.len(), due.plan.next), (1, None));
    assert_eq!(due.plan.due(&morning, Missed::Once, at("2028-05-01T07:00:00Z")).runs, [], "set back");
    assert_eq!(morning.shows(once("14:30").unwrap().next(now, now).unwrap()), "2028-05-10 14:30");
    assert_eq!(morning.shows(once("13:00").unwrap().next(now, now).unwrap()), "2028-05-11 13:00");
    let odd = once("2028-05-11T07:00:00.1234567Z").unwrap();
    assert_eq!(odd.value(), "2028-05-11T07:00:00.123Z", "as the store counts");
    assert_eq!(once("2028-05-11T09:00:00+02:00").unwrap().value(), "2028-05-11T07:00:00Z");
    assert!(once("2028-05-10 09:00").unwrap_err().contains("in the past"));
    assert!(once("tomorrow").unwrap_err().contains("2026-12-01 09:00"));
}

/// In either hemisphere, and with a gap of half an hour.
#[test]
fn a_single_time_that_the_clock_skips_comes_with_the_first_moment_after_the_gap() {
    for (zone, said, due) in [
        ("Europe/Berlin", "2028-03-26 02:00", "2028-03-26T01:00:00Z"),
        ("Europe/Berlin", "2028-03-26 02:30", "2028-03-26T01:00:00Z"),
        ("Europe/Berlin", "2028-03-26 03:00", "2028-03-26T01:00:00Z"),
        ("Europe/Berlin", "2028-03-26 01:59", "2028-03-26T00:59:00Z"),
        ("Europe/Berlin", "2028-10-29 02:30", "2028-10-29T00:30:00Z"),
        ("Australia/Lord_Howe", "2028-10-01 02:15", "2028-09-30T15:30:00Z"),
    ] {
        let schedule = Schedule::read(Kind::Once, said, zone, at("2028-01-01T00:00:00Z")).unwrap();
        assert_eq!(
            schedule.next(at("2028-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z")),
            Some(at(due)),
            "{zone} {said}"
        );
    }
}

#[test]
fn what_cannot_be_read_says_how_it_is_written() {
    let read = |kind, value: &str| Schedule::read(kind, value, "UTC", at("2028-05-10T12:00:00Z")).unwrap_err();
    for line in ["", "7 o'clock", "0 25 * * *", "0 7 * *", "* * * * * *", "0 7 * * 1-5 2030", "@reboot"] {
        assert!(read(Kind::Cron, line).contains("five fields"), "{line}");
    }
    assert!(read(Kind::Cron, "0 7 30 2 *").contains("never be due"));
    assert!(read(Kind::Interval, "10s").contains("once a minute"));
    assert!(read(Kind::Interval, "often").contains("10m"));
    assert!(read(Kind::Interval, "10000h").contains("at most a year"));
    let zone = Schedule::read(Kind::Cron, "0 7 * * *", "Europe/Bielefeld", at("2028-05-10T12:00:00Z")).unwrap_err();
    assert!(zone.contains("no time zone"), "{zone}");
    // NanoClaw's agents write milliseconds.
    let quarter = Schedule::read(Kind::Interval, "900000", "UTC", at("2028-05-10T12:00:00Z")).unwrap();
    assert_eq!(quarter.words().in_english(), "every 15 min");
}

#[test]
fn what_is_stored_is_read_again_and_what_is_lost_is_never_due() {
    let now = at("2028-05-10T12:00:00Z");
    for (kind, value) in [(Kind::Cron, "0 7 * * 1-5"), (Kind::Interval, "2h"), (Kind::Once, "2030-01-01 00:00")] {
        let new = Schedule::read(kind, value, "Europe/Berlin", now).unwrap();
        let again = Schedule::stored(kind, new.value(), new.zone_name());
        assert_eq!((again.next(now, now), again.value(), again.lost()), (new.next(now, now), new.value(), None));
    }
    let lost = Schedule::stored(Kind::Cron, "0 7 * * *".to_owned(), "Mars/Olympus");
    assert!(lost.lost().unwrap().contains("Mars/Olympus"));
    assert_eq!((lost.next(now, now), lost.zone_name()), (None, "Mars/Olympus"));
}

#[test]
fn a_schedule_is_told_as_people_say_it() {
    use crate::phrases::Language;
    let told = |line: &str, language| cron(line, "Europe/Berlin").words().said_in(language);
    for (line, words) in [
        ("0 7 * * 1-5", "each weekday at 07:00"),
        ("5 18 * * *", "each day at 18:05"),
        ("0 9 * * 1,THU", "each Monday, Thursday at 09:00"),
        ("0 9 1 * *", "on day 1 of each month at 09:00"),
        ("*/15 * * * *", "every 15 min"),
        ("0 9 1 * 1", "by the cron line \u{201c}0 9 1 * 1\u{201d}"),
    ] {
        assert_eq!(told(line, Language::English), words);
    }
    assert_eq!(told("0 7 * * sun", Language::German), "jeden Sonntag um 07:00");
    assert!(told("0 7 * * *", Language::Arabic).contains("07:00"));
}
