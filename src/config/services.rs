//! Services for which many people have a key: where each key may go, its place in a request, and the variable in which
//! programs look for it.
//!
//! The names are those that presets use for credentials.

/// A service.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// Its credential's name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The prefixes of its keys; none if they have nothing in common.
    pub begins: &'static [&'static str],
    /// The only hosts to which its key may go.
    pub hosts: &'static [&'static str],
    /// The key's place in a request.
    pub place: &'static [&'static str],
    /// The variable in which programs look for it.
    pub env: &'static str,
}

/// Of entries with the same name, the one with the longest prefix comes first.
const ALL: [Service; 12] = [
    Service {
        name: "anthropic",
        title: "Claude, by a subscription's token",
        begins: &["sk-ant-oat01-"],
        hosts: &["api.anthropic.com"],
        place: &["header:authorization"],
        env: "CLAUDE_CODE_OAUTH_TOKEN",
    },
    Service {
        name: "anthropic",
        title: "Claude, by an API key",
        begins: &["sk-ant-"],
        hosts: &["api.anthropic.com"],
        // Claude Code uses one, newer Anthropic libraries the other.
        place: &["header:x-api-key", "header:authorization"],
        env: "ANTHROPIC_API_KEY",
    },
    Service {
        name: "openrouter",
        title: "OpenRouter",
        begins: &["sk-or-v1-"],
        hosts: &["openrouter.ai"],
        place: &["header:authorization"],
        env: "OPENROUTER_API_KEY",
    },
    Service {
        name: "openai",
        title: "OpenAI",
        begins: &["sk-proj-", "sk-svcacct-"],
        hosts: &["api.openai.com"],
        place: &["header:authorization"],
        env: "OPENAI_API_KEY",
    },
    Service {
        name: "gemini",
        title: "Gemini",
        begins: &["AIza"],
        hosts: &["generativelanguage.googleapis.com"],
        place: &["header:x-goog-api-key", "query:key"],
        env: "GEMINI_API_KEY",
    },
    Service {
        name: "mistral",
        title: "Mistral",
        begins: &[],
        hosts: &["api.mistral.ai"],
        place: &["header:authorization"],
        env: "MISTRAL_API_KEY",
    },
    Service {
        name: "github",
        title: "GitHub",
        begins: &["ghp_", "gho_", "ghu_", "ghs_", "github_pat_"],
        hosts: &["api.github.com", "github.com"],
        place: &["header:authorization", "basic:password"],
        env: "GITHUB_TOKEN",
    },
    Service {
        name: "gitlab",
        title: "GitLab",
        begins: &["glpat-"],
        hosts: &["gitlab.com"],
        place: &["header:private-token", "header:authorization", "basic:password"],
        env: "GITLAB_TOKEN",
    },
    Service {
        name: "notion",
        title: "Notion",
        begins: &["ntn_", "secret_"],
        hosts: &["api.notion.com"],
        place: &["header:authorization"],
        env: "NOTION_TOKEN",
    },
    Service {
        name: "telegram",
        title: "a Telegram bot",
        begins: &[],
        hosts: &["api.telegram.org"],
        place: &["path:/bot{}", "path:/file/bot{}"],
        env: "TELEGRAM_BOT_TOKEN",
    },
    Service {
        name: "caldav",
        title: "a calendar at Fastmail",
        begins: &[],
        hosts: &["caldav.fastmail.com"],
        place: &["basic:password"],
        env: "CALDAV_PASSWORD",
    },
    Service {
        name: "home-assistant",
        title: "Home Assistant",
        begins: &[],
        hosts: &["homeassistant.local:8123"],
        place: &["header:authorization"],
        env: "HOME_ASSISTANT_TOKEN",
    },
];

/// The hosts of models: each authenticates by one header only, according to its documentation.
const MODELS: [&str; 5] =
    ["api.anthropic.com", "api.mistral.ai", "api.openai.com", "generativelanguage.googleapis.com", "openrouter.ai"];

/// Headers with conversation and turn numbers, as opencode and Codex name them.
const OF_CONVERSATIONS: [&str; 6] = [
    "header:session-id",
    "header:thread-id",
    "header:x-codex-turn-metadata",
    "header:x-codex-window-id",
    "header:x-session-affinity",
    "header:x-session-id",
];

/// Headers that authenticate nobody at any of these hosts, though their names suggest it: agents send models the number
/// of their conversation.
pub(super) fn harmless_at(hosts: impl IntoIterator<Item = String>) -> &'static [&'static str] {
    let mut hosts = hosts.into_iter().peekable();
    let some = hosts.peek().is_some();
    if some && hosts.all(|host| MODELS.contains(&&*host)) { &OF_CONVERSATIONS } else { &[] }
}

