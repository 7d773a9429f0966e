//! Policies that ship with Doorward: plain TOML, readable with `doorward policy show`.

const PRESETS: [(&str, &str); 14] = [
    ("caldav", include_str!("../../presets/caldav.toml")),
    ("claude", include_str!("../../presets/claude.toml")),
    ("codex", include_str!("../../presets/codex.toml")),
    ("gemini", include_str!("../../presets/gemini.toml")),
    ("git-push", include_str!("../../presets/git-push.toml")),
    ("git-read", include_str!("../../presets/git-read.toml")),
    ("home-assistant", include_str!("../../presets/home-assistant.toml")),
    ("mistral", include_str!("../../presets/mistral.toml")),
    ("openai", include_str!("../../presets/openai.toml")),
    ("openrouter", include_str!("../../presets/openrouter.toml")),
    ("telegram-bot", include_str!("../../presets/telegram-bot.toml")),
    ("weather", include_str!("../../presets/weather.toml")),
    ("web-read", include_str!("../../presets/web-read.toml")),
    ("wikipedia", include_str!("../../presets/wikipedia.toml")),
];

/// The text of a preset.
pub fn get(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What a preset is for: the first sentence of its text.
pub fn says(name: &str) -> Option<String> {
    let words = get(name)?.lines().map_while(|line| line.strip_prefix("# "));
    let words = words.collect::<Vec<_>>().join(" ");
    let end = words.find(". ").map_or(words.len(), |at| at + 1);
    Some(words[..end].to_owned())
}

/// All names, sorted.
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use policies::{Facts, GroupName, Method};

    use super::*;
    use crate::{Source, compile};

    /// Every preset compiles alone, and its own tests pass, including those that want `allow`.
    #[test]
    fn presets_keep_their_promises() {
        let group = GroupName::parse("family").unwrap();
        for name in names() {
            let text = get(name).unwrap().to_owned();
            assert!(text.contains("What this leaves open:"), "{name} does not say what it leaves open");
            assert!(text.contains("want = \"allow\"") && text.contains("want = \"deny\""), "{name} has too few tests");
            let source = Source { name: format!("preset {name}"), text };
            let compiled = compile(&group, &source, None).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(compiled.warnings.is_empty(), "{}", compiled.warnings);
        }
    }

    /// Every request that a preset's rule opens is described by one of its own sentences.
    #[test]
    fn presets_put_their_requests_into_words() {
        let group = GroupName::parse("family").unwrap();
        for name in names() {
            let source = Source { name: format!("preset {name}"), text: get(name).unwrap().to_owned() };
            let policy = compile(&group, &source, None).unwrap().policy;
            for rule in &policy.rules().allows {
                let host = rule.host.to_string().replace("**.", "x.").replace("*.", "x.");
                let query =
                    rule.query.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
                let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
                for request in &rule.requests {
                    let method = Method::ALL.into_iter().find(|method| request.methods().cover(*method)).unwrap();
                    let path = request.path().replace('*', "x");
                    let url = format!("{}://{host}:{}{path}{query}", rule.scheme.as_str(), rule.ports[0]);
                    let facts = Facts::parse(method.as_str(), &url).unwrap();
                    assert!(policy.said(&facts).is_some(), "{name} has no sentence for {request}");
                }
            }
        }
    }

    #[test]
    fn each_preset_says_in_a_sentence_what_it_is_for() {
        for name in names() {
            let says = says(name).unwrap();
            assert!(says.ends_with('.') && (20..=130).contains(&says.len()), "{name}: {says}");
        }
        assert_eq!(says("wikipedia").as_deref(), Some("Wikipedia, read only, in every language."));
        assert_eq!(says("nothing"), None);
    }

    #[test]
    fn presets_go_together() {
        let group = GroupName::parse("family").unwrap();
        let text = format!("use = {:?}", names());
        let source = Source { name: "family.toml".to_owned(), text };
        let policy = compile(&group, &source, None).unwrap().policy;
        let credentials = [
            "anthropic",
            "caldav",
            "gemini",
            "github",
            "home-assistant",
            "mistral",
            "openai",
            "openrouter",
            "telegram",
        ];
        assert_eq!(policy.credentials(), credentials.map(Into::into));
        assert!(names().is_sorted());
    }
}
