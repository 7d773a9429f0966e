//! A past time as people write it, in the owner's time zone.

use std::str::FromStr;

use anyhow::{Context, anyhow};
use desk::did_you_mean;
use jiff::civil::{DateTime, Time, Weekday};
use jiff::{Span, Timestamp, Zoned};

use super::times;
use crate::store::Millis;

/// `2h`, `yesterday`, `monday 17:00`, `17:00`, `2026-11-23`, `2026-11-23T18:30`.
#[derive(Clone, Debug)]
pub(crate) enum When {
    /// A duration before now.
    Ago(Span),
    /// A moment with its UTC offset, as in tables.
    At(Timestamp),
    /// A date and time.
    On(DateTime),
    /// A relative day and a time.
    Day(Day, Time),
    /// The last time that a clock showed this.
    Time(Time),
}

/// A day relative to today.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Day {
    Ago(i32),
    /// The last one of that name, which may be today.
    Named(Weekday),
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl FromStr for When {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        // `2h` and `-2h` can only mean the past.
        let span = text.parse::<Span>().map(|span| When::Ago(span.abs()));
        let moment = || text.parse::<Timestamp>().map(When::At);
        let date = || text.parse::<DateTime>().map(When::On);
        if let Ok(when) = span.or_else(|_| moment()).or_else(|_| date()) {
            return Ok(when);
        }
        if let Some(time) = time_of_day(text) {
            return Ok(When::Time(time));
        }
        let lower = text.to_lowercase();
        let (word, time) = lower.split_once(' ').unwrap_or((&lower, "00:00"));
        match (Day::named(word), time_of_day(time)) {
            (Some(day), Some(time)) => Ok(When::Day(day, time)),
            _ => Err(unread(word)),
        }
    }
}

