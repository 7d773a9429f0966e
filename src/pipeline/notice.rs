//! What the door refused during a run, as its chat reads it: what, why, and the
//! lines that would lift it, with the file they go into.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use policies::{Facts, GroupName, Refusal};

use crate::channels::terminal;
use crate::store::Group;
use crate::store::ledger::AuditEntry;

/// The most refusals that are read for one notice.
pub const MOST_READ: u32 = 200;

/// The most refusals that one notice lists.
const MOST_SHOWN: usize = 10;

/// Whether a group's chat may read how its policy could be widened: the owner's own chat,
/// and no other (invariant 12 keeps others from acting on it; this keeps them from
/// reading it).
pub fn is_for(group: &Group) -> bool {
    group.is_main || group.channel == terminal::CHANNEL
}

/// What a chat reads instead of an answer; the owner's own chat gets the whole reason.
pub fn withheld(group: &Group, refusal: &Refusal) -> String {
    let why = if is_for(group) { refusal.for_log() } else { &refusal.why };
    format!("Doorward withheld this answer: {why}. `doorward audit` has more.")
}

/// One text for all refusals of a run; `None` where there were none.
pub fn text(refused: &[AuditEntry], policy_file: &Path) -> Option<String> {
    let mut told = BTreeSet::new();
    let (mut lifts, mut commands) = (Vec::new(), Vec::new());
    let mut text = String::new();
    let refused: Vec<_> = refused.iter().filter(|entry| !is_expected(entry)).collect();
    for entry in &refused {
        let line = format!("The door refused {}: {}", what(entry), entry.why().unwrap_or("no reason was recorded"));
        if told.len() >= MOST_SHOWN || !told.insert(line.clone()) {
            continue;
        }
        let _ = writeln!(text, "{line}");
        let lift = entry.lift().join("\n");
        if !lift.is_empty() && !lifts.contains(&lift) {
            commands.extend(command(entry).filter(|_| lift.starts_with("[[allow]]")));
            lifts.push(lift);
        }
    }
    if told.is_empty() {
        return None;
    }
    let more = refused.len() - told.len();
    if more > 0 {
        let _ = writeln!(text, "(and {more} more; `doorward audit --denied` shows all)");
    }
    if !lifts.is_empty() {
        let by_command: String = commands.iter().map(|command| format!("run: {command}\nor ")).collect();
        let _ = writeln!(text, "\nTo allow it, {by_command}put this into {}:\n", policy_file.display());
        let _ = writeln!(text, "{}", lifts.join("\n\n"));
    }
    Some(text.trim_end().to_owned())
}

/// The command that allows exactly what was refused, where the log knows all of it.
fn command(entry: &AuditEntry) -> Option<String> {
    let decision = &entry.decision;
    let facts = Facts::parse(decision.method.as_deref()?, what(entry).split_once(' ')?.1).ok()?;
    Some(facts.command_to_allow(&GroupName::parse(&decision.group).ok()?))
}

/// Whether a denial from a preset refused it: the owner accepted that with the preset, and
/// no line lifts it. The agent is told why, and the log has it.
fn is_expected(entry: &AuditEntry) -> bool {
    entry.decision.rule.as_ref().is_some_and(|rule| rule.file.starts_with("preset "))
}

/// `GET https://news.example/today`, as far as it is known.
fn what(entry: &AuditEntry) -> String {
    let decision = &entry.decision;
    let Some(host) = &decision.host else {
        return decision.raw_target.clone().unwrap_or_else(|| "a connection that was no request".to_owned());
    };
    let scheme = decision.scheme.as_deref().unwrap_or("https");
    let port = match (scheme, decision.port) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let method = decision.method.as_deref().map(|method| format!("{method} ")).unwrap_or_default();
    format!("{method}{scheme}://{host}{port}{}", decision.path.as_deref().unwrap_or(""))
}
