//! Edits of texts: each touches its own lines and leaves every other byte alone.

use std::ops::Range;

use toml_edit::{Array, Document, DocumentMut, Item, Table, TableLike, Value};

use super::rule::Rule;

/// Why a text was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// It does not parse; the parser says where.
    #[error("the file is not TOML")]
    NotToml,
    /// The value there is of another type.
    #[error("`{0}` is something else there than this could be added to")]
    Other(String),
}

type Parsed<'t> = Document<&'t str>;

pub(super) fn is_toml(text: &str) -> bool {
    parse(text).is_ok()
}

fn parse(text: &str) -> Result<Parsed<'_>, NotDone> {
    Document::parse(text).map_err(|_| NotDone::NotToml)
}

/// Whether a table or key exists.
pub(super) fn has(text: &str, path: &[&str]) -> bool {
    let Some((key, table)) = path.split_last() else { return true };
    parse(text).is_ok_and(|document| holder(&document, table).is_some_and(|table| table.contains_key(key)))
}

/// Adds a block of an array of tables at the end.
pub(super) fn append(text: &str, table: &str, rule: &Rule) -> Result<String, NotDone> {
    let document = parse(text)?;
    match document.get(table) {
        None | Some(Item::ArrayOfTables(_)) => Ok(append_block(text, &rule.block(table))),
        Some(Item::Value(Value::Array(array))) => {
            let keys = rule.keys().parse::<DocumentMut>().map_err(|_| NotDone::NotToml)?;
            let inline = keys.into_table().into_inline_table().to_string();
            push_into(text, array, inline.trim())
        }
        Some(_) => Err(NotDone::Other(table.to_owned())),
    }
}

/// Adds lines at the end, after a blank line.
pub(super) fn append_block(text: &str, block: &str) -> String {
    let end = newline(text);
    let gap = match text.trim_end_matches([' ', '\t']) {
        "" => "",
        text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
        text if text.ends_with('\n') => end,
        _ => &[end, end].concat(),
    };
    format!("{text}{gap}{}{end}", block.replace('\n', end))
}

/// Sets a key of a table. `value` is TOML.
pub(super) fn set(text: &str, table: &[&str], key: &str, value: &str) -> Result<String, NotDone> {
    let document = parse(text)?;
    let line = format!("{key} = {value}");
    let Some(inside) = holder(&document, table) else {
        return Ok(append_block(text, &format!("[{}]\n{line}", table.join("."))));
    };
    if let Some(item) = inside.get(key) {
        let span = item.as_value().and_then(Value::span).ok_or_else(|| NotDone::Other(key.to_owned()))?;
        return Ok(replaced(text, span, value));
    }
    if table.is_empty() {
        return Ok(insert_at_top(text, &document, key, &line));
    }
    match item(&document, table).and_then(Item::as_table) {
        // `table.other = …`
        Some(found) if found.is_dotted() => {
            let last = values_of(found).into_iter().map(|span| span.end).max().unwrap_or_default();
            Ok(insert_line(text, line_end(text, last), &format!("{}.{line}", table.join("."))))
        }
        // Only its subtables exist.
        Some(found) if found.is_implicit() => Ok(append_block(text, &format!("[{}]\n{line}", table.join(".")))),
        // `[table]`: after its last key.
        Some(found) => {
            let last = values_of(found).into_iter().chain(found.span()).map(|span| span.end).max().unwrap_or_default();
            Ok(insert_line(text, line_end(text, last), &line))
        }
        None => inline(text, table, |inside| _ = value.parse::<Value>().map(|value| inside.insert(key, value.into()))),
    }
}

/// Removes a key of a table with its line; does nothing if it is missing.
pub(super) fn remove(text: &str, table: &[&str], key: &str) -> Result<String, NotDone> {
    let document = parse(text)?;
    let Some(inside) = holder(&document, table) else { return Ok(text.to_owned()) };
    let Some((found, item)) = inside.get_key_value(key) else { return Ok(text.to_owned()) };
    if !table.is_empty() && self::item(&document, table).is_some_and(Item::is_inline_table) {
        return inline(text, table, |inside| _ = inside.remove(key));
    }
    let spans = found.span().zip(item.as_value().and_then(Value::span));
    let (start, end) =
        spans.map(|(key, value)| (key.start, value.end)).ok_or_else(|| NotDone::Other(key.to_owned()))?;
    let start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    Ok(replaced(text, start..line_end(text, end), ""))
}

