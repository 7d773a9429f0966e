//! `doorward policy diff`: what a change would allow or refuse, by rule and for the requests in the log.

use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use policies::{GroupName, Policy};
use policy_file::{AskingSummary, Diff, Fate, LimitChange, RuleSummary};

use super::asked::asked;
use super::show::{Styled, Tone};
use super::{Failure, compile_file, compile_named, is_file, policy_of, refused, show, times, usage};
use crate::home::Home;

pub(super) fn run(
    home: &Home,
    old: &str,
    new: &str,
    group: Option<GroupName>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let diff = {
        // A file stands for this group's, with its skills: the given group, or the one that is compared.
        let named = [old, new].into_iter().find(|what| !is_file(what));
        let named = named.map(GroupName::parse).transpose().map_err(|why| usage(anyhow!(why)))?;
        let group = group.or(named);
        let (before, after) = (either(home, old, group.as_ref())?, either(home, new, group.as_ref())?);
        let group = group.unwrap_or_else(|| after.group().clone());
        let log: Vec<_> = asked(home, &group, None)?.into_iter().map(|asked| asked.facts).collect();
        let now = times::clock(home).now();
        policy_file::diff(&before, &after).with_requests(before.at(now), after.at(now), &log)
    };
    if json {
        show::json(&serde_json::json!({ "widens": diff.widens(), "diff": diff }))?;
    } else {
        show::line(words(&diff))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A group's name, or a file's path: as `group`'s, if given.
fn either(home: &Home, what: &str, group: Option<&GroupName>) -> Result<Policy, Failure> {
    if is_file(what) {
        if !Path::new(what).exists() {
            return Err(refused(anyhow!("there is no file {what}")));
        }
        return policy_of(what, compile_file(home, Path::new(what), group)?);
    }
    let group = GroupName::parse(what).map_err(|why| usage(anyhow!(why)))?;
    policy_of(what, compile_named(home, &group)?)
}

pub(in crate::cli) fn words(diff: &Diff) -> Styled {
    if diff.is_empty() {
        return "Nothing changes.".into();
    }
    // Destructured in full, so that a new field cannot be forgotten.
    let Diff { added, removed, limits, asking, observe, leaks, requests } = diff;
    let mut lines = Vec::new();
    lines.extend(removed.iter().map(|rule| format!("- {}", rule_in_words(rule))));
    lines.extend(added.iter().map(|rule| format!("+ {}", rule_in_words(rule))));
    for LimitChange { name, old, new } in limits {
        let said = |value: &Option<u64>| {
            value.map_or_else(|| "no limit".to_owned(), |it| policy_file::limit_in_words(name, it))
        };
        lines.push(format!("~ {name}: {} -> {}", said(old), said(new)));
    }
    if let Some((old, new)) = asking {
        lines.push(format!("~ asking: {} -> {}", in_asking(old), in_asking(new)));
    }
    if let Some((old, new)) = *observe {
        let said = |day: Option<policies::Date>| day.map_or_else(|| "not".to_owned(), |day| format!("until {day}"));
        lines.push(format!("~ observed: {} -> {}", said(old), said(new)));
    }
    if let Some((old, new)) = *leaks {
        let said = |blocks: bool| if blocks { "blocked" } else { "noted" };
        lines.push(format!("~ what looks like a secret: {} -> {}", said(old), said(new)));
    }
    if !requests.is_empty() {
        lines.push("\nRequests in the log that would fare otherwise:".to_owned());
        let change = |change: &policy_file::RequestChange| {
            format!("  {}: {} -> {}", change.request, fate(change.old), fate(change.new))
        };
        lines.extend(requests.iter().map(change));
    }
    let verdict = if diff.widens() {
        Tone::Warning.of("This may allow more than before.")
    } else {
        Tone::Good.of("This allows nothing that was not allowed before.")
    };
    Styled::from(lines.join("\n")) + "\n\n" + verdict
}

fn in_asking(asking: &AskingSummary) -> String {
    let AskingSummary { unlisted, hold, quiet } = asking;
    let unlisted = if *unlisted { "about hosts that no rule names too" } else { "as the rules say" };
    let quiet = if quiet.is_empty() { String::new() } else { format!(", but {}", quiet.join(", ")) };
    format!("{unlisted}, waiting {hold} s{quiet}")
}

fn rule_in_words(rule: &RuleSummary) -> String {
    let mut words = format!("{} {} {}", rule.effect, rule.host, rule.in_words());
    words.extend(rule.credential.iter().map(|name| format!(", with the credential {name}")));
    words + &format!("  ({})", rule.at)
}

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Tunnelled => "goes through unopened".to_owned(),
        Fate::Allowed => "allowed".to_owned(),
        Fate::AllowedByBody => "allowed if its body is as the rules want it".to_owned(),
        Fate::Asked => "asked about first".to_owned(),
        Fate::AskedByBody => "asked about first if its body is such as the rules ask about".to_owned(),
        Fate::Refused(code) => format!("refused ({code})"),
    }
}
