//! A schedule in words.

use std::time::Duration;

use super::{Schedule, When};
use crate::phrases::Phrases;

impl Schedule {
    /// `each weekday at 07:00`.
    pub fn words(&self) -> Phrases {
        match &self.when {
            When::Once(at) => Phrases::new("when-once").with("time", self.shows(*at)),
            When::Every(every) => Phrases::new("when-every").with("time", length(*every)),
            When::Lost(_, value, _) => Phrases::new("when-cron").with("line", value),
            When::Cron(_, line) => usual(line).unwrap_or_else(|| Phrases::new("when-cron").with("line", line)),
        }
    }
}

/// `90 s`, `15 min`, `2 h`, `3 d`.
fn length(every: Duration) -> String {
    let seconds = every.as_secs();
    let unit = [(86_400, "d"), (3600, "h"), (60, "min")].into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

/// The words for common cron lines.
fn usual(line: &str) -> Option<Phrases> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [minute, hour, day, "*", weekday] = fields[..] else { return None };
    if let (Some(step), "*", "*", "*") = (minute.strip_prefix("*/"), hour, day, weekday) {
        let step: u64 = step.parse().ok().filter(|step| 60 % step == 0)?;
        return Some(Phrases::new("when-every").with("time", length(Duration::from_secs(60 * step))));
    }
    let time = format!("{:02}:{:02}", number(hour, 23)?, number(minute, 59)?);
    let when = match (day, weekday) {
        ("*", "*") => Phrases::new("when-daily"),
        ("*", _) if ["1-5", "MON-FRI"].contains(&weekday.to_uppercase().as_str()) => Phrases::new("when-weekdays"),
        ("*", days) => Phrases::new("when-days").saying("days", named(days)?),
        (day, "*") => Phrases::new("when-monthly").count("day", number(day, 31)?),
        _ => return None,
    };
    Some(when.with("time", time))
}

fn number(field: &str, most: u64) -> Option<u64> {
    field.parse().ok().filter(|number| *number <= most && field.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `1,4` or `MON,THU`.
fn named(days: &str) -> Option<Phrases> {
    let names = days.split(',').map(day).collect::<Option<Vec<_>>>()?;
    names.into_iter().rev().reduce(|more, first| Phrases::new("day-and").saying("first", first).saying("more", more))
}

fn day(day: &str) -> Option<Phrases> {
    Some(match day.to_uppercase().as_str() {
        "1" | "MON" => Phrases::new("day-monday"),
        "2" | "TUE" => Phrases::new("day-tuesday"),
        "3" | "WED" => Phrases::new("day-wednesday"),
        "4" | "THU" => Phrases::new("day-thursday"),
        "5" | "FRI" => Phrases::new("day-friday"),
        "6" | "SAT" => Phrases::new("day-saturday"),
        "0" | "7" | "SUN" => Phrases::new("day-sunday"),
        _ => return None,
    })
}