/// Adds a text to a top-level list, unless it is there.
pub(super) fn push(text: &str, key: &str, added: &str) -> Result<String, NotDone> {
    let document = parse(text)?;
    let quoted = Value::from(added).to_string();
    match document.get(key) {
        None => Ok(insert_at_top(text, &document, key, &format!("{key} = [{quoted}]"))),
        Some(Item::Value(Value::Array(array))) if array.iter().any(|one| one.as_str() == Some(added)) => {
            Ok(text.to_owned())
        }
        Some(Item::Value(Value::Array(array))) => push_into(text, array, &quoted),
        Some(Item::Value(Value::String(one))) if one.value() == added => Ok(text.to_owned()),
        Some(Item::Value(Value::String(one))) => {
            let span = one.span().ok_or_else(|| NotDone::Other(key.to_owned()))?;
            let list = format!("[{}, {quoted}]", &text[span.clone()]);
            Ok(replaced(text, span, &list))
        }
        Some(_) => Err(NotDone::Other(key.to_owned())),
    }
}

/// Removes a text from a top-level list; does nothing if it is missing.
pub(super) fn pull(text: &str, key: &str, gone: &str) -> Result<String, NotDone> {
    let document = parse(text)?;
    match document.get(key) {
        Some(Item::Value(Value::Array(array))) => match array.iter().position(|one| one.as_str() == Some(gone)) {
            Some(at) => pull_from(text, array, at),
            None => Ok(text.to_owned()),
        },
        Some(Item::Value(Value::String(one))) if one.value() == gone => {
            let span = one.span().ok_or_else(|| NotDone::Other(key.to_owned()))?;
            Ok(replaced(text, span, "[]"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Removes an item from a list, with its line if it has one to itself.
fn pull_from(text: &str, array: &Array, at: usize) -> Result<String, NotDone> {
    let span = |at: usize| array.get(at).and_then(Value::span);
    let (gone, all) = span(at).zip(array.span()).ok_or(NotDone::NotToml)?;
    let line = text[..gone.start].rfind('\n').map_or(0, |at| at + 1)..line_end(text, gone.end);
    let behind = text[gone.end..line.end].trim_start();
    let behind = behind.strip_prefix(',').unwrap_or(behind).trim();
    if text[line.start..gone.start].trim().is_empty() && (behind.is_empty() || behind.starts_with('#')) {
        return Ok(replaced(text, line, ""));
    }
    let before = at.checked_sub(1).and_then(span);
    Ok(match (before, span(at + 1)) {
        (_, Some(next)) if next.start < line.end => replaced(text, gone.start..next.start, ""),
        (Some(before), _) => replaced(text, before.end..gone.end, ""),
        (None, None) => replaced(text, all, "[]"),
        (None, Some(next)) => replaced(text, gone.start..next.start, ""),
    })
}

/// Adds to a list in its layout: in the same line, or in a line of its own.
fn push_into(text: &str, array: &Array, added: &str) -> Result<String, NotDone> {
    let span = array.span().ok_or(NotDone::NotToml)?;
    let close = span.end - 1;
    let last = array.iter().last().and_then(Value::span);
    let line = text[..close].rfind('\n').map_or(0, |at| at + 1);
    let own_lines = line > span.start && text[line..close].trim().is_empty();
    let Some(last) = last else {
        return Ok(match own_lines {
            true => insert_line(text, line, &format!("    {added},")),
            false => replaced(text, span, &format!("[{added}]")),
        });
    };
    let has_comma = text[last.end..close].lines().any(|line| line.split('#').next().unwrap_or_default().contains(','));
    if !own_lines {
        return Ok(match has_comma {
            true => replaced(text, last.end..close, &format!(", {added}")),
            false => replaced(text, last.end..last.end, &format!(", {added}")),
        });
    }
    let start = text[..last.start].rfind('\n').map_or(0, |at| at + 1);
    let indent: String = text[start..last.start].chars().take_while(|c| c.is_whitespace()).collect();
    let with_line = insert_line(text, line, &format!("{indent}{added},"));
    Ok(if has_comma { with_line } else { replaced(&with_line, last.end..last.end, ",") })
}

/// Inserts a new top-level key: below a commented example of it, else below the last key, else below the file's opening
/// comment.
fn insert_at_top(text: &str, document: &Parsed<'_>, key: &str, line: &str) -> String {
    let values = values_of(document.as_table());
    let last = values.iter().map(|span| span.end).max().map(|end| line_end(text, end));
    let is_inside = |at: usize| values.iter().any(|span| span.start < at && at < span.end);
    let example = lines(&text[..first_header(text, last.unwrap_or_default())])
        .filter(|(span, _)| !is_inside(span.start))
        .take_while(|(_, line)| !said(line).is_some_and(|said| said.starts_with('[')))
        .find(|(_, line)| said(line).and_then(|said| said.strip_prefix(key)).is_some_and(is_assignment))
        .map(|(span, _)| span.end);
    let place = example.or(last).unwrap_or_else(|| end_of_opening_words(text));
    let below = text[place..].trim_start_matches([' ', '\t']);
    let gap = if below.starts_with('[') { newline(text) } else { "" };
    insert_line(text, place, &format!("{line}{gap}"))
}

/// The text of a comment.
fn said(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('#').map(str::trim_start)
}

fn is_assignment(rest: &str) -> bool {
    rest.trim_start().starts_with('=')
}

/// The start of the first table; all top-level keys precede it.
fn first_header(text: &str, from: usize) -> usize {
    let below = lines(&text[from..]).find(|(_, line)| line.trim_start().starts_with('['));
    below.map_or(text.len(), |(span, _)| from + span.start)
}

/// The end of the file's opening comment, if a blank line or nothing follows; it belongs to no table.
fn end_of_opening_words(text: &str) -> usize {
    let words = lines(text).take_while(|(_, line)| line.trim_start().starts_with('#'));
    let end = words.last().map_or(0, |(span, _)| span.end);
    let next = text[end..].lines().next().unwrap_or_default();
    if next.trim().is_empty() { end } else { 0 }
}

/// Changes an inline table as a whole.
fn inline(text: &str, table: &[&str], change: impl FnOnce(&mut dyn TableLike)) -> Result<String, NotDone> {
    let mut document: DocumentMut = text.parse().map_err(|_| NotDone::NotToml)?;
    let mut inside: &mut dyn TableLike = document.as_table_mut();
    for name in table {
        let below = inside.get_mut(name).and_then(Item::as_table_like_mut);
        inside = below.ok_or_else(|| NotDone::Other((*name).to_owned()))?;
    }
    change(inside);
    Ok(document.to_string())
}

fn item<'d>(document: &'d Parsed<'_>, table: &[&str]) -> Option<&'d Item> {
    let (first, below) = table.split_first()?;
    below.iter().try_fold(document.get(first)?, |item, name| item.as_table_like()?.get(name))
}

fn holder<'d>(document: &'d Parsed<'_>, table: &[&str]) -> Option<&'d dyn TableLike> {
    if table.is_empty() { Some(document.as_table()) } else { item(document, table)?.as_table_like() }
}

/// The positions of a table's own values, including dotted keys.
fn values_of(table: &Table) -> Vec<Range<usize>> {
    let of = |(_, item): (&str, &Item)| match item {
        Item::Value(value) => value.span().into_iter().collect(),
        Item::Table(below) if below.is_dotted() => values_of(below),
        _ => Vec::new(),
    };
    table.iter().flat_map(of).collect()
}

/// Each line with its newline, and its position.
fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start..at, line)
    })
}

/// The end of the line at an offset, after its newline.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |more| at + more + 1)
}

/// Inserts a line before an offset at the start of one.
fn insert_line(text: &str, at: usize, line: &str) -> String {
    let end = newline(text);
    let gap = if at > 0 && !text[..at].ends_with('\n') { end } else { "" };
    replaced(text, at..at, &format!("{gap}{line}{end}"))
}

fn replaced(text: &str, span: Range<usize>, with: &str) -> String {
    [&text[..span.start], with, &text[span.end..]].concat()
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
