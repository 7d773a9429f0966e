//! The door's refusals during a run, as its chat reads them: what, why, and the lines that would lift them, with the
//! file they go into.

use std::collections::BTreeSet;
use std::path::Path;

use policies::{Code, Facts, GroupName, Refusal};

use crate::channels::terminal;
use crate::phrases::Phrases;
use crate::store::Group;
use crate::store::ledger::AuditEntry;

/// The most refusals that are read for one notice.
pub const MOST_READ: u32 = 200;

/// The most refusals that one notice lists.
const MOST_SHOWN: usize = 10;

/// Whether a group's chat may read how its policy could be widened: only the owner's own chat (invariant 12 keeps
/// others from doing it; this keeps them from reading it).
pub fn is_for(group: &Group) -> bool {
    group.is_main || group.channel == terminal::CHANNEL
}

/// The text that replaces a withheld answer; the owner's own chat gets the full reason.
pub fn withheld(group: &Group, refusal: &Refusal) -> Phrases {
    let why = if is_for(group) { refusal.for_log() } else { &refusal.why };
    Phrases::new("answer-withheld").saying("why", why.to_owned())
}

/// One text for all refusals of a run; `None` if there were none. `said`: a request in the words of the group's policy.
pub fn text(refused: &[AuditEntry], policy_file: &Path, said: impl Fn(&Facts) -> Option<String>) -> Option<Phrases> {
    let mut told = BTreeSet::new();
    let (mut lifts, mut commands): (Vec<&[String]>, Vec<String>) = (Vec::new(), Vec::new());
    let mut text = Phrases::default();
    let refused: Vec<_> = refused.iter().filter(|entry| !is_expected(entry)).collect();
    for entry in &refused {
        let line = refusal(entry, &said);
        if told.len() >= MOST_SHOWN || !told.insert(line.in_english()) {
            continue;
        }
        text = text.line(line);
        if !entry.lift().is_empty() && !lifts.contains(&entry.lift()) {
            commands.extend(command(entry).filter(|_| is_lifted_by_it(entry)));
            lifts.push(entry.lift());
        }
    }
    if told.is_empty() {
        return None;
    }
    let more = refused.len() - told.len();
    if more > 0 {
        text = text.line(Phrases::new("refused-more").count("count", more as u64));
    }
    Some(lifted(text, &lifts, &commands, policy_file))
}

/// Says that the group's model limits are used up, if so: whoever waits for an answer should know it, and need not know
/// the policy.
pub fn used_up(refused: &[AuditEntry]) -> Option<Phrases> {
    let about_it = |entry: &&AuditEntry| entry.code() == Some(Code::UsedUp.as_str());
    let why = refused.iter().rev().find(about_it)?.why()?;
    Some(Phrases::new("models-used-up").saying("why", why))
}

/// What would lift the refusals: lines to add to the policy, or changes to make in it.
fn lifted(mut text: Phrases, lifts: &[&[String]], commands: &[String], policy_file: &Path) -> Phrases {
    let (changes, lines): (Vec<&[String]>, Vec<&[String]>) =
        lifts.iter().copied().partition(|lift| instruction(lift).is_some());
    if !lines.is_empty() {
        let lines: Vec<String> = lines.iter().map(|lines| lines.join("\n")).collect();
        let mut head = "to-allow";
        if !commands.is_empty() {
            text = text.paragraph(Phrases::new("to-allow-run")).paragraph(commands.join("\n"));
            head = "to-allow-or";
        }
        let head = Phrases::new(head).with("file", policy_file.display());
        text = text.paragraph(head).paragraph(lines.join("\n\n"));
    }
    if !changes.is_empty() {
        let changes: Vec<String> = changes.iter().filter_map(|change| instruction(change)).collect();
        let head = Phrases::new("to-allow-change").with("file", policy_file.display());
        text = text.paragraph(head).and(changes.join("; ") + ".");
    }
    text
}

