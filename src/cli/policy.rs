//! `doorward policy`: what a group may reach: checked, shown, explained, tested, compared, suggested and changed. Reads
//! the files as they are now; needs no daemon and no container engine.

mod accept;
mod asked;
mod change;
mod diff;
mod explain;
mod head;
mod rules;
mod suggest;
mod test;
#[cfg(test)]
mod tests;

pub(super) use diff::words as difference;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use desk::Problems;
use http::{HeaderMap, HeaderName, HeaderValue};
use policies::{AllowRule, At, Facts, GroupName, Policy, Verdict};
use policy_file::{Compiled, Source, Texts, Way};

use super::show::Tone;
use super::{Failure, change as change_of_all, refused, show, times, usage};
use crate::config::Config;
use crate::gateway::policy_files::{PolicyError, PolicyFiles, presets_in_force, read, read_base};
use crate::home::Home;

/// Change, check, show, explain and test what a group may reach.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward policy allow family bbc.co.uk   the whole site, for reading
  doorward policy allow family POST https://api.example/notes
                                           this request and no other
  doorward policy allow family tickets.example --until 'sat 22:00'
  doorward policy deny family ads.example
  doorward policy presets                  ready rules for known services
  doorward policy use family wikipedia
  doorward policy check                    every group's file
  doorward policy check family
  doorward policy show family              every rule, presets included
  doorward policy explain family POST https://api.github.com/gists
  doorward policy explain family GET https://news.example/ --at 'sat 22:00'
  doorward policy explain family POST https://api.stripe.com/v1/refunds \\
      -H 'Authorization: Bearer $STRIPE_KEY' -H 'X-Dry-Run: yes'
  doorward policy suggest family --since 2h
                                           lines that would allow what was refused
  doorward policy diff family new.toml     what a changed file would allow or refuse
  doorward policy test                     run every [[test]] and report each
  doorward policy accept claude            take a preset as this version ships it

