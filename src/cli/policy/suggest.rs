//! `doorward policy suggest`: the lines that would allow what was refused, or allowed by observe mode. Resolves nothing
//! and changes nothing.

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
        // Destructured in full, so that a new field cannot be forgotten.
        let Suggestion { toml, requests, denied, asked, outside_hours, beyond_rules } = &suggestion;
        let by_rule = |(facts, rule): &(policies::Facts, policies::RuleRef)| serde_json::json!({ "request": format!("{} {}", facts.method, facts.url_without_query()), "rule": rule });
        let outside_hours = outside_hours.iter().map(|(facts, why)| {
            serde_json::json!({ "request": format!("{} {}", facts.method, facts.url_without_query()), "why": why })
        });
        show::json(&serde_json::json!({
            "group": group, "toml": toml, "requests": requests,
            "denied": denied.iter().map(by_rule).collect::<Vec<_>>(),
            "asked": asked.iter().map(by_rule).collect::<Vec<_>>(),
            "outside_hours": outside_hours.collect::<Vec<_>>(), "beyond_rules": beyond_rules,
        }))?;
    } else {
        show::line(words(home, group, &suggestion))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn words(home: &Home, group: &GroupName, suggestion: &Suggestion) -> Styled {
    // Destructured in full, so that a new field cannot be forgotten.
    let Suggestion { toml, requests, denied, asked, outside_hours, beyond_rules } = suggestion;
    let mut lines: Vec<Styled> = Vec::new();
    if toml.is_empty() {
        lines.push(format!("# Nothing of {group} was refused that a rule could allow.").into());
    } else {
        let file = home.policy_file(group);
        let allows = count(*requests);
        lines.push(format!("# Put into {} what you want of this; it allows {allows}.\n", file.display()).into());
        lines.push(Styled::fixed(toml.trim_end()));
    }
    let mut list = |about: &str, all: Vec<String>| {
        if !all.is_empty() {
            lines.push(format!("\n# {about}").into());
            lines.extend(all.iter().map(|one| Styled::from(format!("#   {one}"))));
        }
    };
    let request = |facts: &policies::Facts| format!("{} {}", facts.method, facts.url_without_query());
    let by_rule = |all: &[(policies::Facts, policies::RuleRef)]| -> Vec<String> {
        all.iter().map(|(facts, rule)| format!("{} ({rule})", request(facts))).collect()
    };
    list("Closed by a deny, which no [[allow]] opens:", by_rule(denied));
    list(
        "You are asked each time; an [[allow]] with `unasked = true`, and the credential that goes with them, would take \
         them out of that:",
        by_rule(asked),
    );
    list(
        "Refused at this time alone; change the hours of its rule if it should pass now:",
        outside_hours.iter().map(|(facts, why)| format!("{}: {why}", request(facts))).collect(),
    );
    if *beyond_rules > 0 {
        let many = count(*beyond_rules);
        let why = format!("`doorward audit --group {group} --denied` shows why");
        lines.push(format!("\n# {many} refused for what no rule lifts; {why}.").into());
    }
    Styled::joined(lines, "\n")
}

fn count(requests: usize) -> String {
    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") }
}
