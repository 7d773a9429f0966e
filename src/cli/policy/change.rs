//! `doorward policy allow`, `deny`, `use` and `presets`: rules without opening a file.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::{Facts, GroupName, Host, Method, Moment, Path, Policy, RuleRef, Verdict};
use policy_file::{RuleSummary, Source, Texts, presets};

use super::super::ahead::Ahead;
use super::super::change::{failed, finish, known_group, note};
use super::{Failure, compile_file_of, refused, show, times, usage};
use crate::clock;
use crate::edit::{Edit, OfPolicy, Rule};
use crate::gateway::policy_files;
use crate::home::Home;

/// What `allow` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct AllowArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// A site, or one request: `bbc.co.uk`, or `POST https://api.example/notes`
    #[arg(required = true, num_args = 1..=2, value_name = "[METHOD] URL")]
    request: Vec<String>,
    /// The whole site, for reading: GET, HEAD and OPTIONS on every path
    #[arg(long, conflicts_with = "exactly")]
    read: bool,
    /// Exactly this request and no other (as usual where a method is given)
    #[arg(long)]
    exactly: bool,
    /// For a while: `1h`, `22:00`, `'sat 22:00'`, `2026-12-05`. Then the rule has ended, and stays in the file
    #[arg(long, value_name = "TIME")]
    until: Option<Ahead>,
    /// A sentence for whoever reads a refusal or an explanation
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What `deny` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct DenyArgs {
    /// The group
    #[arg(value_parser = GroupName::parse)]
    group: GroupName,
    /// A site, a page with all below it, or one request
    #[arg(required = true, num_args = 1..=2, value_name = "[METHOD] URL")]
    request: Vec<String>,
    /// A sentence for whoever reads a refusal
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// A method, if given, and the rest as a URL; a bare host means https.
fn asked(request: &[String]) -> Result<(Option<&str>, Facts), Failure> {
    let (method, url) = match request {
        // Half a request; a host of that name needs https:// in front.
        [method] if Method::parse(&method.to_ascii_uppercase()).is_some() => {
            let method = method.to_ascii_uppercase();
            return Err(usage(anyhow!(
                "{method} is a method; say of which URL, like {method} https://news.example/today"
            )));
        }
        [url] => (None, url),
        [method, url, ..] => (Some(method.as_str()), url),
        [] => return Err(usage(anyhow!("name a site or a URL"))),
    };
    let whole = if url.contains("://") { url.clone() } else { format!("https://{url}") };
    let facts = Facts::parse(method.unwrap_or("GET"), &whole).map_err(|error| usage(anyhow!("{url}: {error}")))?;
    Ok((method, facts))
}

/// A rule's host, scheme and port.
fn rule_for(facts: &Facts) -> Rule {
    let rule = Rule::of(&facts.authority.host.to_string()).scheme(facts.scheme);
    if facts.authority.port == facts.scheme.default_port() { rule } else { rule.port(facts.authority.port) }
}

pub(super) fn allow(home: &Home, args: &AllowArgs) -> Result<ExitCode, Failure> {
    let AllowArgs { group, until, why, dry_run, .. } = args;
    let (method, facts) = asked(&args.request)?;
    known_group(home, group)?;
    let edit = Edit::policy(home, group).map_err(failed)?;
    edit.check().map_err(failed)?;
    let policy = super::policy_of(group.as_str(), compile_file_of(home, group, edit.text())?)?;
    let until = until.as_ref().map(|until| until.after(&times::zoned_now())).transpose().map_err(usage)?;
    let until = until.map(|until| clock::moment(&until));
    let site = facts.authority.host_header(facts.scheme);
    let one_page = facts.path.as_str() != "/" || facts.query.is_some();
    let reading = args.read || (method.is_none() && !args.exactly && !one_page);
    if !reading && !args.exactly && method.is_none() {
        return Err(usage(anyhow!(
            "say how much: --read allows every page of {site} for reading, --exactly allows GET {} alone",
            facts.url_without_query()
        )));
    }
    if reading && method.is_some_and(|method| method != "GET") {
        return Err(usage(anyhow!("--read is for reading; leave out the method, or say --exactly")));
    }
    let (rules, meaning) = if reading {
        let but = if has_denies(&policy, &facts.authority.host) { ", but for what a [[deny]] names" } else { "" };
        let meaning =
            format!("{group} may read every page of {site}{but} (GET, HEAD and OPTIONS; nothing can be sent).");
        (vec![rule_for(&facts).reading()], meaning + &other_names(&facts.authority.host))
    } else {
        let what = format!("{} {}", facts.method, facts.url_without_query());
        match exactly(&policy, &facts, (times::clock(home).now(), until))? {
            Exactly::Already(rule) => {
                show::line(format!("{group} may do {what} already: {rule} allows it. Nothing was changed."))?;
                return Ok(ExitCode::SUCCESS);
            }
            Exactly::Lift(rules) => {
                let sends = if facts.method == Method::Get { "" } else { ", with whatever body it has" };
                (rules, format!("{group} may do {what} and nothing more there{sends}; any query goes with it."))
            }
        }
    };
    let meaning = match until {
        Some(until) => format!("until {until}, {meaning}"),
        None => meaning,
    };
    let noted = note("doorward policy allow");
    let add = |edit: Edit<OfPolicy>, rule: Rule| {
        let rule = rule.note(&noted);
        let rule = match until {
            Some(until) => rule.with("until", until.written()),
            None => rule,
        };
        let rule = match why {
            Some(why) => rule.why(why),
            None => rule,
        };
        edit.add_allow(&rule)
    };
    let edit = rules.into_iter().try_fold(edit, add).map_err(failed)?;
    if let Some(rule) = stands(home, group, &policy, &edit)? {
        return nothing_new(&rule);
    }
    still_closed(home, group, &edit, meant(&facts))?;
    finish(edit, *dry_run, &meaning)
}

/// The existing rule that covers everything an edit adds, if any.
fn stands(home: &Home, group: &GroupName, before: &Policy, edit: &Edit<OfPolicy>) -> Result<Option<RuleRef>, Failure> {
    let Ok(after) = compile_file_of(home, group, edit.text())? else { return Ok(None) };
    let known = policy_file::summaries(before);
    let added = policy_file::diff(before, &after.policy).added;
    let says_it = |new: &RuleSummary| known.iter().find(|rule| rule.meaning() == new.meaning());
    let all: Option<Vec<_>> = added.iter().map(says_it).collect();
    Ok(all.and_then(|all| all.first().map(|rule| rule.at.clone())))
}

fn nothing_new(rule: &RuleRef) -> Result<ExitCode, Failure> {
    show::line(format!("{rule} says so already. Nothing was changed."))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether part of a host is denied, whatever allows it.
fn has_denies(policy: &Policy, host: &Host) -> bool {
    policy.rules().denies.iter().any(|rule| rule.host.covers(host))
}

/// `bbc.co.uk` is not `www.bbc.co.uk`: many who name one mean both.
fn other_names(host: &Host) -> String {
    match host.name().map(ToString::to_string) {
        Some(name) if !name.starts_with("www.") => format!(" Not www.{name}, nor any other name below it."),
        _ => String::new(),
    }
}

/// The request that the owner means: a star has the meaning that it has in a rule.
fn meant(facts: &Facts) -> Facts {
    let path = facts.path.as_str().replace('*', "any-0f3c");
    Facts { path: Path::parse(&path).unwrap_or_else(|_| facts.path.clone()), ..facts.clone() }
}

/// The rules for such a request, for everything it means.
fn with_stars(lift: &[String], facts: &Facts) -> String {
    lift.join("\n").replace(meant(facts).path.spelt().as_str(), &path_of(facts))
}

fn path_of(facts: &Facts) -> String {
    facts.path.as_str().replace('!', "%21")
}

enum Exactly {
    /// A rule already allows it.
    Already(RuleRef),
    /// These rules would allow it.
    Lift(Vec<Rule>),
}

/// What would allow it from now on, for good or until a moment.
fn exactly(policy: &Policy, facts: &Facts, (now, until): (Moment, Option<Moment>)) -> Result<Exactly, Failure> {
    match policy.at(now).enforced().decide(meant(facts)) {
        Verdict::Allow(permit) => match end_of(policy, permit.rule()) {
            // The rule that allows it now will have ended by then.
            Some(ends) if until.is_none_or(|until| ends < until) => exactly(policy, facts, (ends, until)),
            _ => Ok(Exactly::Already(permit.rule().clone())),
        },
        Verdict::Ask(ask) => Ok(Exactly::Lift(Rule::all(&with_stars(&ask.by().lift, facts)))),
        Verdict::Deny(_, refusal) => {
            let rules = Rule::all(&with_stars(&refusal.lift, facts));
            if !rules.is_empty() {
                return Ok(Exactly::Lift(rules));
            }
            let instead = match refusal.lift.as_slice() {
                [] => "no rule can allow it".to_owned(),
                lines => lines.join("\n").trim_start_matches("# ").to_owned(),
            };
            Err(refused(anyhow!("nothing was changed: {}\n{instead}", refusal.why)))
        }
    }
}

/// When a rule ends, if it does.
fn end_of(policy: &Policy, rule: &RuleRef) -> Option<Moment> {
    policy_file::summaries(policy).into_iter().find(|summary| summary.at == *rule)?.hours?.times().until
}

/// A rule under a deny allows nothing, contrary to what its author would think.
fn still_closed(home: &Home, group: &GroupName, edit: &Edit<OfPolicy>, facts: Facts) -> Result<(), Failure> {
    let Ok(compiled) = compile_file_of(home, group, edit.text())? else { return Ok(()) };
    match compiled.policy.at(times::clock(home).now()).enforced().decide(facts) {
        Verdict::Deny(_, refusal) => {
            let lift = refusal.lift.join("\n");
            let help = if lift.is_empty() { String::new() } else { format!("\n{}", lift.trim_start_matches("# ")) };
            Err(refused(anyhow!("nothing was changed: it would be refused all the same: {}{help}", refusal.why)))
        }
        Verdict::Ask(ask) => {
            Err(refused(anyhow!("nothing was changed: you would be asked about it all the same, by {}", ask.by().at)))
        }
        Verdict::Allow(_) => Ok(()),
    }
}

pub(super) fn deny(home: &Home, args: &DenyArgs) -> Result<ExitCode, Failure> {
    let DenyArgs { group, why, dry_run, .. } = args;
    let (method, facts) = asked(&args.request)?;
    known_group(home, group)?;
    let site = facts.authority.host_header(facts.scheme);
    let path = path_of(&facts);
    // A deny applies to every port and both schemes, unless one was given.
    let rule = Rule::of(&facts.authority.host.to_string());
    let rule = if facts.authority.port == facts.scheme.default_port() { rule } else { rule.port(facts.authority.port) };
    let (rule, what) = match (method, path.as_str()) {
        (None, "/") => (rule, format!("all of {site}")),
        (None, path) => {
            let below = format!("* {}/**", path.trim_end_matches('/'));
            (rule.requests(&[format!("* {path}"), below]), format!("{site}{path} and all below it"))
        }
        (Some(method), path) => (rule.requests(&[format!("{method} {path}")]), format!("{method} {site}{path}")),
    };
    let rule = rule.note(&note("doorward policy deny"));
    let rule = match why {
        Some(why) => rule.why(why),
        None => rule,
    };
    let edit = Edit::policy(home, group).map_err(failed)?;
    edit.check().map_err(failed)?;
    let policy = super::policy_of(group.as_str(), compile_file_of(home, group, edit.text())?)?;
    let edit = edit.add_deny(&rule).map_err(failed)?;
    if let Some(rule) = stands(home, group, &policy, &edit)? {
        return nothing_new(&rule);
    }
    finish(edit, *dry_run, &format!("{what} is refused to {group}, whatever allows it."))
}

pub(super) fn use_preset(home: &Home, group: &GroupName, preset: &str, dry_run: bool) -> Result<ExitCode, Failure> {
    known_group(home, group)?;
    let Some(says) = presets::says(preset) else { return Err(no_preset(preset)) };
    let edit = Edit::policy(home, group).and_then(|edit| edit.use_preset(preset)).map_err(failed)?;
    let missing = missing_credentials(home, preset)?;
    let done = finish(edit, dry_run, &format!("{group} uses {preset}. {says}"))?;
    for name in missing {
        show::aside(format!("It needs the credential {name}: doorward credential add {name}"));
    }
    Ok(done)
}

fn no_preset(name: &str) -> Failure {
    let help = match desk::did_you_mean(name, presets::names()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "`doorward policy presets` shows those there are".to_owned(),
    };
    usage(anyhow!("there is no preset {name}; {help}"))
}

fn missing_credentials(home: &Home, preset: &str) -> Result<Vec<String>, Failure> {
    let config = crate::config::Config::load(home)?;
    Ok(credentials(preset).into_iter().filter(|name| !config.credentials.contains_key(name.as_str())).collect())
}

/// The credentials that a preset needs.
fn credentials(preset: &str) -> Vec<String> {
    let Ok(group) = GroupName::parse("preset") else { return Vec::new() };
    let file = Source { name: "preset".to_owned(), text: format!("use = [{preset:?}]") };
    let compiled = policy_file::compile(&group, &file, None);
    compiled.map(|it| it.policy.credentials().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// All presets, each with a sentence and its credentials.
pub(super) fn list(json: bool) -> Result<ExitCode, Failure> {
    let all = presets::names().into_iter().filter_map(|name| Some((name, presets::says(name)?)));
    if json {
        let all =
            all.map(|(name, says)| serde_json::json!({ "name": name, "says": says, "credentials": credentials(name) }));
        show::json(&all.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = Vec::new();
    for (name, says) in all {
        lines.push(name.to_owned());
        lines.push(format!("    {says}"));
        let needs = credentials(name);
        lines.extend((!needs.is_empty()).then(|| format!("    Needs the credential {}.", needs.join(", "))));
    }
    lines.push("\ndoorward policy show PRESET      each rule of it\ndoorward policy use GROUP PRESET".to_owned());
    show::line(lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A preset on its own, as it is in force, for `policy show`.
pub(super) fn preset_alone(home: &Home, name: &GroupName) -> Result<Option<Texts>, Failure> {
    let Some(shipped) = presets::get(name.as_str()) else { return Ok(None) };
    let taken = policy_files::presets_in_force(home)?.into_iter().find(|taken| taken.name == name.as_str());
    let text = taken.map_or_else(|| shipped.to_owned(), |taken| taken.text);
    let file = Source { name: format!("preset {name}"), text };
    Ok(Some(Texts::of(file)))
}