Exit codes of `explain`: 0 it is allowed, 1 it is denied, 2 that is no request, 3 the owner is
asked first.
Exit codes of `check` and `test`: 0 every file is right, every test holds; 1 one is not.")]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    /// Allow a site for reading, or one request
    Allow(change::AllowArgs),
    /// Refuse a site, a page with all below it, or one request, whatever allows it
    Deny(change::DenyArgs),
    /// List the presets that ship with Doorward, each with a sentence
    Presets {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Let a group use a preset
    Use {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
        /// Which preset
        preset: String,
        /// Show what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Check policy files: of all groups, of one group, or any file
    Check {
        /// A group's name, or the path of a file
        what: Option<String>,
    },
    /// Show every rule of a group, presets and base.toml included, or of a preset
    Show {
        /// The group, or a preset
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
        /// As one policy file that says the same
        #[arg(long, conflicts_with = "json")]
        toml: bool,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Say whether a request would be allowed, by which rule, and what would change that
    Explain {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
        /// GET, POST, …
        method: String,
        /// https://host/path (wss:// for a WebSocket)
        url: String,
        /// At another time: `sat 22:00`, `2026-12-01`, `22:00`
        #[arg(long, value_name = "TIME", value_parser = at)]
        at: Option<At>,
        /// A header that it would have; may be given more than once. A surrogate is written as
        /// its variable: 'Authorization: Bearer $GITHUB_TOKEN'
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = head::header)]
        headers: Vec<(HeaderName, HeaderValue)>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Lines that would allow what the log says was refused; changes nothing
    Suggest {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
        /// Only what was asked from this time on: `2h`, `7d`, `2026-11-23`
        #[arg(long, value_name = "TIME")]
        since: Option<super::when::When>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// What a change would allow or refuse: by rule, and for the requests in the log
    Diff {
        /// A group's name, or the path of a file
        old: String,
        /// A group's name, or the path of a file
        new: String,
        /// Whose requests in the log are looked at
        #[arg(long, value_parser = GroupName::parse)]
        group: Option<GroupName>,
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Run the [[test]]s of a group, or of all groups, and report each
    Test {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: Option<GroupName>,
        /// As JSON, a line for each group
        #[arg(long)]
        json: bool,
    },
    /// Take a preset as this version ships it, though it allows more than the one in force
    Accept {
        /// Which preset; none: show all that wait
        preset: Option<String>,
        /// Without asking
        #[arg(long)]
        yes: bool,
    },
    /// What the group's agent is told of it, as JSON
    Manifest {
        /// The group
        #[arg(value_parser = GroupName::parse)]
        group: GroupName,
    },
}

pub(super) async fn run(home: &Home, args: PolicyArgs) -> Result<ExitCode, Failure> {
    match args.command {
        PolicyCommand::Allow(args) => change::allow(home, &args),
        PolicyCommand::Deny(args) => change::deny(home, &args),
        PolicyCommand::Presets { json } => change::list(json),
        PolicyCommand::Use { group, preset, dry_run } => change::use_preset(home, &group, &preset, dry_run),
        PolicyCommand::Check { what } => check(home, what.as_deref()),
        PolicyCommand::Show { group, toml, json } => show_rules(home, &group, toml, json),
        PolicyCommand::Explain { group, method, url, at, headers, json } => {
            explain(home, &group, (&method, &url, headers), at, json)
        }
        PolicyCommand::Suggest { group, since, json } => {
            let since = since.map(|since| since.millis()).transpose()?;
            suggest::run(home, &group, since, json)
        }
        PolicyCommand::Diff { old, new, group, json } => diff::run(home, &old, &new, group, json),
        PolicyCommand::Test { group, json } => test::run(home, group, json),
        PolicyCommand::Accept { preset, yes } => accept::run(home, preset.as_deref(), yes).await,
        PolicyCommand::Manifest { group } => {
            show::verbatim(&serde_json::to_string_pretty(&policy_file::manifest(&compile(home, &group)?))?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Every policy file of the home, by its group.
pub(super) fn groups_with_files(home: &Home) -> anyhow::Result<Vec<GroupName>> {
    let folder = home.policies_dir();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    let mut groups = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if let (true, Ok(group)) = (is_toml && stem != "base", GroupName::parse(stem)) {
            groups.push(group);
        }
    }
    groups.sort();
    Ok(groups)
}

fn check(home: &Home, what: Option<&str>) -> Result<ExitCode, Failure> {
    let mut all_right = true;
    match what {
        Some(path) if is_file(path) => {
            all_right = tell_check(home, path, compile_file(home, Path::new(path), None)?)?;
        }
        Some(name) => {
            let group = GroupName::parse(name).map_err(|why| usage(anyhow!(why)))?;
            all_right = tell_check(home, name, compile_named(home, &group)?)?;
        }
        None => {
            let groups = groups_with_files(home)?;
            if groups.is_empty() {
                let folder = home.policies_dir();
                show::line(format!("There is no policy file in {}; nothing is allowed.", folder.display()))?;
            }
            for group in groups {
                all_right &= tell_check(home, group.as_str(), PolicyFiles::compile(home, &group))?;
            }
            accept::tell_waiting(home)?;
        }
    }
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A group with neither a file nor a registration is a typing error. A registered one always has a policy: nothing is
/// allowed except what its skills may.
fn compile_named(home: &Home, group: &GroupName) -> Result<Result<Compiled, PolicyError>, Failure> {
    let file = home.policy_file(group);
    if file.exists() {
        return Ok(PolicyFiles::compile(home, group));
    }
    let registered = change_of_all::registered(home).unwrap_or_default();
    if registered.contains(group) {
        show::aside(format!(
            "There is no {}: nothing is allowed by it. `doorward policy allow {group} …` begins it.",
            file.display()
        ));
        return Ok(PolicyFiles::compile(home, group));
    }
    let help = match desk::did_you_mean(group.as_str(), registered.iter().map(GroupName::as_str)) {
        _ if policy_file::presets::get(group.as_str()).is_some() => {
            format!("{group} is a preset: `doorward policy show {group}` shows it, `doorward policy use` takes it")
        }
        Some(meant) => format!("did you mean {meant}?"),
        _ => format!("`doorward group add {group}` makes one"),
    };
    Err(refused(anyhow!("there is no policy file {}; {help}", file.display())))
}

/// A group's file as it would be with another text.
fn compile_file_of(home: &Home, group: &GroupName, text: &str) -> Result<Result<Compiled, PolicyError>, Failure> {
    let mut texts = read(home, group)?;
    text.clone_into(&mut texts.file.text);
    Ok(policy_file::compile_all(group, &texts).map_err(PolicyError::Wrong))
}

/// Any file as if it were a group's: the given one with its skills, or the one in the file's name.
fn compile_file(home: &Home, path: &Path, group: Option<&GroupName>) -> Result<Result<Compiled, PolicyError>, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = Source { name: path.display().to_string(), text };
    let (group, texts) = match group {
        Some(group) => (group.clone(), Texts { file, ..read(home, group)? }),
        None => {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let group = GroupName::parse(stem).or_else(|_| GroupName::parse("file"));
            let texts = Texts { base: read_base(home)?, presets: presets_in_force(home)?, ..Texts::of(file) };
            (group.map_err(|why| usage(anyhow!(why)))?, texts)
        }
    };
    Ok(policy_file::compile_all(&group, &texts).map_err(PolicyError::Wrong))
}

fn tell_check(home: &Home, name: &str, compiled: Result<Compiled, PolicyError>) -> Result<bool, Failure> {
    match compiled {
        Ok(Compiled { policy, warnings }) => {
            if !warnings.is_empty() {
                show::line(show::report(&warnings))?;
            }
            show::line(show::Styled::from(name) + ": " + Tone::Good.of("OK") + format!(", {}", rules_of(&policy)))?;
            // An error in doorward.toml is reported by commands that need it.
            let config = Config::load(home).unwrap_or_default();
            let missing = keys_not_there(&policy, &config).filter_map(|rule| rule.credential.as_ref());
            for credential in missing.collect::<BTreeSet<_>>() {
                show::line(Tone::Warning.of("warning") + format!(": {}", without_a_key(credential)))?;
            }
            Ok(true)
        }
        Err(PolicyError::Wrong(problems)) => {
            show::line(show::report(&problems))?;
            let count =
                if problems.0.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.0.len()) };
            let kept = format!(" ({count}); a running daemon keeps the last one that was right");
            show::line(show::Styled::from(name) + ": " + Tone::Bad.of("WRONG") + kept)?;
            Ok(false)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Rules with a credential that doorward.toml does not have.
pub(super) fn keys_not_there<'p>(policy: &'p Policy, config: &'p Config) -> impl Iterator<Item = &'p AllowRule> {
    let is_there = |name: &Arc<str>| config.credentials.contains_key(name);
    policy.rules().allows.iter().filter(move |rule| rule.credential.as_ref().is_some_and(|name| !is_there(name)))
}

/// A note about a missing key.
fn without_a_key(name: &str) -> String {
    format!(
        "doorward.toml has no credential {name}, so the request goes out without a key; `doorward credential add {name}` \
         adds it"
    )
}

/// A policy's size: `4 rules`.
pub(super) fn rules_of(policy: &Policy) -> String {
    match policy.rules().count() {
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    }
}

/// Whether a file is meant, not a group.
fn is_file(what: &str) -> bool {
    what.contains('/') || what.ends_with(".toml")
}

fn compile(home: &Home, group: &GroupName) -> Result<Policy, Failure> {
    policy_of(group.as_str(), compile_named(home, group)?)
}

fn policy_of(name: &str, compiled: Result<Compiled, PolicyError>) -> Result<Policy, Failure> {
    match compiled {
        Ok(compiled) => Ok(compiled.policy),
        Err(PolicyError::Wrong(problems)) => Err(wrong(name, problems)),
        Err(error) => Err(refused(error)),
    }
}

/// The failure of a command whose policy is wrong.
fn wrong(name: &str, problems: Problems) -> Failure {
    refused(anyhow::Error::new(problems).context(format!("the policy of {name} is wrong")))
}

fn show_rules(home: &Home, group: &GroupName, toml: bool, json: bool) -> Result<ExitCode, Failure> {
    let preset = if home.policy_file(group).exists() { None } else { change::preset_alone(home, group)? };
    let policy = match preset {
        Some(texts) => policy_of(group.as_str(), policy_file::compile_all(group, &texts).map_err(PolicyError::Wrong))?,
        None => compile(home, group)?,
    };
    if toml {
        show::verbatim(policy_file::written(policy.rules()).trim_end())?;
    } else if json {
        show::json(&rules::json(&policy))?;
    } else {
        show::line(rules::words(home, &policy, times::clock(home).now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn at(text: &str) -> Result<At, String> {
    At::parse(text).ok_or_else(|| At::FORM.to_owned())
}

/// Whether the door answers this itself: under its own name, in plain HTTP.
fn is_answered_here(url: &str) -> bool {
    url.strip_prefix("http://doorward.internal").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

fn explain(
    home: &Home,
    group: &GroupName,
    (method, url, headers): (&str, &str, Vec<(HeaderName, HeaderValue)>),
    at: Option<At>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let facts = Facts::parse(method, url).map_err(|error| usage(anyhow!("{method} {url}: {error}")))?;
    let policy = compile(home, group)?;
    let request = format!("{method} {}", facts.url_without_query());
    if is_answered_here(url) {
        match json {
            true => show::json(&explain::answered_here_json(&request))?,
            false => show::line(explain::answered_here(&request))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let now = times::clock(home).now();
    let when = at.map(|at| at.seen_from(now));
    let headers = HeaderMap::from_iter(headers);
    let (way, notes) = head::way(home, (&policy, when.unwrap_or(now)), facts, &headers)?;
    if json {
        show::json(&explain::json(&policy, &request, when, &way, &notes))?;
    } else {
        show::line(explain::words(home, &policy, &request, when, &way, &notes))?;
    }
    Ok(ExitCode::from(match way {
        Way::Unopened(_) | Way::Judged(Verdict::Allow(_)) => 0,
        Way::Judged(Verdict::Deny(..)) => 1,
        Way::Judged(Verdict::Ask(_)) => 3,
    }))
}
