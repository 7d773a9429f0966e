//! The log as a table for people. Everything from a sandbox is made visible before it is measured or shown.

use desk::screen::on_screen;
use jiff::tz::TimeZone;

use super::reasons;
use crate::cli::show::{Columns, Styled, Tone};
use crate::cli::times::time;
use crate::store::ledger::{AuditEntry, Ending, OutcomeRecord};

const COLUMNS: usize = 9;

const HEADINGS: [&str; COLUMNS] = ["NO.", "TIME", "GROUP", "VERDICT", "REQUEST", "UP", "DOWN", "TOOK", "BECAUSE"];

/// The columns of numbers, aligned to the right.
const NUMBERS: [usize; 4] = [0, 5, 6, 7];

/// The widths of a followed log's columns: its lines come one by one.
const WIDTHS: [usize; COLUMNS] = [7, 25, 10, 11, 40, 8, 8, 7, 0];

/// A request is cut to this length in the table; `--json` has all of it.
const REQUEST_AT_MOST: usize = 72;

/// The columns of entries.
pub(super) fn columns() -> Columns {
    Columns::new(&HEADINGS).numbers(&NUMBERS)
}

/// The same for entries that are still to come.
pub(super) fn columns_of_a_stream() -> Columns {
    columns().widths(&WIDTHS)
}

/// An entry in its columns.
pub(super) fn cells(entry: &AuditEntry, zone: &TimeZone) -> [Styled; COLUMNS] {
    let outcome = entry.outcome.as_ref();
    let bytes =
        |count: fn(&OutcomeRecord) -> u64| outcome.map_or_else(dash, |outcome| desk::size::about(count(outcome)));
    let up = entry.bytes_up().map_or_else(dash, desk::size::about);
    [
        entry.seq.0.to_string().into(),
        time(entry.at, zone).into(),
        on_screen(&entry.decision.group).into(),
        verdict(entry),
        cut(&on_screen(&request(entry)), REQUEST_AT_MOST).into(),
        up.into(),
        bytes(|outcome| outcome.bytes_down).into(),
        outcome.map_or_else(dash, |outcome| took(outcome.micros)).into(),
        because(entry),
    ]
}

fn verdict(entry: &AuditEntry) -> Styled {
    match entry.ending {
        Ending::Denied => Tone::Bad.of("DENY"),
        // Refused after the verdict but before any data moved: a denial to the reader.
        Ending::Ended if entry.is_refusal() && nothing_moved(entry) => Tone::Bad.of("DENY"),
        Ending::Ended if entry.is_refusal() => Tone::Bad.of("CUT OFF"),
        Ending::Ended => Tone::Good.of("allow"),
        Ending::UnderWay => Tone::Warning.of("under way"),
        Ending::Interrupted => Tone::Warning.of("interrupted"),
        Ending::Noted if entry.is_refusal() => Tone::Bad.of("DENY"),
        Ending::Noted => "event".into(),
    }
}

/// Whether it was refused before its host was reached.
pub(super) fn nothing_moved(entry: &AuditEntry) -> bool {
    entry.outcome.as_ref().is_some_and(|outcome| outcome.address.is_none())
}

/// `GET api.github.com/repos/x?…`; an unparsed request is shown as it came.
pub(super) fn request(entry: &AuditEntry) -> String {
    let decision = &entry.decision;
    if let Some(event) = &entry.event {
        let sandbox = if decision.sandbox.is_empty() { String::new() } else { format!(" {}", decision.sandbox) };
        return format!("{}{sandbox}", event.what.replace('_', " "));
    }
    if let Some(operation) = &decision.operation {
        return format!("operation {}", operation.name);
    }
    let Some(host) = &decision.host else {
        let target = decision.raw_target.as_deref().or(decision.sni.as_deref()).unwrap_or("-");
        return format!("{} {target}", decision.protocol);
    };
    let usual = if decision.scheme.as_deref() == Some("http") { 80 } else { 443 };
    let port = decision.port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = if usual == 80 { "http://" } else { "" };
    let method = decision.method.as_deref().unwrap_or(&decision.protocol);
    let path = decision.path.as_deref().unwrap_or_default();
    let query = decision.query_bytes.map(|bytes| format!("?({bytes} bytes)")).unwrap_or_default();
    format!("{method} {scheme}{host}{port}{path}{query}")
}

/// Its result and the deciding rule; for a refusal the reason comes first.
fn because(entry: &AuditEntry) -> Styled {
    let decision = &entry.decision;
    let reason = match (entry.code(), entry.why()) {
        (Some(code), why) => Some(format!("{} ({code})", why.unwrap_or_else(|| reasons::sentence(code)))),
        (None, _) if entry.ending == Ending::Interrupted => Some("how it ended is not known".to_owned()),
        (None, why) => why.filter(|_| entry.ending == Ending::Noted).map(str::to_owned),
    };
    let status = entry.outcome.as_ref().and_then(|outcome| outcome.status).filter(|_| reason.is_none());
    let left = left(entry).filter(|_| status.is_none()).map(|when| format!("left {when}"));
    let answered = status.map(|status| format!("answered {status}"));
    let rule = decision.rule.as_ref().map(|rule| {
        let file = rule.file.strip_prefix("policies/").unwrap_or(&rule.file);
        format!("rule {file}:{}", rule.line)
    });
    let mut text = [answered, left, reason, rule].into_iter().flatten().collect::<Vec<_>>().join("; ");
    if let Some(repeated) = decision.repeated {
        text.insert_str(0, &format!("{repeated} times more: "));
    }
    let text = on_screen(&text);
    if entry.is_alarm() { Tone::Bad.of("ALARM") + ": " + text } else { text.into() }
}

/// For a request abandoned by its client: how far it had come.
pub(super) fn left(entry: &AuditEntry) -> Option<&'static str> {
    let ended = entry.outcome.as_ref().filter(|ended| ended.abandoned)?;
    let was_asked = ended.address.is_some() || entry.decision.operation.is_some();
    Some(if was_asked { "before the answer was whole" } else { "before anything was sent" })
}

pub(super) fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

pub(super) fn cut(text: &str, at_most: usize) -> String {
    match text.char_indices().nth(at_most) {
        Some(_) => text.chars().take(at_most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

fn dash() -> String {
    "-".to_owned()
}