fn refusal(entry: &AuditEntry, said: &impl Fn(&Facts) -> Option<String>) -> Phrases {
    let does = facts(entry).and_then(|facts| said(&facts)).map(|does| format!(" ({does})")).unwrap_or_default();
    let request = match what(entry) {
        Some(request) => Phrases::from(request + &does),
        None => Phrases::new("no-request"),
    };
    let why = match (entry.code(), entry.why()) {
        (Some(code), Some(why)) => reason(code).or_in_english(why),
        (Some(code), None) => reason(code),
        (None, why) => why.map_or_else(|| Phrases::new("no-reason"), Phrases::from),
    };
    Phrases::new("refused").saying("request", request).saying("why", why)
}

/// The meaning of a code. The log's own reason, in English, says more.
fn reason(code: &str) -> Phrases {
    let meaning = Phrases::new(match Code::parse(code) {
        Some(Code::NotAllowed | Code::IpLiteral) => "reason-not-named",
        Some(Code::PortDenied | Code::MethodDenied | Code::PathDenied) => "reason-not-this",
        Some(Code::OutsideHours) => "reason-hours",
        Some(Code::DeniedByRule) => "reason-denied",
        Some(Code::ResolvedPrivate) => "reason-private",
        Some(Code::Unresolved) => "reason-unresolved",
        Some(Code::TooLarge | Code::GroupLimit | Code::LimitExceeded | Code::UsedUp) => "reason-limit",
        Some(Code::SecretInRequest | Code::SecretInAnswer) => "reason-secret",
        Some(Code::SurrogateUnbound | Code::SurrogateLocation | Code::SurrogateForeign) => "reason-surrogate",
        Some(Code::TlsVerify | Code::UpstreamFailed | Code::UpstreamUnreadable | Code::Timeout) => "reason-host",
        Some(Code::BodyCondition | Code::BodyUnreadable) => "reason-body",
        Some(Code::Revoked) => "reason-revoked",
        _ => "reason-other",
    });
    Phrases::new("reason").saying("reason", meaning).with("code", code)
}

/// The change to make in a policy, where a refusal's lines are not to be added but name another line to change or
/// remove.
pub fn instruction(lift: &[String]) -> Option<String> {
    let said: Option<Vec<&str>> = lift.iter().map(|line| line.strip_prefix("# ")).collect();
    said.filter(|said| !said.is_empty()).map(|said| said.join("; "))
}

/// The command that allows exactly what was refused, if the log has all of it.
fn command(entry: &AuditEntry) -> Option<String> {
    Some(facts(entry)?.command_to_allow(&GroupName::parse(&entry.decision.group).ok()?))
}

/// Whether that command lifts it. For a host in the owner's private network only the lines can.
fn is_lifted_by_it(entry: &AuditEntry) -> bool {
    let is_a_rule = entry.lift().iter().any(|line| line.starts_with("[[allow]]"));
    is_a_rule && entry.code() != Some(Code::ResolvedPrivate.as_str())
}

/// The request without its query; `None` if the log does not have all of it.
fn facts(entry: &AuditEntry) -> Option<Facts> {
    Facts::parse(entry.decision.method.as_deref()?, what(entry)?.split_once(' ')?.1).ok()
}

/// Whether a preset's own denial refused it: the owner accepted that with the preset, and no line lifts it. The agent
/// is told why, and the log has it.
fn is_expected(entry: &AuditEntry) -> bool {
    entry.decision.rule.as_ref().is_some_and(|rule| rule.file.starts_with("preset "))
}

/// `GET https://news.example/today`, as far as it is known.
fn what(entry: &AuditEntry) -> Option<String> {
    let decision = &entry.decision;
    let Some(host) = &decision.host else { return decision.raw_target.clone() };
    let scheme = decision.scheme.as_deref().unwrap_or("https");
    let port = match (scheme, decision.port) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let method = decision.method.as_deref().map(|method| format!("{method} ")).unwrap_or_default();
    Some(format!("{method}{scheme}://{host}{port}{}", decision.path.as_deref().unwrap_or("")))
}