/// All services.
pub fn all() -> std::slice::Iter<'static, Service> {
    const { &ALL }.iter()
}

/// The service with this name and, given its key, the matching kind of key.
pub fn named(name: &str, key: Option<&str>) -> Option<&'static Service> {
    let same = || all().filter(|service| service.name == name);
    let fits = |service: &&Service| key.is_some_and(|key| service.begins.iter().any(|begin| key.starts_with(begin)));
    // Without a key: the kind with the least specific prefix.
    same().find(fits).or_else(|| same().next_back())
}

/// The service of a key, by its prefix.
pub fn of_key(key: &str) -> Option<&'static Service> {
    all().find(|service| service.begins.iter().any(|begin| key.starts_with(begin)))
}

/// The other service to which a key belongs by its prefix, if the named service is known: it would be sent to the wrong
/// one.
pub fn of_another(name: &str, key: &str) -> Option<&'static Service> {
    named(name, None)?;
    of_key(key).filter(|service| service.name != name)
}

/// The actual kind of this key, if its service has several and `env` belongs to another kind.
pub fn other_kind(name: &str, key: &str, env: Option<&str>) -> Option<&'static Service> {
    let is_usual = all().any(|service| service.name == name && Some(service.env) == env);
    let kind = of_key(key).filter(|service| service.name == name)?;
    (is_usual && Some(kind.env) != env).then_some(kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn each_is_a_credential_that_loads() {
        for service in all() {
            let text = format!(
                "[credentials.{}]\nsecret = \"file:secrets/x\"\nhosts = {:?}\nplace = {:?}\nenv = {:?}\n",
                service.name, service.hosts, service.place, service.env
            );
            Config::parse("doorward.toml", &text, Path::new("/")).unwrap();
        }
    }

    #[test]
    fn the_number_of_a_conversation_is_no_key_of_a_models() {
        let harmless = |hosts: &str| {
            let text =
                format!("[credentials.a]\nsecret = \"env:X\"\nhosts = {hosts}\nplace = [\"header:x-api-key\"]\n");
            let config = Config::parse("doorward.toml", &text, Path::new("/")).unwrap();
            config.credentials["a"].harmless.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(harmless("[\"api.anthropic.com\"]"), OF_CONVERSATIONS);
        assert_eq!(harmless("[\"api.anthropic.com\", \"mine.example\"]"), [""; 0]);
        assert_eq!(harmless("[\"mine.example\"]"), [""; 0]);
    }

    #[test]
    fn a_key_says_which_it_is() {
        let env = |key| of_key(key).map(|service| service.env);
        assert_eq!(env("sk-ant-oat01-x"), Some("CLAUDE_CODE_OAUTH_TOKEN"));
        assert_eq!(env("sk-ant-api03-x"), Some("ANTHROPIC_API_KEY"));
        assert_eq!(env("hunter2"), None);
        assert_eq!(named("anthropic", Some("sk-ant-oat01-x")).unwrap().env, "CLAUDE_CODE_OAUTH_TOKEN");
        assert_eq!(named("anthropic", None).unwrap().env, "ANTHROPIC_API_KEY");
        assert_eq!(named("telegram", Some("123:abc")).unwrap().env, "TELEGRAM_BOT_TOKEN");
        assert_eq!(named("nobody", None), None);
    }

    #[test]
    fn a_key_of_another_service_or_kind_is_known() {
        let other = |name, key| of_another(name, key).map(|service| service.name);
        assert_eq!(other("openai", "sk-ant-api03-x"), Some("anthropic"));
        assert_eq!(other("mistral", "sk-proj-x"), Some("openai"));
        assert_eq!(other("anthropic", "sk-ant-oat01-x"), None);
        assert_eq!(other("mistral", "anything"), None);
        assert_eq!(other("club", "ghp_x"), None, "whoever names their own says where it goes");
        let kind = |key, env| other_kind("anthropic", key, Some(env)).map(|service| service.env);
        assert_eq!(kind("sk-ant-oat01-x", "ANTHROPIC_API_KEY"), Some("CLAUDE_CODE_OAUTH_TOKEN"));
        assert_eq!(kind("sk-ant-api03-x", "ANTHROPIC_API_KEY"), None);
        assert_eq!(kind("sk-ant-oat01-x", "MINE"), None);
    }

    /// Every credential that a preset asks for is known.
    #[test]
    fn presets_ask_for_known_services() {
        let group = policies::GroupName::parse("family").unwrap();
        let text = format!("use = {:?}", policy_file::presets::names());
        let source = policy_file::Source { name: "family.toml".to_owned(), text };
        let asked = policy_file::compile(&group, &source, None).unwrap().policy.credentials();
        let unknown: Vec<_> = asked.iter().filter(|name| named(name, None).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
