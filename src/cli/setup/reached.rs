//! What the agent may reach, as presets in sentences.

use std::collections::BTreeSet;

use anyhow::anyhow;
use policy_file::presets;

use super::super::question::Choice;
use super::super::{Failure, policy, show, usage};
use super::{Setup, written};
use crate::config::{Agent, Config};
use crate::gateway::policy_files::PolicyFiles;
use crate::store::Group;

/// The preset of the agent itself, which is not a choice.
const OF_THE_AGENT: &str = "claude";

/// What is proposed to somebody who has chosen nothing yet: it needs no account and sends little.
const PROPOSED: [&str; 2] = ["weather", "wikipedia"];

impl Setup<'_> {
    /// Asks what these groups may reach, and adds it to their policies.
    pub(super) async fn may_reach(&mut self, groups: &[&Group], agent: &Agent) -> Result<(), Failure> {
        let config = Config::load(self.home)?;
        let offered: Vec<&'static str> =
            presets::names().into_iter().filter(|name| is_offered(name, &config)).collect();
        let chosen = match &self.args.may {
            Some(names) => given(names)?,
            None => self.choose(groups, agent, &offered).await?,
        };
        for group in groups {
            if !chosen.is_empty() {
                written::presets(self.home, &group.name, &chosen)?;
            }
            let compiled = PolicyFiles::compile(self.home, &group.name)?;
            let rules = policy::rules_of(&compiled.policy);
            show::line(format!("{} can reach what its policy names ({rules}), and nothing else.", group.name))?;
        }
        Ok(())
    }

    async fn choose(
        &mut self,
        groups: &[&Group],
        agent: &Agent,
        offered: &[&'static str],
    ) -> Result<Vec<&'static str>, Failure> {
        let names: Vec<String> = groups.iter().map(|group| group.name.to_string()).collect();
        let besides = match (agent, names.len()) {
            (Agent::Shell, _) => "",
            (_, 1) => " besides its model",
            _ => " besides their model",
        };
        let question = format!("What may {} reach{besides}? All else is refused.", names.join(" and "));
        let from =
            offered.iter().map(|name| Choice { is: *name, words: presets::says(name).unwrap_or_default() }).collect();
        let used = self.used(groups);
        let proposed = |name: &&str| if used.is_empty() { PROPOSED.contains(name) } else { used.contains(*name) };
        let usual = (0..offered.len()).filter(|at| proposed(&offered[*at])).collect();
        self.ask.any(&question, "--may PRESETS", from, usual).await
    }

    /// The presets that the policies of these groups use already.
    fn used(&self, groups: &[&Group]) -> BTreeSet<String> {
        let texts = groups.iter().filter_map(|group| std::fs::read_to_string(self.home.policy_file(&group.name)).ok());
        let lists =
            texts.filter_map(|text| text.parse::<toml_edit::DocumentMut>().ok()?.get("use")?.as_array().cloned());
        let names =
            lists.flat_map(|list| list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect::<Vec<_>>());
        names.filter(|name| name != OF_THE_AGENT).collect()
    }
}

/// Whether it would work: none whose credential is not there.
fn is_offered(preset: &str, config: &Config) -> bool {
    let text = presets::get(preset).unwrap_or_default();
    let mut wanted = text.lines().filter_map(|line| line.strip_prefix("credential = "));
    preset != OF_THE_AGENT && wanted.all(|name| config.credentials.contains_key(name.trim().trim_matches('"')))
}

/// Whether what was named on the command line is there.
pub(super) fn check(names: Option<&[String]>) -> Result<(), Failure> {
    names.map_or(Ok(()), |names| given(names).map(drop))
}

/// The presets that were named on the command line.
fn given(names: &[String]) -> Result<Vec<&'static str>, Failure> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let known = presets::names();
    let find = |name: &String| {
        let found = known.iter().find(|known| *known == name).copied();
        let all = known.join(", ");
        found.ok_or_else(|| usage(anyhow!("--may: there is no preset {name:?}; there are {all}, or `none`")))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn what_would_not_work_is_not_offered() {
        let with = |text: &str| Config::parse("doorward.toml", text, Path::new("/")).unwrap();
        let key = "[credentials.github]\nsecret = \"env:X\"\nhosts = [\"github.com\"]\nplace = [\"basic:password\"]\n";
        let without = with("");
        assert!(is_offered("weather", &without) && !is_offered("claude", &without));
        assert!(!is_offered("git-push", &without) && is_offered("git-push", &with(key)));
    }

    #[test]
    fn presets_are_named_and_checked() {
        assert_eq!(given(&["none".to_owned()]).unwrap(), [""; 0]);
        assert_eq!(given(&["weather".to_owned()]).unwrap(), ["weather"]);
        assert!(given(&["wether".to_owned()]).unwrap_err().to_string().contains("wikipedia"));
    }
}
