//! The log as CSV (RFC 4180), safe to open in a spreadsheet.
//!
//! A spreadsheet runs a cell that begins like a formula (CWE-1236), and cells can contain a sandbox's text. So every
//! such place gets a `'` before it, and invisible characters are spelt out. `--json` has the text unchanged.

use desk::screen::on_screen;
use jiff::Timestamp;

use crate::store::ledger::AuditEntry;

/// The first line.
pub(super) const HEADINGS: &str = "seq,time,group,sandbox,run,protocol,ending,scheme,host,port,method,path,\
     query_bytes,target,code,why,rule,credential,status,address,bytes_up,bytes_down,micros,scrubbed,findings,alarm,observed,repeated,\
     head_bytes,abandoned,event,count";

/// One entry, without the line break.
pub(super) fn record(entry: &AuditEntry) -> String {
    let (decision, outcome) = (&entry.decision, entry.outcome.as_ref());
    let time = Timestamp::from_millisecond(entry.at).map(|at| at.to_string()).unwrap_or_default();
    let rule = decision.rule.as_ref().map(|rule| format!("{}:{}", rule.file, rule.line));
    let findings: Vec<&str> = decision
        .findings
        .iter()
        .chain(outcome.iter().flat_map(|outcome| &outcome.findings))
        .map(String::as_str)
        .collect();
    let alarm = decision.alarm || outcome.is_some_and(|outcome| outcome.alarm);
    let counted = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    [
        entry.seq.0.to_string(),
        text(&time),
        text(&decision.group),
        text(&decision.sandbox),
        counted(decision.run),
        text(&decision.protocol),
        text(entry.ending.as_str()),
        optional(decision.scheme.as_deref()),
        optional(decision.host.as_deref()),
        counted(decision.port.map(u64::from)),
        optional(decision.method.as_deref()),
        optional(decision.path.as_deref()),
        counted(decision.query_bytes.map(|bytes| bytes as u64)),
        optional(decision.raw_target.as_deref()),
        optional(entry.code()),
        optional(entry.why()),
        optional(rule.as_deref()),
        optional(decision.credential.as_deref()),
        counted(outcome.and_then(|outcome| outcome.status).map(u64::from)),
        optional(outcome.and_then(|outcome| outcome.address.as_deref())),
        counted(entry.event.as_ref().map_or(outcome.map(|outcome| outcome.bytes_up), |event| event.bytes)),
        counted(outcome.map(|outcome| outcome.bytes_down)),
        counted(outcome.map(|outcome| outcome.micros)),
        counted(outcome.map(|outcome| outcome.scrubbed)),
        text(&findings.join(" ")),
        alarm.to_string(),
        decision.observed.to_string(),
        counted(decision.repeated),
        counted(decision.head_bytes),
        outcome.is_some_and(|outcome| outcome.abandoned).to_string(),
        optional(entry.event.as_ref().map(|event| event.what.as_str())),
        counted(entry.event.as_ref().and_then(|event| event.count)),
    ]
    .join(",")
}

fn optional(field: Option<&str>) -> String {
    field.map(text).unwrap_or_default()
}

/// One field that is text, in quotes.
fn text(field: &str) -> String {
    let mut out = String::from("\"");
    // With another list separator, or a quote that a program does not unescape, a cell can begin in the middle of a
    // field.
    let mut begins = true;
    for c in field.chars() {
        if begins && is_formula(c) {
            out.push('\'');
        }
        begins = matches!(c, ',' | ';' | '|' | '"' | '\t' | '\r' | '\n') || begins && (c.is_whitespace() || c == '\'');
        if c == '"' {
            out.push('"');
        }
        out.push_str(&on_screen(c.encode_utf8(&mut [0; 4])));
    }
    out.push('"');
    out
}

/// What a spreadsheet takes for the start of a formula (OWASP, "CSV Injection"), including full-width characters.
fn is_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠' | '−')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_begins_like_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"] {
            assert!(text(bad).starts_with("\"'"), "{bad:?}: {}", text(bad));
        }
        assert_eq!(text(" =cmd|'/C calc'!A0"), "\" '=cmd|'/C calc'!A0\"");
        assert_eq!(text("/x;=1+1"), "\"/x;'=1+1\"");
        assert_eq!(text("/x\",=1"), "\"/x\"\",'=1\"");
        assert_eq!(text("\u{200b}=1"), "\"\\u{200b}=1\"");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        assert_eq!(text("a-b=c d,e"), "\"a-b=c d,e\"");
        assert_eq!(text("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(text("Grüße"), "\"Grüße\"");
    }
}
