//! The owner's own MCP servers, a program in the sandbox and a host behind a rule, as real agents use them.

use crate::support::{self, Anthropic, Does, Home, Key, OpenAi, Request, Response, Upstream, random_key};
use serde_json::{Value, json};

/// A program that speaks MCP over its standard input and output, with one tool.
const NOTES: &str = r#"
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "initialize":
        told = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "notes", "version": "1"}}
    elif asked["method"] == "tools/list":
        told = {"tools": [{"name": "look", "description": "Looks", "inputSchema": {"type": "object", "properties": {}}}]}
    elif asked["method"] == "tools/call":
        told = {"content": [{"type": "text", "text": "milk, says " + os.environ["SHELF"]}]}
    else:
        told = {}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}), flush=True)
"#;

const SERVERS: &str = "\
[[mcp]]
name = \"notes\"
command = [\"python3\", \"/workspace/group/notes.py\"]
environment = { SHELF = \"the shelf\" }

[[mcp]]
name = \"calendar\"
url = \"https://mcp.example/mcp\"
token = \"CALENDAR_TOKEN\"
";

const RULE: &str = "\
[[allow]]
host = \"mcp.example\"
do = [\"POST /mcp\", \"GET /mcp\", \"DELETE /mcp\"]
credential = \"calendar\"
private = [\"127.0.0.1/32\"]
";

/// A host that speaks MCP, to whoever brings the real token.
fn calendar(token: &str) -> Upstream {
    let wanted = format!("Bearer {token}");
    Upstream::start(&["mcp.example"], move |request| match request.header("authorization") == Some(&wanted) {
        true => mcp(request),
        false => Response { status: 401, ..Response::ok("") },
    })
}

fn mcp(request: &Request) -> Response {
    let status = |status| Response { status, ..Response::ok("") };
    if request.method != "POST" {
        return status(405);
    }
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    let result = match asked["method"].as_str() {
        _ if asked["id"].is_null() => return status(202),
        Some("initialize") => json!({
            "protocolVersion": asked["params"]["protocolVersion"], "capabilities": { "tools": {} },
            "serverInfo": { "name": "calendar", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [
            { "name": "today", "description": "Today", "inputSchema": { "type": "object", "properties": {} } },
        ] }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "the dentist at nine" }] }),
        _ => json!({}),
    };
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    Response::ok(answer.to_string()).header("content-type", "application/json")
}

fn with_servers(home: Home, agent: &str) -> (Home, Upstream) {
    let token = random_key("cal-");
    let calendar = calendar(&token);
    let home = home.host("mcp.example", &calendar).credential(
        "calendar",
        &token,
        "hosts = [\"mcp.example\"]\nplace = [\"header:authorization\"]\nenv = \"CALENDAR_TOKEN\"",
    );
    std::fs::write(home.group_folder("family").join("notes.py"), NOTES).unwrap();
    std::fs::write(home.at("groups/family.toml"), format!("{agent}\n{SERVERS}")).unwrap();
    let policy = std::fs::read_to_string(home.policy_file("family")).unwrap();
    home.write_policy("family", &format!("{policy}\n{RULE}"));
    (home, calendar)
}

/// As Claude Code and Codex call them.
const AFTER_MCP: [&str; 2] = ["mcp__notes__look", "mcp__calendar__today"];

/// Uses the one tool, then the other, by the names that its agent has for them, and says what both told.
fn uses_both(results: &[String], [notes, calendar]: [&'static str; 2]) -> Does {
    match results {
        [] => Does::Uses(notes, json!({})),
        [_] => Does::Uses(calendar, json!({})),
        all => Does::Says(format!("I found: {}", all.join("; "))),
    }
}

fn answers(home: &Home) {
    let _daemon = home.up();
    home.chat("family", "what do we need?").ok().prints("milk, says the shelf").prints("the dentist at nine");
    home.run(&["status"]).ok().prints("MCP servers of family: notes (python3), calendar (https://mcp.example/mcp)");
    let audit = home.audit();
    let asked = audit.with("host", "mcp.example");
    assert!(!asked.is_empty() && asked.iter().all(|record| record["verdict"] == "allow"), "{asked:#?}");
    assert!(asked.iter().all(|record| record["credential"] == "calendar"), "{asked:#?}");
}

#[test]
fn claude_code_uses_the_owners_servers() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| uses_both(&asked.results(), AFTER_MCP));
    let (home, _calendar) = with_servers(Home::with_claude_family(&key, &anthropic), "agent = \"claude\"");
    answers(&home);
}

#[test]
fn opencode_uses_the_owners_servers() {
    support::require_engine_and("opencode");
    let key = Key::api();
    let anthropic =
        Anthropic::start(key.clone(), |asked| uses_both(&asked.results(), ["notes_look", "calendar_today"]));
    let agent = "agent = \"opencode\"\nmodel = \"anthropic/claude-sonnet-4-5\"";
    let (home, _calendar) = with_servers(Home::with_claude_family(&key, &anthropic), agent);
    answers(&home);
}

#[test]
fn codex_uses_the_owners_servers() {
    support::require_engine_and("codex");
    let openai = OpenAi::start(|asked| uses_both(&asked.results(), AFTER_MCP));
    let home = Home::new().with_openai(&openai);
    home.run(&["group", "add", "family", "--agent", "codex"]).ok();
    home.thinks_with_openai("family");
    let (home, _calendar) = with_servers(home, "agent = \"codex\"");
    answers(&home);
}
