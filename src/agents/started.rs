//! How the agents that speak ACP are started, so that each asks its model and nobody else.

use containers::protocol::Program;
use serde_json::json;

/// The endpoint of Codex's model.
pub(super) const RESPONSES: &str = "https://api.openai.com/v1/responses";

/// The variable in which it looks for its key.
pub(super) const CODEX_KEY: &str = "OPENAI_API_KEY";

/// Google's key, from whichever variable has it; opencode reads both, but passes on only the second.
const GEMINI_KEY: &str = "{env:GEMINI_API_KEY}{env:GOOGLE_GENERATIVE_AI_API_KEY}";

/// opencode asks only its model: no model lists, updates, plugins, sharing, or titles by another model.
pub(super) fn opencode(model: Option<&str>, endpoint: Option<&str>) -> Program {
    /// The name of a server at home in its settings.
    const HOME: &str = "home";
    let mut settings = json!({
        "autoupdate": false,
        "share": "disabled",
        // It would silently replace an unknown model.
        "disabled_providers": ["opencode"],
        "permission": { "*": "allow" },
        "skills": { "paths": [containers::SKILLS] },
        "agent": { "title": { "disable": true } },
    });
    match (model, endpoint) {
        (Some(model), Some(endpoint)) => {
            settings["model"] = json!(format!("{HOME}/{model}"));
            settings["provider"][HOME] = json!({
                "npm": "@ai-sdk/openai-compatible",
                "options": { "baseURL": endpoint },
                "models": { model: {} },
            });
        }
        (Some(model), None) => {
            settings["model"] = json!(model);
            if model.starts_with("google/") {
                settings["provider"]["google"]["options"]["apiKey"] = json!(GEMINI_KEY);
            }
        }
        (None, _) => {}
    }
    let quiet = [
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_LSP_DOWNLOAD",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS",
        "OPENCODE_DISABLE_SHARE",
        "OPENCODE_PURE",
    ];
    let quiet = quiet.map(|switch| (switch.to_owned(), "1".to_owned()));
    let settings = ("OPENCODE_CONFIG_CONTENT".to_owned(), settings.to_string());
    Program {
        name: "opencode".to_owned(),
        command: vec!["opencode".to_owned(), "acp".to_owned()],
        environment: quiet.into_iter().chain([settings]).collect(),
        // Where it finds a settings folder, it would install a plugin's library from npm.
        sealed: vec![".config/opencode".to_owned()],
    }
}

/// Codex's settings, as command line arguments: OpenAI with the key from a variable, without a login; no sandbox of its
/// own inside ours; no search at OpenAI; nothing that asks anybody else. All tool groups are announced at once, since
/// they are few.
pub(super) fn codex(model: Option<&str>) -> Program {
    let provider = format!(
        r#"{{ name = "OpenAI", base_url = "https://api.openai.com/v1", env_key = "{CODEX_KEY}", wire_api = "responses" }}"#
    );
    let settings = [
        ("model_provider", r#""openai-by-key""#),
        ("model_providers.openai-by-key", &provider),
        ("approval_policy", r#""never""#),
        ("sandbox_mode", r#""danger-full-access""#),
        ("web_search", r#""disabled""#),
        ("shell_environment_policy.inherit", r#""all""#),
        ("shell_environment_policy.ignore_default_excludes", "true"),
        ("analytics.enabled", "false"),
        ("feedback.enabled", "false"),
        ("check_for_update_on_startup", "false"),
        ("features.multi_agent", "false"),
        ("features.goals", "false"),
        ("features.tool_search", "false"),
        ("features.apps", "false"),
        ("features.plugins", "false"),
    ];
    let named = model.map(|model| ("model", json!(model).to_string()));
    let named = named.iter().map(|(key, value)| (*key, value.as_str()));
    let arguments =
        settings.into_iter().chain(named).flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]);
    Program {
        name: "codex".to_owned(),
        command: std::iter::once("codex-acp".to_owned()).chain(arguments).collect(),
        environment: [("RUST_LOG".to_owned(), "error".to_owned())].into(),
        sealed: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Whatever the model, nothing else is asked, and the model is the named one.
    #[test]
    fn opencode_gets_its_model_by_its_settings() {
        let settings = |model: Option<&str>, endpoint: Option<&str>| {
            let environment = opencode(model, endpoint).environment;
            assert_eq!(environment["OPENCODE_DISABLE_MODELS_FETCH"], "1");
            serde_json::from_str::<serde_json::Value>(&environment["OPENCODE_CONFIG_CONTENT"]).unwrap()
        };
        assert_eq!(settings(None, None)["model"], serde_json::Value::Null);
        assert_eq!(settings(None, None)["disabled_providers"], json!(["opencode"]));
        assert_eq!(settings(Some("anthropic/claude-sonnet-5"), None)["model"], "anthropic/claude-sonnet-5");
        let google = settings(Some("google/gemini-3.1-pro-preview"), None);
        assert_eq!(google["provider"]["google"]["options"]["apiKey"], GEMINI_KEY);
        let home = settings(Some("llama3.2"), Some("http://192.168.1.20:11434/v1"));
        assert_eq!(home["model"], "home/llama3.2");
        assert_eq!(home["provider"]["home"]["options"]["baseURL"], "http://192.168.1.20:11434/v1");
    }

    #[test]
    fn codex_gets_its_model_by_its_arguments() {
        let of = |model| codex(model).command;
        assert!(of(Some("gpt-5.2-codex")).ends_with(&["-c".to_owned(), "model=\"gpt-5.2-codex\"".to_owned()]));
        assert!(!of(None).iter().any(|argument| argument.starts_with("model=")));
        assert!(of(None).iter().any(|argument| argument == "web_search=\"disabled\""));
    }
}
