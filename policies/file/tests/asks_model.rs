//! Which rules allow nothing but asking a model.
#![allow(clippy::unwrap_used)]

use policies::{Facts, GroupName, Moment, Policy, Verdict};
use policy_file::Source;

const MESSAGES: &str = r#"
[[allow]]
host = "model.example"
do = ["POST /v1/messages", "POST /v1/messages/count_tokens"]
model = true
[allow.json]
"tools[*].type" = { only = ["custom", "bash_20250124"] }
"mcp_servers" = "absent"
"container" = "absent"
"#;

const CHAT: &str = r#"
[[allow]]
host = "model.example"
do = ["POST /v1/chat/completions"]
model = true
[allow.json]
"tools[*].type" = { only = ["function"] }
"web_search_options" = "absent"
"plugins" = "absent"
"preset" = "absent"
"model" = { not = ["*search*", "*deep-research*", "old-*"] }
"store" = { not = [true] }
"#;

const RESPONSES: &str = r#"
[[allow]]
host = "model.example"
do = ["POST /v1/responses"]
model = true
[allow.json]
"tools" = "absent"
"tools[*].type" = { only = ["function"] }
"prompt" = "absent"
"conversation" = "absent"
"model" = { not = ["*search*", "*deep-research*"] }
"background" = "absent"
"store" = { any = [false] }
"#;

fn compile(text: &str) -> Policy {
    let source = Source { name: "policies/family.toml".to_owned(), text: text.to_owned() };
    let compiled = policy_file::compile(&GroupName::parse("family").unwrap(), &source, None);
    compiled.unwrap_or_else(|problems| panic!("{problems}\n{text}")).policy
}

/// Whether a request that the policy allows counts as only asking a model.
#[track_caller]
fn asks_alone(text: &str, request: &str) -> bool {
    let (method, url) = request.split_once(' ').unwrap();
    match compile(text).at(Moment::FAR).decide(Facts::parse(method, url).unwrap()) {
        Verdict::Allow(permit) => permit.asks_model(),
        Verdict::Ask(ask) => panic!("{request}: {:?}", ask.by()),
        Verdict::Deny(_, refusal) => panic!("{request}: {}", refusal.why),
    }
}

#[test]
fn a_rule_for_messages_alone_asks_a_model_alone() {
    for (text, path) in [
        (MESSAGES, "v1/messages"),
        (MESSAGES, "v1/messages?beta=true"),
        (MESSAGES, "v1/messages/count_tokens"),
        (CHAT, "v1/chat/completions"),
        (RESPONSES, "v1/responses"),
    ] {
        assert!(asks_alone(text, &format!("POST https://model.example/{path}")), "{path}");
    }
    let twice = format!("{MESSAGES}{MESSAGES}");
    assert!(asks_alone(&twice, "POST https://model.example/v1/messages"), "two of the kind are of the kind");
}

