//! `doorward policy suggest`: from what was refused, or let through while observing,
//! to the lines that would allow it. Resolves nothing and changes nothing.

use std::process::ExitCode;

use policies::GroupName;
use policy_file::Suggestion;

use super::asked::asked;
use super::show::Styled;
use super::{Failure, compile, show, times};
use crate::home::Home;
use crate::store::Millis;

pub(super) fn run(home: &Home, group: &GroupName, since: Option<Millis>, json: bool) -> Result<ExitCode, Failure> {
    let policy = compile(home, group)?;
    let log = asked(home, group, since)?;
    let wanted = log.into_iter().filter(|asked| asked.code.is_some() || asked.observed);
    let wanted: Vec<_> = wanted.map(|asked| (asked.facts, asked.code)).collect();
    let suggestion = policy_file::suggest(policy.at(times::clock(home).now()), &wanted);
    if json {
        let denied = suggestion.denied.iter().map(|(facts, rule)| {
            serde_json::json!({ "request": format!("{} {}", facts.method, facts.url_without_query()), "rule": rule })
        });
        let outside_hours = suggestion.outside_hours.iter().map(|(facts, why)| {
            serde_json::json!({ "request": format!("{} {}", facts.method, facts.url_without_query()), "why": why })
        });
        show::json(&serde_json::json!({
            "group": group, "toml": suggestion.toml, "requests": suggestion.requests,
            "denied": denied.collect::<Vec<_>>(), "outside_hours": outside_hours.collect::<Vec<_>>(),
            "beyond_rules": suggestion.beyond_rules,
        }))?;
    } else {
        show::line(words(home, group, &suggestion))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn words(home: &Home, group: &GroupName, suggestion: &Suggestion) -> Styled {
    let mut lines: Vec<Styled> = Vec::new();
    if suggestion.toml.is_empty() {
        lines.push(format!("# Nothing of {group} was refused that a rule could allow.").into());
    } else {
        let file = home.policy_file(group);
        let allows = count(suggestion.requests);
        lines.push(format!("# Put into {} what you want of this; it allows {allows}.\n", file.display()).into());
        lines.push(Styled::fixed(suggestion.toml.trim_end()));
    }
    if !suggestion.denied.is_empty() {
        lines.push("\n# Closed by a deny, which no [[allow]] opens:".into());
        let denied = |(facts, rule): &(policies::Facts, policies::RuleRef)| {
            format!("#   {} {} ({rule})", facts.method, facts.url_without_query())
        };
        lines.extend(suggestion.denied.iter().map(denied).map(Styled::from));
    }
    if !suggestion.outside_hours.is_empty() {
        lines.push("\n# Refused at this time alone; change the hours of its rule if it should pass now:".into());
        let closed = |(facts, why): &(policies::Facts, String)| {
            format!("#   {} {}: {why}", facts.method, facts.url_without_query())
        };
        lines.extend(suggestion.outside_hours.iter().map(closed).map(Styled::from));
    }
    if suggestion.beyond_rules > 0 {
        let many = count(suggestion.beyond_rules);
        let why = format!("`doorward audit --group {group} --denied` shows why");
        lines.push(format!("\n# {many} refused for what no rule lifts; {why}.").into());
    }
    Styled::joined(lines, "\n")
}

fn count(requests: usize) -> String {
    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") }
}
