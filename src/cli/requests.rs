//! `doorward requests`: agents' requests for access, and the owner's answers.

use std::process::ExitCode;

use anyhow::anyhow;
use desk::screen::on_screen;
use policies::{Code, Facts, GroupName};
use policy_file::Suggestion;
use serde_json::json;

use super::show::{Styled, Tone};
use super::{Failure, change, group, refused, show, times};
use crate::edit::{Edit, Rule};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::operations::asked_facts;
use crate::store::{AccessRequest, Store};

/// See what agents ask you to allow
///
/// An agent that was refused something can ask for it. Nothing is allowed by that: here
/// is what was asked, and the smallest rule that would allow it. `approve` writes that rule
/// into the group's policy. What stands in quotation marks is the agent's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward requests
  doorward requests approve 3              writes the rule that allows number 3
  doorward requests approve 3 --dry-run
  doorward requests refuse 3               takes it off the list
  doorward requests --json
  doorward requests clear family

Exit codes: 0; 1 where a number or a group is not there, or no rule can allow it.")]
pub struct RequestsArgs {
    /// As JSON, one line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<RequestsCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum RequestsCommand {
    /// Allow exactly what was asked, by a rule in the group's policy
    Approve {
        /// Its number
        number: u64,
        /// Show what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a request off the list without allowing it
    Refuse {
        /// Its number
        number: u64,
    },
    /// Forget what was asked, by one group or by all
    Clear {
        /// Only of this group
        #[arg(value_parser = GroupName::parse)]
        group: Option<GroupName>,
    },
}

pub(super) fn run(home: &Home, args: &RequestsArgs) -> Result<ExitCode, Failure> {
    let store = group::open_store(home)?;
    let asked = store.access_requests()?;
    match &args.command {
        Some(RequestsCommand::Clear { group }) => {
            if let Some(group) = group {
                change::registered_group(home, group)?;
            }
            let cleared = store.clear_access_requests(group.as_ref())?;
            show::aside(format!("{cleared} forgotten."));
            return Ok(ExitCode::SUCCESS);
        }
        Some(RequestsCommand::Approve { number, dry_run }) => {
            return approve(home, &store, numbered(&asked, *number)?, *dry_run);
        }
        Some(RequestsCommand::Refuse { number }) => {
            let request = numbered(&asked, *number)?;
            store.settle_access_request(request.id)?;
            show::line(format!("Number {number} is refused: {} stays as it was.", policy_of(request)))?;
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let shown = asked.iter().map(|request| (request, stands(home, request)));
    if args.json {
        let all: Vec<_> = shown
            .map(|(request, stands)| json!({ "request": request, "stands": stands.word(), "toml": stands.toml() }))
            .collect();
        show::json(&all)?;
    } else if asked.is_empty() {
        show::line("No open requests.")?;
    } else {
        let all = shown.map(|(request, stands)| words(home, request, &stands));
        show::line(Styled::joined(all, "\n\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn numbered(asked: &[AccessRequest], number: u64) -> Result<&AccessRequest, Failure> {
    let found = asked.iter().find(|request| request.id == number);
    found.ok_or_else(|| refused(anyhow!("there is no open request number {number}; `doorward requests` lists them")))
}

fn policy_of(request: &AccessRequest) -> String {
    format!("the policy of {}", request.group)
}

/// Writes the smallest rule that allows it; once it is allowed, it is off the list.
fn approve(home: &Home, store: &Store, request: &AccessRequest, dry_run: bool) -> Result<ExitCode, Failure> {
    let what = on_screen(&format!("{} {} {}", request.method, request.authority, request.path));
    match stands(home, request) {
        Stands::Allowed => {
            store.settle_access_request(request.id)?;
            show::line(format!("{what} is allowed by now; nothing was written."))?;
            Ok(ExitCode::SUCCESS)
        }
        Stands::Closed(why) | Stands::OutsideHours(why) | Stands::Asked(why) => {
            Err(refused(anyhow!("{}; nothing was written", on_screen(&why))))
        }
        Stands::Refused(toml) => {
            let noted = change::note(&format!("doorward requests approve {}", request.id));
            let edit = Edit::policy(home, &request.group).map_err(change::failed)?;
            let rules = Rule::all(&toml).into_iter().map(|rule| rule.note(&noted));
            let edit = rules.into_iter().try_fold(edit, |edit, rule| edit.add_allow(&rule)).map_err(change::failed)?;
            let done =
                change::finish(edit, dry_run, &format!("{} may do {what} and nothing more there.", request.group))?;
            if !dry_run {
                store.settle_access_request(request.id)?;
            }
            Ok(done)
        }
    }
}

/// A request's state under its group's present policy.
enum Stands {
    /// Refused; these lines would allow it.
    Refused(String),
    /// Allowed by now.
    Allowed,
    /// The owner is asked each time; in words.
    Asked(String),
    /// A rule allows it, but not at this time; in words.
    OutsideHours(String),
    /// A deny closes it, or it cannot be judged; in words.
    Closed(String),
}

impl Stands {
    fn word(&self) -> &'static str {
        match self {
            Stands::Refused(_) => "refused",
            Stands::Allowed => "allowed",
            Stands::Asked(_) => "asked",
            Stands::OutsideHours(_) => "outside_hours",
            Stands::Closed(_) => "closed",
        }
    }

    fn toml(&self) -> Option<&str> {
        match self {
            Stands::Refused(toml) => Some(toml),
            Stands::Allowed | Stands::Asked(_) | Stands::OutsideHours(_) | Stands::Closed(_) => None,
        }
    }
}

fn stands(home: &Home, request: &AccessRequest) -> Stands {
    let facts = match asked_facts(&request.authority, &request.method, &request.path) {
        // A star from an agent is only a character.
        Ok(facts) => Facts { path: facts.path.spelt(), ..facts },
        Err(why) => return Stands::Closed(why),
    };
    let policy = match PolicyFiles::compile(home, &request.group) {
        Ok(compiled) => compiled.policy,
        Err(_) if !home.policy_file(&request.group).exists() => policy_file::deny_all(&request.group),
        Err(_) => {
            return Stands::Closed(format!(
                "the policy is wrong; `doorward policy check {}` says where",
                request.group
            ));
        }
    };
    let suggestion = policy_file::suggest(policy.at(times::clock(home).now()), &[(facts, Some(Code::NotAllowed))]);
    // Destructured in full, so that a new field cannot be forgotten.
    let Suggestion { toml, requests: _, denied, asked, outside_hours, beyond_rules } = suggestion;
    match (outside_hours.first(), asked.first(), denied.first()) {
        (Some((_, why)), ..) => Stands::OutsideHours(why.clone()),
        (None, Some((_, rule)), _) => Stands::Asked(format!("{rule} has you asked each time it is sent")),
        (None, None, Some((_, rule))) => Stands::Closed(format!("the deny at {rule} closes it; no [[allow]] opens it")),
        (None, None, None) if toml.is_empty() && beyond_rules == 0 => Stands::Allowed,
        (None, None, None) if toml.is_empty() => Stands::Closed("no line of a policy can allow it".to_owned()),
        (None, None, None) => Stands::Refused(toml),
    }
}

/// What it would do, in a sentence.
fn does(home: &Home, request: &AccessRequest) -> String {
    let Ok(facts) = asked_facts(&request.authority, &request.method, &request.path) else {
        return "send something that cannot be read".to_owned();
    };
    let policy = PolicyFiles::compile(home, &request.group).map(|compiled| compiled.policy);
    policy.unwrap_or_else(|_| policy_file::deny_all(&request.group)).sentence(&facts, None)
}

fn words(home: &Home, request: &AccessRequest, stands: &Stands) -> Styled {
    let times = if request.asked == 1 { String::new() } else { format!(", {} times", request.asked) };
    let head = format!(
        " wants to {}\n  {} {} {}  (asked {}{times})\n  \u{201c}{}\u{201d}\n",
        does(home, request),
        on_screen(&request.method),
        on_screen(&request.authority),
        on_screen(&request.path),
        times::time(request.last_at, &times::zone()),
        on_screen(&request.why)
    );
    let below = match stands {
        Stands::Allowed => "  It is allowed by now.".into(),
        Stands::Closed(why) | Stands::OutsideHours(why) | Stands::Asked(why) => format!("  {}.", on_screen(why)).into(),
        Stands::Refused(toml) => {
            let lines: Vec<_> = toml.trim_end().lines().map(|line| format!("    {}", on_screen(line))).collect();
            let file = home.policy_file(&request.group);
            let command = format!("doorward requests approve {}", request.id);
            Styled::from(format!("  To allow it:  {command}\n  or put this into {}:\n", file.display()))
                + Styled::fixed(&lines.join("\n"))
        }
    };
    Styled::from(format!("{}  ", request.id)) + Tone::Strong.of(request.group.as_str()) + head + below
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A rule that allows it at another time does not allow it now.
    #[test]
    fn a_request_stands_by_the_clock() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let group = GroupName::parse("family").unwrap();
        let today = times::clock(&home).now().weekday();
        // Days away, whatever the clock does meanwhile.
        let other = today.yesterday().yesterday().yesterday();
        let stands_with = |more: &str| {
            let policy = format!("[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n{more}\n");
            std::fs::write(home.policy_file(&group), policy).unwrap();
            let (authority, method, path, why) = ("a.test:443".into(), "GET".into(), "/".into(), String::new());
            let at = crate::store::Millis::default();
            let request = AccessRequest {
                id: 1,
                group: group.clone(),
                authority,
                method,
                path,
                why,
                asked: 1,
                first_at: at,
                last_at: at,
            };
            let stands = stands(&home, &request);
            (stands.word(), words(&home, &request, &stands).plain())
        };
        assert_eq!(stands_with("").0, "allowed");
        let (word, words) = stands_with(&format!("days = [\"{other}\"]"));
        assert_eq!(word, "outside_hours");
        assert!(words.contains(&format!("ask this of a.test only on {other}")), "{words}");
    }
}
