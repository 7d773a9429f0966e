//! `doorward skill update`: takes a skill's present version. If it asks for nothing more, at once; otherwise it is
//! shown first.

use std::process::ExitCode;

use anyhow::anyhow;
use policies::GroupName;
use policy_file::Diff;

use super::super::policy::difference;
use super::super::show::Styled;
use super::super::{Failure, change, refused, show};
use super::{add, failed, installed, not_installed, reach, setting, values};
use crate::home::Home;
use crate::skills::{self, Accepted, Origin, Skill, State};

#[derive(Debug, clap::Args)]
pub(super) struct UpdateArgs {
    /// Its name; all of the group's where nothing is said
    skill: Option<String>,
    /// One group's alone
    #[arg(long, value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Another value of a setting
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, requires = "skill")]
    settings: Vec<(String, String)>,
    /// Without asking
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(home: &Home, args: &UpdateArgs) -> Result<ExitCode, Failure> {
    let groups = match &args.group {
        Some(group) => {
            change::known_group(home, group)?;
            vec![group.clone()]
        }
        None => change::registered(home)?,
    };
    let (mut found, mut waits) = (0, 0);
    for group in &groups {
        let all = installed(home, group)?;
        let chosen: Vec<_> =
            all.iter().filter(|one| args.skill.as_ref().is_none_or(|name| *name == one.name)).collect();
        if let (Some(name), true, true) = (&args.skill, chosen.is_empty(), args.group.is_some()) {
            return Err(not_installed(name, group, &all));
        }
        found += chosen.len();
        for skill in chosen {
            waits += usize::from(!one(home, group, skill, args)?);
        }
    }
    match (found, &args.skill) {
        (0, Some(name)) => {
            Err(refused(anyhow!("no group has a skill {name}; `doorward skill list` shows those there are")))
        }
        (0, None) => {
            show::line("No group has a skill. `doorward skill list` shows those that ship.")?;
            Ok(ExitCode::SUCCESS)
        }
        _ if waits > 0 => Err(refused(anyhow!(
            "{waits} {} for your yes, and what you accepted stays; --yes takes what was shown",
            if waits == 1 { "waits" } else { "wait" }
        ))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Returns whether nothing is left to accept.
fn one(home: &Home, group: &GroupName, old: &Accepted, args: &UpdateArgs) -> Result<bool, Failure> {
    let name = &old.name;
    let found = match skills::state(home, old) {
        State::Gone(why) => return Err(refused(anyhow!("{name} of {group} stays as you accepted it: {why}"))),
        State::Changed(found) => *found,
        State::Same | State::Lost(_) => {
            skills::origin(old).map_err(|why| refused(anyhow!("{name} of {group}: {why}")))?
        }
    };
    let new = renewed(&found, old, args)?;
    if (new.hash, &new.rules, &new.values) == (old.hash, &old.rules, &old.values) {
        skills::keep(home, &found.tree).map_err(anyhow::Error::new)?;
        show::line(format!("{name} of {group} is as you accepted it."))?;
        return Ok(true);
    }
    // A version that no longer loads may have been anything.
    let change = old.alone().ok().map(|before| Ok(policy_file::diff(&before, &new.alone()?))).transpose();
    let change = change.map_err(|problems: desk::Problems| refused(problems))?;
    let (told, says_more) = other_words(old, &new)?;
    show::line(words(group, old, &new, change.as_ref()) + told)?;
    let theirs = match &old.from {
        Origin::Folder(folder) => add::agents_write(home, folder)?,
        Origin::Shipped => None,
    };
    if let (Some(why), Origin::Folder(folder)) = (&theirs, &old.from) {
        show::line(format!("{} {why}: an agent may have changed it. Look through its files first.", folder.display()))?;
    }
    // What it says is read where its owner decides.
    let asks = change.as_ref().is_none_or(Diff::widens) || says_more || theirs.is_some();
    let question = format!("Take {name} as it is by now?");
    if asks && !(args.yes || show::is_interactive() && show::asks(&question)?) {
        return Ok(false);
    }
    add::put(home, group, &found, new)?;
    show::line(format!("{name} of {group} is taken as it is by now; a sandbox that is open keeps the files before."))?;
    Ok(true)
}

fn renewed(found: &Skill, old: &Accepted, args: &UpdateArgs) -> Result<Accepted, Failure> {
    let mut said = old.values.clone();
    // Values of settings that no longer exist are dropped.
    said.retain(|name, _| found.settings.iter().any(|setting| setting.name == *name));
    said.extend(values(&args.settings));
    let values = found.values(&said).map_err(failed)?;
    add::accepted(found, old.from.clone(), values)
}

/// The changes of its words in both directions; and whether it says anything that was not accepted.
fn other_words(old: &Accepted, new: &Accepted) -> Result<(String, bool), Failure> {
    let Ok(before) = old.alone().map(|policy| reach::all_words(&policy)) else { return Ok((String::new(), true)) };
    let now = reach::all_words(&new.alone().map_err(refused)?);
    let line = |mark: &str, words: &String| format!("\n  {mark} {words}");
    let gone = before.difference(&now).map(|words| line("-", words));
    let all: String = gone.chain(now.difference(&before).map(|words| line("+", words))).collect();
    let told = if all.is_empty() { all } else { format!("\nWhat it says to you:{all}") };
    Ok((told, !now.is_subset(&before)))
}

fn words(group: &GroupName, old: &Accepted, new: &Accepted, change: Option<&Diff>) -> Styled {
    let head = format!("Skill {} of {group}, from {} to {}:\n", old.name, old.hash.short(), new.hash.short());
    Styled::from(head)
        + match change {
            Some(change) if change.is_empty() => "It asks for what you accepted; its files changed.".into(),
            Some(change) => difference(change),
            None => "What you accepted does not load in this version, so what it would change cannot be told.".into(),
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What a skill says where its owner decides is accepted like what it reaches.
    #[test]
    fn other_words_of_a_skill_are_told_apart() {
        let rules = "[[ask]]\nhost = \"api.test\"\ndo = [\"POST /pay\"]\nwhy = \"a payment\"\n\n\
                     [[say]]\ndo = [\"POST /pay\"]\ntext = \"PAY {json.amount}\"\n";
        let accepted = |rules: String| Accepted {
            name: "notes".to_owned(),
            from: Origin::Shipped,
            hash: skills::Tree::default().hash(),
            at: String::new(),
            values: skills::Values::new(),
            rules,
        };
        let before = accepted(rules.to_owned());
        let told = |new: String| other_words(&before, &accepted(new)).unwrap_or_default();
        assert_eq!(told(format!("# other places\n{rules}")), (String::new(), false));
        let (why, says_more) = told(rules.replace("a payment", "you said yes to this before"));
        assert!(says_more);
        assert!(why.contains("- Of api.test it says “a payment”.") && why.contains("“you said yes"), "{why}");
        let (text, says_more) = told(rules.replace("PAY {json.amount}", "read the weather"));
        assert!(says_more);
        assert!(text.contains("“read the weather”") && text.contains("“PAY {json.amount}”"), "{text}");
        // Removed words are reported, but need no acceptance.
        let (gone, says_more) = told(String::new());
        assert!(!says_more && gone.contains("- Of api.test it says"), "{gone}");
    }
}
