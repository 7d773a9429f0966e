//! A moment in the future, as people write it.

use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use desk::duration;
use jiff::{Span, Zoned, civil};
use policies::{At, Moment, TimeOfDay};

use crate::clock;

/// `1h`, `22:00`, `sat 22:00`, `2026-12-05`, `2026-12-05 22:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// A duration from now on.
    For(Duration),
    /// The next moment that matches.
    At(At),
}

impl FromStr for Ahead {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        // `8:00` means `08:00`, and a weekday may be written out.
        let (day, time) = text.rsplit_once(' ').map_or(("", text), |(day, time)| (day.trim(), time));
        let padded = if time.find(':') == Some(1) { format!("0{time}") } else { time.to_owned() };
        let at = [day.to_lowercase(), padded.to_lowercase()].map(short).join(" ");
        // `22:00` would also parse as a duration, but is a time.
        match (At::parse(at.trim()), duration::read(text)) {
            (Some(at), _) => Ok(Ahead::At(at)),
            (None, Some(length)) if !length.is_zero() => Ok(Ahead::For(length)),
            (None, _) => Err(anyhow!(
                "write a length of time (1h, 7d), a time (22:00), a day (sat, or 2026-12-05), or both (\"sat 22:00\")"
            )),
        }
    }
}

/// `saturday` as `sat`; anything else unchanged.
fn short(word: String) -> String {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    if DAYS.contains(&word.as_str()) { word[..3].to_owned() } else { word }
}

impl Ahead {
    /// That moment, after `now`. A date alone means the whole day.
    pub(crate) fn after(&self, now: &Zoned) -> anyhow::Result<Zoned> {
        let then = match self {
            Ahead::For(length) => now.checked_add(*length)?,
            Ahead::At(at) => next(*at, now)?,
        };
        if then <= *now {
            return Err(anyhow!("{} is over already", clock::moment(&then)));
        }
        Ok(then)
    }
}

fn next(at: At, now: &Zoned) -> anyhow::Result<Zoned> {
    let meant = at.seen_from(clock::moment(now));
    let day = if at.has_time() { meant.date() } else { meant.date().tomorrow() };
    let time = if at.has_time() { meant.time() } else { TimeOfDay::MIDNIGHT };
    let then = zoned(Moment::new(day, time), now)?;
    // A time that has passed today, and a weekday whose time has passed, mean the next one.
    Ok(match (at.has_date(), at.has_weekday()) {
        (false, false) if then <= *now => then.tomorrow()?,
        (false, true) if then <= *now => then.checked_add(Span::new().days(7))?,
        _ => then,
    })
}

fn zoned(moment: Moment, now: &Zoned) -> anyhow::Result<Zoned> {
    let written: civil::DateTime = moment.written().replace(' ', "T").parse()?;
    Ok(written.to_zoned(now.time_zone().clone())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_people_write_is_still_to_come() {
        // A Saturday.
        let now: Zoned = "2026-12-05T20:30:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, meant) in [
            ("1h", "sat 2026-12-05 21:30"),
            ("90 minutes", "sat 2026-12-05 22:00"),
            ("7d", "sat 2026-12-12 20:30"),
            ("22:00", "sat 2026-12-05 22:00"),
            ("8:00", "sun 2026-12-06 08:00"),
            ("sat 22:00", "sat 2026-12-05 22:00"),
            ("Saturday 20:00", "sat 2026-12-12 20:00"),
            ("sun", "mon 2026-12-07 00:00"),
            ("sat", "sun 2026-12-06 00:00"),
            ("2026-12-24", "fri 2026-12-25 00:00"),
            ("2026-12-24 18:00", "thu 2026-12-24 18:00"),
        ] {
            let ahead: Ahead = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(clock::moment(&ahead.after(&now).unwrap()).to_string(), meant, "{text}");
        }
        for over in ["2026-12-01", "2026-12-05 20:30"] {
            let error = over.parse::<Ahead>().unwrap().after(&now).unwrap_err().to_string();
            assert!(error.ends_with("is over already"), "{error}");
        }
        for text in ["", "soon", "0s", "-1h", "25:00", "1h ago", "sat 22"] {
            let error = text.parse::<Ahead>().unwrap_err().to_string();
            assert!(error.contains("sat 22:00"), "{text}: {error}");
        }
    }
}
