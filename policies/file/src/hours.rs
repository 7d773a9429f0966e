//! `hours = "07:00-21:00"`, `days = ["mon", "tue"]`, `from = "2026-12-05 08:00"` and `until = "2026-12-05 22:00"` as they
//! stand in a rule.

use desk::ValueError;
use policies::{Hours, Moment, TimeOfDay, Times, Weekday};

use crate::table::Block;

const FORM: &str = "write hours = \"07:00-21:00\"; midnight is 00:00";

/// Reads all three; without any, a rule always holds.
pub(crate) fn hours(block: &mut Block<'_, '_>) -> Option<Hours> {
    let span = block.read("hours", span);
    let mut days = Vec::new();
    for word in block.strings("days") {
        days.extend(block.meaning(word, day));
    }
    let from = block.read("from", |text| moment(text, "from = \"2026-12-05 08:00\""));
    let until = block.read("until", |text| moment(text, "until = \"2026-12-05 22:00\""));
    let hours = Hours::new(Times { span, days, from, until });
    if let (Some(from), Some(until), Some(hours)) = (from, until, &hours)
        && let Some((why, help)) = never_holds(hours, from, until)
    {
        let message = format!("this rule would never hold: {why}");
        block.reader.problem(block.span_of("from"), message, Some(help.to_owned()));
    }
    hours
}

/// Why nothing is left between two moments, and what to do.
fn never_holds(hours: &Hours, from: Moment, until: Moment) -> Option<(String, &'static str)> {
    if until <= from {
        let help = "let it begin before it ends, or remove `from` or `until`";
        return Some((format!("it would begin {from} and end {until}"), help));
    }
    // A week, and its first day's hours once more, which may have begun before it.
    let days = std::iter::successors(Some(from.date()), |date| Some(date.tomorrow())).take(8);
    let mut borders = days.flat_map(|date| hours.borders().map(move |time| Moment::new(date, time)));
    if hours.include(from) || borders.any(|moment| hours.include(moment)) {
        return None;
    }
    let help = "change `hours` or `days`, or let it begin sooner or end later";
    Some((format!("between {from} and {until} it has no hours"), help))
}

fn moment(text: &str, form: &str) -> Result<Moment, ValueError> {
    Moment::parse(text).ok_or_else(|| {
        let help = format!("write {form}, a day and a time by your clock");
        ValueError::new(format!("{text:?} is no day with a time"), Some(help))
    })
}

pub(crate) fn span(text: &str) -> Result<(TimeOfDay, TimeOfDay), ValueError> {
    let wrong = |message: String, help: &str| ValueError::new(message, Some(help.to_owned()));
    let time = |text: &str| TimeOfDay::parse(text).ok_or_else(|| wrong(format!("{text:?} is no time of day"), FORM));
    let Some((from, to)) = text.split_once('-') else {
        time(text)?;
        return Err(wrong(format!("{text:?} does not say until when"), FORM));
    };
    let (from, to) = (time(from)?, time(to)?);
    if from == to {
        let help = "remove `hours` if the rule holds all day, or let them end at another time";
        return Err(wrong(format!("these hours end when they begin, at {from}"), help));
    }
    Ok((from, to))
}

fn day(text: &str) -> Result<Weekday, ValueError> {
    Weekday::parse(text).ok_or_else(|| {
        let meant = text.get(..3).and_then(|start| Weekday::parse(&start.to_ascii_lowercase()));
        let help = match meant {
            Some(day) => format!("did you mean \"{day}\"?"),
            None => format!("days are: {}", Weekday::ALL.map(Weekday::as_str).join(", ")),
        };
        ValueError::new(format!("{text:?} is no day of the week"), Some(help))
    })
}
