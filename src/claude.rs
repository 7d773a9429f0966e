//! What a group whose agent is Claude Code needs beside its image: a way to the model
//! and a key for it. Said before a sandbox starts, and by `doorward doctor`.

use policies::{GroupName, Policy};

use crate::config::Config;

/// Where Claude Code looks for what identifies it: an API key, a subscription's token.
const VARIABLES: [&str; 3] = ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"];

/// Whether a request is the agent asking its model: the two that the preset `claude` allows.
/// Whether anything else can come of it is for its rule to say (`Permit::asks_model`).
pub fn is_model_call(host: &str, path: &str) -> bool {
    host == "api.anthropic.com" && matches!(path, "/v1/messages" | "/v1/messages/count_tokens")
}

/// Why a group's agent would hold no key for its model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// Its policy names no credential that could be one.
    #[error(
        "the agent of group {0} is Claude Code, but its policy gives it no way to Claude: put use = [\"claude\"] into \
         policies/{0}.toml"
    )]
    Policy(GroupName),
    /// The credential that it names is not there, or shows itself in no variable that counts.
    #[error(
        "the agent of group {0} is Claude Code, but its sandbox would hold no key: doorward.toml needs the credential \
         [credentials.{1}] with env = \"ANTHROPIC_API_KEY\" (an API key) or env = \"CLAUDE_CODE_OAUTH_TOKEN\" (a \
         subscription); docs/agents.md shows both"
    )]
    Credential(GroupName, String),
}

/// Whether a sandbox under this policy would hold a key for Claude.
pub fn check_key(group: &GroupName, policy: &Policy, config: &Config) -> Result<(), NoKey> {
    let wanted = policy.credentials();
    let Some(first) = wanted.iter().find(|name| ***name == *"anthropic").or(wanted.first()) else {
        return Err(NoKey::Policy(group.clone()));
    };
    let shows_key = |name| {
        let credential = config.credentials.get(name);
        credential.and_then(|one| one.env.as_deref()).is_some_and(|env| VARIABLES.contains(&env))
    };
    if wanted.iter().any(shows_key) { Ok(()) } else { Err(NoKey::Credential(group.clone(), first.to_string())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use policy_file::Source;

    use super::*;

    const KEY: &str = "[credentials.anthropic]\nsecret = \"env:X\"\nhosts = [\"api.anthropic.com\"]\n\
                       place = [\"header:x-api-key\"]\n";

    fn check(policy: &str, config: &str) -> Result<(), NoKey> {
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "policies/family.toml".to_owned(), text: policy.to_owned() };
        let policy = policy_file::compile(&group, &source, None).unwrap().policy;
        check_key(&group, &policy, &Config::parse("doorward.toml", config, Path::new("/")).unwrap())
    }

    #[test]
    fn what_is_missing_is_named() {
        let with_env = format!("{KEY}env = \"ANTHROPIC_API_KEY\"");
        assert_eq!(check("use = [\"claude\"]", &with_env), Ok(()));
        for (policy, config, wanted) in [
            ("", with_env.as_str(), "use = [\"claude\"]"),
            ("use = [\"claude\"]", "", "[credentials.anthropic]"),
            ("use = [\"claude\"]", KEY, "env = \"ANTHROPIC_API_KEY\""),
        ] {
            let why = check(policy, config).unwrap_err().to_string();
            assert!(why.contains(wanted) && why.contains("family"), "{why}");
        }
    }
}
