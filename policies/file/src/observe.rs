//! `mode = "observe"` and `observe_until` in a file.

use policies::{Date, Observe};
use toml::de::DeValue;

use crate::table::{Block, rule_ref};

const EXAMPLE: &str = "2026-12-31";

/// Reads `mode` and `observe_until`, which need each other.
pub(crate) fn observe(block: &mut Block<'_, '_>) -> Option<Observe> {
    let mode = block.string("mode");
    if let Some((span, text)) = &mode
        && text != "observe"
    {
        let help = "remove it (every rule is enforced), or write mode = \"observe\" with an observe_until";
        block.reader.problem(span.clone(), format!("{text:?} is no mode"), Some(help.to_owned()));
        return None;
    }
    let until = last_day(block, "observe_until");
    match (mode, block.has("observe_until")) {
        (None, true) if !block.has("mode") => {
            let help = Some("add mode = \"observe\", or remove it".to_owned());
            block.reader.problem(block.span_of("observe_until"), "`observe_until` without `mode` does nothing", help);
            None
        }
        (Some((span, _)), false) => {
            let help = Some(format!("add observe_until = \"{EXAMPLE}\" with the last day on which you watch"));
            block.reader.problem(span, "an observation without an end is an open door", help);
            None
        }
        (Some((span, _)), true) => Some(Observe { until: until?, at: rule_ref(block, &span) }),
        _ => None,
    }
}

/// A day, in quotes or as a TOML date.
fn last_day(block: &mut Block<'_, '_>, key: &str) -> Option<Date> {
    let value = block.table.get(key)?;
    let date = match value.get_ref() {
        DeValue::String(text) => Date::parse(text),
        DeValue::Datetime(date) => Date::parse(&date.to_string()),
        _ => None,
    };
    if date.is_none() {
        let help = Some(format!("write {key} = \"{EXAMPLE}\""));
        block.reader.problem(value.span(), format!("`{key}` is not a day of the calendar"), help);
    }
    date
}
