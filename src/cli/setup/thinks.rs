//! The agent and its key.

use std::io::Read as _;

use anyhow::{Context as _, anyhow};
use policies::GroupName;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::question::Choice;
use super::super::secret::kept;
use super::super::{Failure, progress, refused, show};
use super::trial::{self, Tried};
use super::{Setup, written};
use crate::agents;
use crate::config::{Agent, Config, GroupSettings, services};
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::store::{Group, Store};

/// The credential in the preset `claude`.
const CREDENTIAL: &str = "anthropic";

/// How often a rejected key is asked for again.
const MOST_KEYS: usize = 5;

const WHICH_KEY: &str = "\
Claude needs a key of yours: an API key (from console.anthropic.com, begins with sk-ant-api, billed by usage), or the \
token of a Claude subscription (begins with sk-ant-oat; `claude setup-token` prints it, wherever you use Claude Code). It \
is kept in a file for you alone, and no sandbox sees it. Without a key, stop here (Ctrl-C) and choose the shell.";

impl Setup<'_> {
    pub(super) async fn which_agent(&mut self, store: &Store) -> Result<Agent, Failure> {
        if let Some(agent) = &self.args.agent {
            return Agent::parse(agent).map_err(|why| refused(anyhow!(why)));
        }
        let mut from = vec![
            Choice {
                is: Agent::Claude { model: None },
                words: "Claude Code, with an API key or a Claude subscription".to_owned(),
            },
            Choice {
                is: Agent::Shell,
                words: "a plain shell, to try things with: each message is a command".to_owned(),
            },
        ];
        // The shell of an owner who has only looked around is no deliberate choice.
        let main = store.main_group()?;
        let settings = main.map(|main| GroupSettings::load(self.home, &main.name)).transpose()?;
        let has_key = Config::load(self.home)?.credentials.contains_key(CREDENTIAL);
        let is_shell = settings.as_ref().is_some_and(|settings| settings.agent == Agent::Shell);
        let usual = match settings.map(|settings| settings.agent) {
            None | Some(Agent::Claude { .. } | Agent::Shell) => usize::from(has_key && is_shell),
            Some(other) => {
                from.push(Choice { words: format!("{other}, as it is"), is: other });
                from.len() - 1
            }
        };
        self.ask.one("Who answers?", "--agent claude or --agent shell", from, usual).await
    }

    /// Sets a group's agent, if its files say otherwise.
    pub(super) fn set_agent(&self, group: &GroupName, agent: &Agent) -> Result<(), Failure> {
        if GroupSettings::load(self.home, group)?.agent.name() != agent.name() {
            written::agent(self.home, group, agent.name())?;
        }
        if matches!(agent, Agent::Claude { .. }) {
            written::presets(self.home, group, &["claude"], &[])?;
        }
        Ok(())
    }

    /// Setup ends if an agent has no access to its model or no key for it.
    pub(super) fn can_think(&self, groups: &[&Group], agent: &Agent) -> Result<(), Failure> {
        let config = Config::load(self.home)?;
        for group in groups {
            let policy = PolicyFiles::compile(self.home, &group.name)?.policy;
            agents::check_key(&group.name, agent, &policy, &config).map_err(|missing| {
                let next = format!("doorward agent set {} {}", group.name, agent.name());
                refused(anyhow!("{missing}\nNext, which sees to all of it:\n{next}"))
            })?;
        }
        Ok(())
    }

    /// Asks until there is a key that Anthropic accepts, or nobody can tell.
    pub(super) async fn key(&mut self, group: &GroupName) -> Result<(), Failure> {
        let mut again = false;
        let mut keep = self.keeps_the_old().await?;
        for _ in 0..MOST_KEYS {
            if !keep {
                let key = self.new_key(again).await?;
                keep_key(self.home, &key)?;
            }
            let trying = progress::while_waiting("trying the key", trial::key(self.home, group));
            match trying.await? {
                Tried::Accepted => return Ok(show::line("Anthropic accepts the key.")?),
                Tried::NotAccepted => show::line("Anthropic does not accept this key (401).")?,
                Tried::Unknown(why) => {
                    let words = "The key is kept; the first message will tell, or `doorward setup` again.";
                    return Ok(show::line(format!("The key could not be tried: {why}\n{words}"))?);
                }
            }
            if self.args.key.is_some() {
                break;
            }
            (again, keep) = (true, false);
        }
        Err(refused(anyhow!("there is no key that Anthropic accepts; look it up, then run `doorward setup` again")))
    }

    async fn keeps_the_old(&mut self) -> Result<bool, Failure> {
        let config = Config::load(self.home)?;
        let old = config.credentials.get(CREDENTIAL).filter(|credential| credential.source.read().is_ok());
        let Some(old) = old.filter(|_| self.args.key.is_none()) else { return Ok(false) };
        let question = format!("There is a key for Claude in {}. Go on with it?", old.source);
        self.ask.confirm(&question, "--key FILE", true).await
    }

    async fn new_key(&mut self, again: bool) -> Result<SecretString, Failure> {
        let Some(file) = &self.args.key else {
            if !again {
                show::line(WHICH_KEY)?;
            }
            return self.ask.secret("The key", "--key FILE", rule, again).await;
        };
        let mut text = String::new();
        if file.as_os_str() == "-" {
            std::io::stdin().lock().take(64 << 10).read_to_string(&mut text)?;
        } else {
            text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        }
        rule(text.trim()).map_err(|why| refused(anyhow!("--key: {why}")))?;
        Ok(SecretString::from(text.trim()))
    }
}

/// The form of Claude's keys. No message repeats the key.
fn rule(text: &str) -> Result<(), String> {
    kept::fits(text)?;
    match services::of_key(text) {
        Some(service) if service.name == CREDENTIAL => Ok(()),
        Some(service) => Err(format!("that is a key for {}; Claude's begin with sk-ant-", service.title)),
        None => Err("that is no key of Claude's: those begin with sk-ant-api or sk-ant-oat".to_owned()),
    }
}

/// Stores a key as `doorward secret add` does, and names it in `doorward.toml`.
fn keep_key(home: &Home, key: &SecretString) -> Result<(), Failure> {
    let source = kept::put(home, CREDENTIAL, kept::Store::File, key)?;
    let service = services::named(CREDENTIAL, Some(key.expose_secret())).context("the key is of no known service")?;
    written::credential(home, service, &kept::place_of(home, CREDENTIAL, kept::Store::File)?)?;
    let wheres = format!("Kept in {source}, and named in {}.", home.config_file().display());
    Ok(show::line(format!("It is for {}. {wheres}", service.title))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_shape_and_never_repeated() {
        assert_eq!(rule("sk-ant-api03-0123456789abcdef"), Ok(()));
        assert_eq!(rule("sk-ant-oat01-0123456789abcdef"), Ok(()));
        for (key, wanted) in [
            ("sk-proj-0123456789abcdef", "OpenAI"),
            ("ghp_0123456789abcdef", "GitHub"),
            ("correct horse battery", "no key of Claude's"),
            ("sk-ant", "16 KiB"),
        ] {
            let why = rule(key).unwrap_err();
            assert!(why.contains(wanted) && !why.contains(key), "{why}");
        }
    }
}
