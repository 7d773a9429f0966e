//! The log as lines for people. Everything that came from a sandbox is made
//! visible before it is measured or shown.

use desk::screen::on_screen;
use jiff::tz::TimeZone;

use super::reasons;
use crate::cli::times::time;
use crate::store::ledger::{AuditEntry, Ending, OutcomeRecord};

const COLUMNS: usize = 9;

const HEADINGS: [&str; COLUMNS] = ["NO.", "TIME", "GROUP", "VERDICT", "REQUEST", "UP", "DOWN", "TOOK", "BECAUSE"];

/// The columns that are numbers, which stand to the right.
const NUMBERS: [usize; 4] = [0, 5, 6, 7];

/// What a followed log gives each column: lines come one by one.
const WIDTHS: [usize; COLUMNS] = [7, 25, 10, 11, 40, 8, 8, 7, 0];

/// A request is cut to this in the table; `--json` has all of it.
const REQUEST_AT_MOST: usize = 72;

/// How wide each column of a table of entries is.
pub(super) struct Widths([usize; COLUMNS]);

impl Default for Widths {
    fn default() -> Self {
        Widths(HEADINGS.map(str::len))
    }
}

impl Widths {
    /// Makes room for an entry.
    pub(super) fn fit(&mut self, entry: &AuditEntry, zone: &TimeZone) {
        for (width, cell) in self.0.iter_mut().zip(cells(entry, zone)) {
            *width = (*width).max(cell.chars().count());
        }
    }

    pub(super) fn headings(&self) -> String {
        joined(&HEADINGS.map(str::to_owned), &self.0, &NUMBERS)
    }

    pub(super) fn line(&self, entry: &AuditEntry, zone: &TimeZone) -> String {
        joined(&cells(entry, zone), &self.0, &NUMBERS)
    }
}

/// Rows under headings, each column as wide as its widest cell.
pub(super) fn columns<const N: usize>(headings: &[&str; N], rows: &[[String; N]], numbers: &[usize]) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!("{}\n", joined(&headings.map(str::to_owned), &widths, numbers));
    rows.iter().for_each(|row| text.push_str(&format!("{}\n", joined(row, &widths, numbers))));
    text
}

/// One entry on its own.
pub(super) fn line(entry: &AuditEntry, zone: &TimeZone) -> String {
    joined(&cells(entry, zone), &WIDTHS, &NUMBERS)
}

fn joined<const N: usize>(cells: &[String; N], widths: &[usize; N], numbers: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| match column {
            column if numbers.contains(&column) => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        })
        .collect();
    padded.join("  ").trim_end().to_owned()
}

fn cells(entry: &AuditEntry, zone: &TimeZone) -> [String; COLUMNS] {
    let outcome = entry.outcome.as_ref();
    let bytes = |count: fn(&OutcomeRecord) -> u64| outcome.map_or_else(dash, |outcome| size(count(outcome)));
    let up = entry.bytes_up().map_or_else(dash, size);
    [
        entry.seq.0.to_string(),
        time(entry.at, zone),
        on_screen(&entry.decision.group),
        verdict(entry).to_owned(),
        cut(&on_screen(&request(entry)), REQUEST_AT_MOST),
        up,
        bytes(|outcome| outcome.bytes_down),
        outcome.map_or_else(dash, |outcome| took(outcome.micros)),
        on_screen(&because(entry)),
    ]
}

fn verdict(entry: &AuditEntry) -> &'static str {
    match entry.ending {
        Ending::Denied => "DENY",
        // Refused after the verdict, and before anything moved: to its reader a denial.
        Ending::Ended if entry.is_refusal() && nothing_moved(entry) => "DENY",
        Ending::Ended if entry.is_refusal() => "CUT OFF",
        Ending::Ended => "allow",
        Ending::UnderWay => "under way",
        Ending::Interrupted => "interrupted",
        Ending::Noted if entry.is_refusal() => "DENY",
        Ending::Noted => "event",
    }
}

/// Whether it was refused before its host was reached.
pub(super) fn nothing_moved(entry: &AuditEntry) -> bool {
    entry.outcome.as_ref().is_some_and(|outcome| outcome.address.is_none())
}

/// `GET api.github.com/repos/x?…`; what could not be read is shown as it came.
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

/// What came of it, and the rule that decided; for what did not pass, the reason first.
fn because(entry: &AuditEntry) -> String {
    let decision = &entry.decision;
    let reason = match (entry.code(), entry.why()) {
        (Some(code), why) => Some(format!("{} ({code})", why.unwrap_or_else(|| reasons::sentence(code)))),
        (None, _) if entry.ending == Ending::Interrupted => Some("how it ended is not known".to_owned()),
        (None, why) => why.filter(|_| entry.ending == Ending::Noted).map(str::to_owned),
    };
    let status = entry.outcome.as_ref().and_then(|outcome| outcome.status).filter(|_| reason.is_none());
    let answered = status.map(|status| format!("answered {status}"));
    let rule = decision.rule.as_ref().map(|rule| {
        let file = rule.file.strip_prefix("policies/").unwrap_or(&rule.file);
        format!("rule {file}:{}", rule.line)
    });
    let mut text = [answered, reason, rule].into_iter().flatten().collect::<Vec<_>>().join("; ");
    if let Some(repeated) = decision.repeated {
        text.insert_str(0, &format!("{repeated} times more: "));
    }
    if entry.is_alarm() {
        text.insert_str(0, "ALARM: ");
    }
    text
}

pub(super) fn size(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit / (unit / 10));
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", scaled(1_000_000)),
        _ => format!("{} GB", scaled(1_000_000_000)),
    }
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
