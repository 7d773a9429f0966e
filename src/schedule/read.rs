//! Parses schedules as people and agents write them.

use std::time::Duration;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};

use super::{Kind, Schedule, When};

/// The shortest interval.
const LEAST: Duration = Duration::from_mins(1);

/// The longest: a larger number is a slip.
const MOST: Duration = Duration::from_hours(24 * 366);

/// The longest cron line.
const LONGEST_LINE: usize = 200;

impl Schedule {
    /// Parses a new one. A single time must be in the future, and there must be an occurrence at all.
    pub fn read(kind: Kind, value: &str, zone: &str, now: Timestamp) -> Result<Self, String> {
        let (zone, zone_name) = time_zone(zone)?;
        let when = match kind {
            Kind::Cron => When::Cron(Box::new(cron(value)?), value.trim().to_owned()),
            Kind::Interval => When::Every(interval(value)?),
            // The store counts in milliseconds: a fraction of one would come twice.
            Kind::Once => When::Once(whole(once(value, &now.to_zoned(zone.clone()))?)),
        };
        let schedule = Schedule { when, zone, zone_name };
        match schedule.next(now, now) {
            Some(_) => Ok(schedule),
            None if kind == Kind::Once => Err(format!("{value:?} lies in the past: name a time that is still to come")),
            None => Err(format!("{value:?} names a day that no calendar has, so it would never be due")),
        }
    }

    /// Parses what [`Schedule::value`] wrote.
    pub fn stored(kind: Kind, value: String, zone: &str) -> Self {
        let lost = |why| Schedule {
            when: When::Lost(kind, value.clone(), why),
            zone: TimeZone::UTC,
            zone_name: zone.to_owned(),
        };
        let (zone, zone_name) = match time_zone(zone) {
            Ok(known) => known,
            Err(why) => return lost(why),
        };
        let when = match kind {
            Kind::Cron => cron(&value).map(|cron| When::Cron(Box::new(cron), value.clone())),
            Kind::Interval => value.parse().map(|every| When::Every(Duration::from_millis(every))).map_err(unread),
            Kind::Once => value.parse().map(When::Once).map_err(unread),
        };
        match when {
            Ok(when) => Schedule { when, zone, zone_name },
            Err(why) => lost(why),
        }
    }
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn unread(error: impl std::fmt::Display) -> String {
    format!("its time cannot be read: {error}")
}

/// The name under which a zone is found again. A machine's clock may have none.
pub fn zone_name(zone: &TimeZone) -> Option<&str> {
    match zone.iana_name() {
        Some("Etc/Unknown") => Some("UTC"),
        name => name,
    }
}

fn time_zone(name: &str) -> Result<(TimeZone, String), String> {
    let unknown = || format!("this machine knows no time zone {name:?}; write it as \"Europe/Berlin\" or \"UTC\"");
    let zone = TimeZone::get(name).map_err(|_| unknown())?;
    // The database's own spelling of the name.
    let name = zone.iana_name().ok_or_else(unknown)?.to_owned();
    Ok((zone, name))
}

fn cron(line: &str) -> Result<croner::Cron, String> {
    if line.len() > LONGEST_LINE {
        return Err(format!("a cron line is at most {LONGEST_LINE} characters long"));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(line.trim()).map_err(|error| {
        let error = error.to_string();
        let error = error.trim_end_matches('.');
        format!(
            "{line:?} is no cron line: {error}. It has five fields: minute, hour, day of the month, month, day of the \
             week; \"0 7 * * 1-5\" is 07:00 from Monday to Friday"
        )
    })
}

/// `15m`; a bare number is milliseconds, as NanoClaw's agents write it.
fn interval(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let read = text.parse::<u64>().ok().map(Duration::from_millis).or_else(|| desk::duration::read(text));
    match read {
        Some(every) if every < LEAST => Err("a task is due at most once a minute".to_owned()),
        Some(every) if every > MOST => Err("an interval is at most a year long".to_owned()),
        Some(every) => Ok(every),
        None => Err(format!("{text:?} is no length of time; {}", desk::duration::FORM)),
    }
}

/// `2026-12-01 09:00` by the zone's clock, the same with its UTC offset, or `09:00`, the next one.
fn once(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = |at| local(at, now.time_zone());
    let at = match (text.parse::<DateTime>(), time_of_day(text)) {
        (Ok(at), _) => local(at),
        (_, Some(time)) => local(now.date().to_datetime(time)).and_then(|today| match today > now.timestamp() {
            true => Ok(today),
            false => local(now.date().checked_add(1.day())?.to_datetime(time)),
        }),
        _ => {
            return Err(format!(
                "{text:?} is no time; write it as \"2026-12-01 09:00\", or \"09:00\" for the next one"
            ));
        }
    };
    at.map_err(|_| format!("{text:?} is beyond what a calendar can hold"))
}

/// A local time; in a gap, the first moment after it.
fn local(at: DateTime, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    let found = zone.to_ambiguous_timestamp(at);
    let is_skipped = matches!(found.offset(), AmbiguousOffset::Gap { .. });
    let at = found.compatible()?;
    if !is_skipped {
        return Ok(at);
    }
    let set = zone.preceding(at.checked_add(1.nanosecond())?).next();
    Ok(set.map_or(at, |set| set.timestamp()))
}

/// `17:00` or `8:05`.
fn time_of_day(text: &str) -> Option<Time> {
    let padded = if text.find(':')? == 1 { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok().filter(|_| padded.len() == "17:00".len())
}