/// `17:00` or `8:05`.
fn time_of_day(text: &str) -> Option<Time> {
    let padded = if text.find(':')? == 1 { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok().filter(|_| padded.len() <= "17:00:00".len())
}

impl Day {
    fn named(word: &str) -> Option<Self> {
        match word {
            "today" => Some(Day::Ago(0)),
            "yesterday" => Some(Day::Ago(1)),
            _ => {
                let named = |(name, _): &&(&str, Weekday)| *name == word || word.len() == 3 && name.starts_with(word);
                WEEKDAYS.iter().find(named).map(|(_, day)| Day::Named(*day))
            }
        }
    }

    fn days_back(self, today: Weekday) -> i32 {
        match self {
            Day::Ago(days) => days,
            Day::Named(day) => i32::from(today.since(day)),
        }
    }
}

fn unread(word: &str) -> anyhow::Error {
    let known = WEEKDAYS.iter().map(|(name, _)| *name).chain(["today", "yesterday"]);
    let meant = did_you_mean(word, known).map(|meant| format!("did you mean `{meant}`? Or ")).unwrap_or_default();
    anyhow!(
        "{meant}write a length of time (`2h`, `7d`), `today`, `yesterday`, a day of the week, a time (`17:00`) or a date \
         (`2026-11-23`, `2026-11-23T18:30`)"
    )
}

impl When {
    /// The moment by the owner's clock.
    pub(crate) fn millis(&self) -> anyhow::Result<Millis> {
        self.before(&times::zoned_now())
    }

    fn before(&self, now: &Zoned) -> anyhow::Result<Millis> {
        let local = |at: DateTime| Ok::<_, anyhow::Error>(at.to_zoned(now.time_zone().clone())?.timestamp());
        let days_back = |days: i32, time: Time| {
            let date = now.date().checked_sub(Span::new().days(days)).context(TOO_LONG_AGO)?;
            local(date.to_datetime(time))
        };
        let then = match self {
            When::Ago(span) => now.checked_sub(*span).context(TOO_LONG_AGO)?.timestamp(),
            When::At(moment) => *moment,
            When::On(date) => local(*date)?,
            When::Day(day, time) => days_back(day.days_back(now.weekday()), *time)?,
            When::Time(time) => match days_back(0, *time)? {
                today if today <= now.timestamp() => today,
                _ => days_back(1, *time)?,
            },
        };
        Ok(then.as_millisecond())
    }
}

const TOO_LONG_AGO: &str = "that is longer ago than time is counted";

const DAY: Millis = 24 * 60 * 60 * 1000;

/// The start and the end. A bare time of day that ends before its start means the next day.
pub(crate) fn span(since: Option<&When>, until: Option<&When>) -> anyhow::Result<(Option<Millis>, Option<Millis>)> {
    span_at(since, until, &times::zoned_now())
}

fn span_at(
    since: Option<&When>,
    until: Option<&When>,
    now: &Zoned,
) -> anyhow::Result<(Option<Millis>, Option<Millis>)> {
    let begins = since.map(|since| since.before(now)).transpose()?;
    let ends = match (until, until.map(|until| until.before(now)).transpose()?, begins) {
        (Some(When::Time(_)), Some(end), Some(begin)) if end <= begin => Some(end + DAY),
        (_, end, _) => end,
    };
    if let (Some(begin), Some(end)) = (begins, ends)
        && end <= begin
    {
        let [begin, end] = [begin, end].map(|at| times::time(at, now.time_zone()));
        return Err(anyhow!("nothing is between --since {begin} and --until {end}: it ends before it begins"));
    }
    Ok((begins, ends))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A Monday.
    fn noon() -> Zoned {
        "2026-11-23T12:00:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    fn shown(at: Millis) -> String {
        Timestamp::from_millisecond(at)
            .unwrap()
            .to_zoned(noon().time_zone().clone())
            .strftime("%m-%d %H:%M")
            .to_string()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, meant) in [
            ("2h", "11-23 10:00"),
            ("-2h", "11-23 10:00"),
            ("7d", "11-16 12:00"),
            ("30 minutes", "11-23 11:30"),
            ("today", "11-23 00:00"),
            ("yesterday", "11-22 00:00"),
            ("Yesterday 17:30", "11-22 17:30"),
            ("monday", "11-23 00:00"),
            ("tuesday", "11-17 00:00"),
            ("sun 8:05", "11-22 08:05"),
            ("11:59", "11-23 11:59"),
            ("17:00", "11-22 17:00"),
            ("2026-11-01", "11-01 00:00"),
            ("2026-11-01T18:30", "11-01 18:30"),
            ("2026-11-01 18:30", "11-01 18:30"),
            ("2026-11-01T18:30:00Z", "11-01 19:30"),
            ("2026-11-01 18:30:00+01:00", "11-01 18:30"),
        ] {
            let when: When = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(shown(when.before(&noon()).unwrap()), meant, "{text}");
        }
        for text in ["", "soon", "25:00", "yesterday noon", "2026-13-01", "7"] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("`2h`") && error.contains("`2026-11-23`"), "{text}: {error}");
        }
        let error = "yestreday".parse::<When>().unwrap_err().to_string();
        assert!(error.starts_with("did you mean `yesterday`?"), "{error}");
    }

    #[test]
    fn a_span_ends_after_it_begins() {
        let span = |since: &str, until: &str| {
            let [since, until] = [since, until].map(|text| text.parse::<When>().unwrap());
            span_at(Some(&since), Some(&until), &noon())
                .map(|(begin, end)| [begin, end].map(|at| shown(at.unwrap())).join(" to "))
        };
        assert_eq!(span("yesterday", "today").unwrap(), "11-22 00:00 to 11-23 00:00");
        assert_eq!(span("yesterday", "17:00").unwrap(), "11-22 00:00 to 11-22 17:00");
        assert_eq!(span("11:00", "18:00").unwrap(), "11-23 11:00 to 11-23 18:00");
        assert_eq!(span("17:00", "11:00").unwrap(), "11-22 17:00 to 11-23 11:00");
        let error = span("today", "yesterday").unwrap_err().to_string();
        assert!(error.contains("it ends before it begins"), "{error}");
    }
}
