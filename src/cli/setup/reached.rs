//! What the agent may reach: presets as sentences.

use std::collections::BTreeSet;

use anyhow::anyhow;
use policy_file::presets;

use super::super::question::Choice;
use super::super::{Failure, policy, show, usage};
use super::{Setup, written};
use crate::config::{Agent, Config};
use crate::gateway::policy_files::PolicyFiles;
use crate::store::Group;

/// The proposal if nothing was chosen before: it needs no account and sends little.
const PROPOSED: [&str; 2] = ["weather", "wikipedia"];

impl Setup<'_> {
    /// Asks what these groups may reach, and makes their policies use those presets: deselected ones are removed.
    pub(super) async fn may_reach(&mut self, groups: &[&Group], agent: &Agent) -> Result<(), Failure> {
        let config = Config::load(self.home)?;
        let offered: Vec<&'static str> =
            presets::names().into_iter().filter(|name| is_offered(name, &config)).collect();
        let chosen = match &self.args.may {
            Some(names) => given(names)?,
            None => self.choose(groups, agent, &offered).await?,
        };
        for group in groups {
            let mut gone: Vec<String> = self.used(group).into_iter().collect();
            // Presets that were not in the list were not deselected.
            gone.retain(|name| {
                !chosen.contains(&name.as_str()) && (self.args.may.is_some() || offered.contains(&name.as_str()))
            });
            written::presets(self.home, &group.name, &chosen, &gone)?;
            let compiled = PolicyFiles::compile(self.home, &group.name)?;
            let rules = policy::rules_of(&compiled.policy);
            let used = Vec::from_iter(self.used(group)).join(", ");
            let used = if used.is_empty() { used } else { format!(", of it by the presets {used}") };
            show::line(format!("{} can reach what its policy names ({rules}{used}), and nothing else.", group.name))?;
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
        let used: BTreeSet<String> = groups.iter().flat_map(|group| self.used(group)).collect();
        let proposed = |name: &&str| if used.is_empty() { PROPOSED.contains(name) } else { used.contains(*name) };
        let usual = (0..offered.len()).filter(|at| proposed(&offered[*at])).collect();
        self.ask.any(&question, "--may PRESETS", from, usual).await
    }

    /// The presets that a group's policy uses already, except agents' ways to their models.
    fn used(&self, group: &Group) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.home.policy_file(&group.name)).unwrap_or_default();
        let list = text.parse::<toml_edit::DocumentMut>().ok().and_then(|text| text.get("use")?.as_array().cloned());
        let names = list.iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
        names.filter(|name| !leads_to_a_model(name)).collect()
    }
}

/// Whether a preset is an agent's way to its model, which is no choice here.
fn leads_to_a_model(preset: &str) -> bool {
    presets::get(preset).unwrap_or_default().lines().any(|line| line == "model = true")
}

/// Whether it would work: not without its credential.
fn is_offered(preset: &str, config: &Config) -> bool {
    let text = presets::get(preset).unwrap_or_default();
    let mut wanted = text.lines().filter_map(|line| line.strip_prefix("credential = "));
    !leads_to_a_model(preset) && wanted.all(|name| config.credentials.contains_key(name.trim().trim_matches('"')))
}

/// Checks that the presets on the command line exist.
pub(super) fn check(names: Option<&[String]>) -> Result<(), Failure> {
    names.map_or(Ok(()), |names| given(names).map(drop))
}

/// The presets named on the command line.
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
        let openai = "[credentials.openai]\nsecret = \"env:X\"\nhosts = [\"api.openai.com\"]\nplace = [\"header:authorization\"]\n";
        for preset in ["openai", "codex"] {
            assert!(!is_offered(preset, &with(openai)), "{preset} is how an agent thinks");
        }
        assert!(!is_offered("git-push", &without) && is_offered("git-push", &with(key)));
    }

    #[test]
    fn presets_are_named_and_checked() {
        assert_eq!(given(&["none".to_owned()]).unwrap(), [""; 0]);
        assert_eq!(given(&["weather".to_owned()]).unwrap(), ["weather"]);
        assert!(given(&["wether".to_owned()]).unwrap_err().to_string().contains("wikipedia"));
    }
}
