//! `doorward audit show N`: one record in full, in words.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use desk::screen::on_screen;
use policies::{Facts, GroupName};
use proxy::audit::Seq;

use super::table::{left, nothing_moved, request, took};
use super::{open, reasons};
use crate::alarms;
use crate::cli::show::{Screen, Styled};
use crate::cli::times::{self, time};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::store::ledger::{AuditEntry, Ending, Numbered};

#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The number of the record, as the table and alarms name it
    #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: u64,
    /// From the log that an older Doorward kept, `audit.db`
    #[arg(long)]
    old: bool,
    /// As JSON, with every field
    #[arg(long)]
    json: bool,
}

/// The column of the text beside a label.
const INDENT: usize = 12;

pub(super) fn run(args: &OneArgs, home: &Home, screen: Screen, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if !super::is_there(home, args.old) {
        bail!("nothing was asked at a door of {home} yet, so there is no record {}", args.number);
    }
    let number = args.number;
    let text = match open(home, args.old)?.numbered(Seq(number))? {
        Numbered::Entry(entry) | Numbered::Outcome(entry) if args.json => Styled::drawn(entry.to_json()),
        Numbered::Own { text, .. } if args.json => Styled::drawn(text),
        Numbered::Entry(entry) => in_full(home, &entry),
        Numbered::Outcome(entry) => {
            let tells = format!("Record {number} tells how the request of record {} ended.\n\n", entry.seq.0);
            Styled::from(tells) + in_full(home, &entry)
        }
        Numbered::Own { kind, at, .. } => {
            format!("Record {number}, of {}: {}", time(at, &times::zone()), own(&kind)).into()
        }
        Numbered::Removed { oldest } => {
            bail!("record {number} had its time and was removed; the oldest that is kept is {oldest}")
        }
        Numbered::Nothing { last } => bail!("there is no record {number}; the last one is {last}"),
    };
    writeln!(out, "{}", text.on(screen).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The meaning of a line that is neither a request nor an event.
fn own(kind: &str) -> &'static str {
    match kind {
        "checkpoint" => {
            "a checkpoint, which signs all records before it. `doorward audit verify` holds it against them."
        }
        "segment" => "the first line of a file of the journal, which names the record that it goes on from.",
        "outcome" => "how a request ended whose own record had its time and was removed.",
        _ => "a record of a kind that this version does not know.",
    }
}

fn in_full(home: &Home, entry: &AuditEntry) -> Styled {
    let mut text = format!("Record {}, of {}\n\n", entry.seq.0, time(entry.at, &times::zone()));
    for (label, words) in rows(home, entry) {
        text += &format!("{label:<INDENT$}{}\n", on_screen(&words));
    }
    match to_do(home, entry) {
        Some(advice) => Styled::from(text + "\n") + advice,
        None => text.into(),
    }
}

/// What the request does, in the words of its group's present policy, or in plain ones.
fn does(home: &Home, entry: &AuditEntry) -> Option<String> {
    let decision = &entry.decision;
    let (scheme, host, port) = (decision.scheme.as_ref()?, decision.host.as_ref()?, decision.port?);
    let url = format!("{scheme}://{host}:{port}{}", decision.path.as_deref()?);
    let facts = Facts::parse(decision.method.as_deref()?, &url).ok()?;
    let group = GroupName::parse(&decision.group).ok()?;
    let policy = PolicyFiles::compile(home, &group).map(|compiled| compiled.policy);
    Some(policy.unwrap_or_else(|_| policy_file::deny_all(&group)).sentence(&facts, None))
}

fn rows(home: &Home, entry: &AuditEntry) -> Vec<(&'static str, String)> {
    let (decision, outcome) = (&entry.decision, entry.outcome.as_ref());
    let mut rows = Vec::new();
    let mut row = |label, words: Option<String>| rows.extend(words.map(|words| (label, words)));
    row("what", Some(request(entry)));
    row("does", does(home, entry));
    row("from", from(entry));
    row("to", to(entry));
    row("verdict", Some(verdict(entry)));
    let reason = entry.code().map(|code| reasons::sentence(code).to_owned());
    let label = if entry.event.is_some() && !entry.is_refusal() { "says" } else { "why" };
    row(label, entry.why().map(str::to_owned).or(reason));
    row("code", entry.code().map(str::to_owned));
    row("rule", decision.rule.as_ref().map(|rule| format!("{}, line {}", rule.file, rule.line)));
    row("policy", decision.policy.clone());
    row(
        "credential",
        decision.credential.as_ref().map(|name| match &decision.swap {
            Some(place) => format!("{name}, put into {}", place.replacen(':', " ", 1)),
            None => name.clone(),
        }),
    );
    let findings = decision.findings.iter().chain(outcome.iter().flat_map(|outcome| &outcome.findings));
    row("found", Some(findings.cloned().collect::<Vec<_>>().join(", ")).filter(|found| !found.is_empty()));
    row("up", entry.bytes_up().map(desk::size::about));
    row("down", outcome.map(|outcome| desk::size::about(outcome.bytes_down)));
    row("answer", outcome.and_then(|outcome| outcome.status).map(|status| status.to_string()));
    row("took", outcome.map(|outcome| took(outcome.micros)));
    let scrubbed = outcome.map_or(0, |outcome| outcome.scrubbed);
    row("scrubbed", (scrubbed > 0).then(|| format!("secrets taken off the answer: {scrubbed}")));
    row("left", left(entry).map(str::to_owned));
    row("observed", decision.observed.then(|| "let through by `mode = \"observe\"` alone".to_owned()));
    row("stands for", decision.repeated.map(|repeated| format!("{repeated} more of the same")));
    row("alarm", entry.is_alarm().then(|| "the owner was told at once".to_owned()));
    rows
}

fn from(entry: &AuditEntry) -> Option<String> {
    let decision = &entry.decision;
    if decision.group.is_empty() {
        return None;
    }
    let mut from = format!("group {}", decision.group);
    if !decision.sandbox.is_empty() {
        from += &format!(", sandbox {}", decision.sandbox);
    }
    from.extend(decision.run.map(|run| format!(", run {run}")));
    Some(from)
}

fn to(entry: &AuditEntry) -> Option<String> {
    let decision = &entry.decision;
    let host = decision.host.as_ref()?;
    let port = decision.port.map(|port| format!(", port {port}")).unwrap_or_default();
    let reached = match entry.outcome.as_ref().map(|outcome| &outcome.address) {
        Some(Some(address)) => format!(", at {address}"),
        Some(None) if entry.is_refusal() => ", which was not reached".to_owned(),
        _ => String::new(),
    };
    Some(format!("{host}{port}{reached}"))
}

fn verdict(entry: &AuditEntry) -> String {
    let words = match entry.ending {
        Ending::Denied => "refused; nothing of it went out",
        Ending::Ended if entry.is_refusal() && nothing_moved(entry) => {
            "allowed by its rule, and refused before anything went out"
        }
        Ending::Ended if entry.is_refusal() => "cut off; part of it may have gone out before",
        Ending::Ended => "allowed",
        Ending::UnderWay => "allowed, and under way",
        Ending::Interrupted => "allowed; how it ended is not known, since Doorward ended before it did",
        Ending::Noted if entry.is_refusal() => "refused",
        Ending::Noted => "an event, no request",
    };
    words.to_owned()
}

fn to_do(home: &Home, entry: &AuditEntry) -> Option<Styled> {
    let group = on_screen(&entry.decision.group);
    let advice = match entry.code() {
        Some(code) if entry.is_alarm() => alarms::advice(code, entry.why().unwrap_or_default()),
        Some(_) if !entry.lift().is_empty() => return Some(lift(home, entry)),
        Some(code) => reasons::advice(code, &group),
        None if entry.ending == Ending::Interrupted => {
            "If it changes something, look there whether it was done before it is asked for again.".to_owned()
        }
        None => return None,
    };
    Some(format!("What to do: {advice}").into())
}

fn lift(home: &Home, entry: &AuditEntry) -> Styled {
    let lines: Vec<String> = entry.lift().iter().flat_map(|lines| lines.lines()).map(on_screen).collect();
    let file = policies::GroupName::parse(&entry.decision.group).map(|group| home.policy_file(&group));
    let file = file.map_or_else(|_| "the group's policy".to_owned(), |file| file.display().to_string());
    match lines.as_slice() {
        // A rule to take out is not a line to put in.
        [comment] if comment.starts_with("# ") => format!("To allow it, in {file}: {}", &comment[2..]).into(),
        _ => Styled::from(format!("To allow it, put this into {file}:\n\n")) + Styled::fixed(&lines.join("\n")),
    }
}
