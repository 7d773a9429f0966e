//! `json = { "tools[*].type" = { not = ["web_fetch*"] } }` in a rule.

use std::ops::Range;
use std::sync::Arc;

use policies::{Condition, Effect, Field, Wanted, Words};
use toml::Spanned;
use toml::de::DeValue;

use crate::table::{Block, unreadable};

const MAX_CONDITIONS: usize = 64;
const MAX_VALUES: usize = 64;
const FORM: &str = "write { not = [\"…\"] }, { only = [\"…\"] }, { any = [\"…\"] }, \"absent\" or \"present\"";

type Value<'i> = Spanned<DeValue<'i>>;

pub(crate) fn conditions(block: &mut Block<'_, '_>, effect: Effect) -> Option<Arc<[Condition]>> {
    let value = block.table.get("json")?;
    let DeValue::Table(table) = value.get_ref() else {
        let help = Some("write json = { \"tools[*].type\" = { not = [\"web_fetch*\"] } }".to_owned());
        block.reader.problem(value.span(), "`json` must be a table of fields and what they may be", help);
        return None;
    };
    if table.is_empty() || table.len() > MAX_CONDITIONS {
        let help = Some(format!("name 1 to {MAX_CONDITIONS} fields"));
        block.reader.problem(value.span(), "`json` is empty or too long", help);
    }
    let mut out = Vec::new();
    for (key, value) in table {
        match Field::read(key.get_ref()) {
            Ok(field) => out.extend(condition(block, field, value, effect)),
            Err(error) => block.reader.unreadable(key.span(), unreadable(error)),
        }
    }
    Some(out.into())
}

fn condition(block: &mut Block<'_, '_>, field: Field, value: &Value<'_>, effect: Effect) -> Option<Condition> {
    let form = |block: &mut Block<'_, '_>, span: Range<usize>| {
        let message = format!("this does not say what `{field}` may be");
        block.reader.problem(span, message, Some(FORM.to_owned()));
    };
    let words = match value.get_ref() {
        DeValue::String(text) if text == "absent" => Words::Absent,
        DeValue::String(text) if text == "present" => Words::Present,
        DeValue::Table(table) => {
            let mut entries = table.iter();
            let (Some((word, list)), None) = (entries.next(), entries.next()) else {
                form(block, value.span());
                return None;
            };
            let word: &str = word.get_ref();
            match word {
                "not" => Words::Not(wanted(block, list)?),
                "only" => Words::Only(wanted(block, list)?),
                "any" => Words::Any(wanted(block, list)?),
                _ => {
                    form(block, value.span());
                    return None;
                }
            }
        }
        _ => {
            form(block, value.span());
            return None;
        }
    };
    Some(Condition::new(field, words, effect))
}

fn wanted(block: &mut Block<'_, '_>, list: &Value<'_>) -> Option<Vec<Wanted>> {
    let items = match list.get_ref() {
        DeValue::Array(items) if (1..=MAX_VALUES).contains(&items.len()) => items,
        _ => {
            let help = Some("write [\"claude-*\"]; a star stands for any characters".to_owned());
            let message = format!("this must be a list of 1 to {MAX_VALUES} values");
            block.reader.problem(list.span(), message, help);
            return None;
        }
    };
    let read = |item: &Value<'_>| match item.get_ref() {
        DeValue::String(text) => Some(Wanted::Text(text.to_string())),
        DeValue::Boolean(value) => Some(Wanted::Bool(*value)),
        _ => {
            let message = "a value is a text in quotes, true or false";
            let help = "numbers have more than one spelling, so they cannot be compared";
            block.reader.problem(item.span(), message, Some(help.to_owned()));
            None
        }
    };
    Some(items.iter().filter_map(read).collect())
}