/// Each is one step away from a rule that only asks a model, and counts as a write.
#[test]
fn a_rule_that_lets_anything_else_through_is_one_that_writes() {
    let steps: [(&str, &str, &str, &str); 28] = [
        (MESSAGES, "model = true", "", "it leads to no model"),
        (MESSAGES, "\"POST /v1/messages\",", "\"POST /v1/messages\", \"POST /v1/*\",", "a star"),
        (MESSAGES, "\"POST /v1/messages\",", "\"POST /v1/messages\", \"POST /v1/messages/**\",", "all below"),
        (MESSAGES, "\"POST /v1/messages\",", "\"* /v1/messages\",", "any method"),
        (MESSAGES, "\"POST /v1/messages\",", "\"POST /v1/messages\", \"PUT /v1/messages\",", "another method"),
        (MESSAGES, "\"POST /v1/messages\",", "\"POST /v1/messages\", \"GET /v1/models\",", "what is no message"),
        (MESSAGES, "count_tokens", "batches", "batches are background jobs"),
        (MESSAGES, "POST /v1/messages/count_tokens", "POST /v1/files", "files are stored"),
        (MESSAGES, "host = \"model.example\"", "host = \"*.example.com\"", "a host by a pattern"),
        (MESSAGES, "\"custom\", \"bash_20250124\"", "\"custom\", \"web_fetch_*\"", "a tool that fetches"),
        (MESSAGES, "\"custom\", \"bash_20250124\"", "\"custom\", \"code_execution_20250825\"", "code that runs there"),
        (MESSAGES, "\"custom\", \"bash_20250124\"", "\"*\"", "any tool"),
        (MESSAGES, "\"custom\", \"bash_20250124\"", "\"bash*\"", "more than the tools that are known"),
        (MESSAGES, "{ only = [\"custom\", \"bash_20250124\"] }", "{ not = [\"web_*\"] }", "all tools but some"),
        (MESSAGES, "{ only = [\"custom\", \"bash_20250124\"] }", "{ any = [\"custom\"] }", "others beside a known one"),
        (MESSAGES, "tools[*].type", "tools[0].type", "the first tool only"),
        (MESSAGES, "\"mcp_servers\" = \"absent\"", "", "other people's servers"),
        (MESSAGES, "\"mcp_servers\" = \"absent\"", "\"mcp_servers\" = \"present\"", "and where they must be"),
        (MESSAGES, "\"container\" = \"absent\"", "", "a container of the provider's"),
        (CHAT, "\"store\" = { not = [true] }", "", "stored completions"),
        (CHAT, "\"store\" = { not = [true] }", "\"store\" = { only = [true] }", "store: true"),
        (CHAT, "\"store\" = { not = [true] }", "\"store\" = { only = [true, false] }", "or not"),
        (CHAT, "\"*search*\", ", "", "models that search"),
        (CHAT, "\"web_search_options\" = \"absent\"", "", "a search"),
        (RESPONSES, "\"store\" = { any = [false] }", "", "responses are stored unless they say no"),
        (RESPONSES, "\"store\" = { any = [false] }", "\"store\" = { only = [false] }", "what says nothing is stored"),
        (RESPONSES, "\"background\" = \"absent\"", "", "background: true"),
        (RESPONSES, "\"conversation\" = \"absent\"", "", "a conversation that is kept"),
    ];
    for (text, from, to, what) in steps {
        assert!(text.contains(from), "{what}");
        let changed = text.replacen(from, to, 1);
        let path = if text == MESSAGES {
            "messages"
        } else if text == CHAT {
            "chat/completions"
        } else {
            "responses"
        };
        let host = if changed.contains("*.example.com") { "model.example.com" } else { "model.example" };
        assert!(!asks_alone(&changed, &format!("POST https://{host}/v1/{path}")), "{what}");
    }
    // A rule without the credential that is put on says nothing about the body, so it makes no
    // difference here.
    let keyed = MESSAGES.replace("model = true", "model = true\ncredential = \"key\"");
    let private = "[[allow]]\nhost = \"model.example\"\ndo = [\"POST /v1/messages\"]\nprivate = [\"127.0.0.1/32\"]\n";
    assert!(asks_alone(&format!("{keyed}{private}"), "POST https://model.example/v1/messages"));
    assert!(!asks_alone(&format!("{MESSAGES}{private}"), "POST https://model.example/v1/messages"));
    // Requests that another rule beside it or observing lets through do not count either.
    let beside = format!("{MESSAGES}[[allow]]\nhost = \"model.example\"\ndo = [\"POST /**\"]\n");
    assert!(!asks_alone(&beside, "POST https://model.example/v1/messages"));
    let of_another_path = format!("{MESSAGES}[[allow]]\nhost = \"model.example\"\ndo = [\"POST /v1/files\"]\n");
    assert!(asks_alone(&of_another_path, "POST https://model.example/v1/messages"));
    assert!(!asks_alone(&of_another_path, "POST https://model.example/v1/files"));
}

/// Presets whose rules only ask a model.
#[test]
fn of_the_presets_claude_and_chat_completions_ask_a_model_alone() {
    let asks = |preset: &str, request| asks_alone(&format!("use = [{preset:?}]"), request);
    assert!(asks("claude", "POST https://api.anthropic.com/v1/messages?beta=true"));
    assert!(asks("claude", "POST https://api.anthropic.com/v1/messages/count_tokens"));
    assert!(asks("openai", "POST https://api.openai.com/v1/chat/completions"));
    // These leave open what may be stored: responses are, unless a client says otherwise, and
    // refusing that would refuse most clients. Or a path has a star.
    assert!(!asks("openai", "POST https://api.openai.com/v1/responses"));
    assert!(!asks("openrouter", "POST https://openrouter.ai/api/v1/chat/completions"));
    let gemini = "POST https://generativelanguage.googleapis.com/v1beta/models/m:generateContent";
    assert!(!asks("gemini", gemini));
    // Widened by a line of the group's own, it is another rule.
    let widened = "use = [\"claude\"]\n[[allow]]\nhost = \"api.anthropic.com\"\ndo = [\"* /v1/**\"]\ncredential = \"anthropic\"\n";
    assert!(!asks_alone(widened, "POST https://api.anthropic.com/v1/messages"));
    assert!(!asks_alone(widened, "POST https://api.anthropic.com/v1/files"));
}
