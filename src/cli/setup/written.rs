//! Setup's edits: of the files that their owner edits, by [`Edit`], which keeps everything else in them.

use policies::GroupName;
use toml_edit::{Array, Value};

use super::super::Failure;
use super::super::show::{self, Styled};
use crate::config::services::Service;
use crate::config::{Config, WhatsappMode};
use crate::edit::{Edit, NewCredential};
use crate::home::Home;

/// Puts a service's key into `doorward.toml`; an existing one becomes this kind of key.
pub(super) fn credential(home: &Home, service: &Service, secret: &str) -> Result<(), Failure> {
    let Service { name, hosts, place, env, .. } = *service;
    let edit = Edit::config(home)?;
    if !Config::load(home)?.credentials.contains_key(name) {
        edit.credential(&NewCredential { name, secret, hosts, place, env: Some(env) })?.write()?;
        return Ok(());
    }
    let table = ["credentials", name];
    let list = |words: &[&str]| Value::Array(words.iter().copied().collect::<Array>());
    let edit = edit.set(&table, "secret", secret)?.set(&table, "hosts", list(hosts))?;
    edit.set(&table, "place", list(place))?.set(&table, "env", env)?.write()?;
    Ok(())
}

/// Enables the WhatsApp channel.
pub(super) fn whatsapp(home: &Home, mode: WhatsappMode) -> Result<(), Failure> {
    let table = ["channels", "whatsapp"];
    Edit::config(home)?.set(&table, "enabled", true)?.set(&table, "mode", mode.as_str())?.write()?;
    Ok(())
}

/// Sets a group's agent.
pub(super) fn agent(home: &Home, group: &GroupName, agent: &str) -> Result<(), Failure> {
    // The previous agent's settings do not apply to this one.
    let edit = ["agents", "model", "endpoint", "command"];
    let edit = edit.into_iter().try_fold(Edit::group(home, group)?, |edit, key| edit.unset(key))?;
    edit.set("agent", agent)?.write()?;
    Ok(())
}

/// Adds presets to a group's policy and removes others, and shows the change.
pub(super) fn presets(home: &Home, group: &GroupName, more: &[&str], gone: &[String]) -> Result<(), Failure> {
    let edit = more.iter().try_fold(Edit::policy(home, group)?, |edit, preset| edit.use_preset(preset))?;
    let edit = gone.iter().try_fold(edit, |edit, preset| edit.unuse_preset(preset))?;
    if !gone.is_empty() {
        show::line(Styled::fixed(edit.difference().trim_end()))?;
    }
    edit.write()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::services;

    #[test]
    fn another_kind_of_key_takes_the_place_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let write = |key: &str| {
            let service = services::named("anthropic", Some(key)).unwrap();
            credential(&home, service, "file:secrets/anthropic").unwrap();
            Config::load(&home).unwrap().credentials["anthropic"].env.clone().unwrap()
        };
        assert_eq!(write("sk-ant-api03-x"), "ANTHROPIC_API_KEY");
        let first = std::fs::read_to_string(home.config_file()).unwrap();
        std::fs::write(home.config_file(), format!("# mine\n{first}only = [\"POST /v1/**\"]   # a ceiling\n")).unwrap();
        assert_eq!(write("sk-ant-oat01-x"), "CLAUDE_CODE_OAUTH_TOKEN");
        let text = std::fs::read_to_string(home.config_file()).unwrap();
        assert!(text.starts_with("# mine\n") && text.contains("# a ceiling"), "{text}");
        assert_eq!(write("sk-ant-oat01-x"), "CLAUDE_CODE_OAUTH_TOKEN");
        assert_eq!(std::fs::read_to_string(home.config_file()).unwrap(), text);
    }
}
