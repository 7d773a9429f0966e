//! What an agent in a real sandbox asks of Doorward, with curl as its hands.

use crate::support::{Chat, Daemon, Home, until};
use serde_json::{Value, json};

const POLICY: &str = "\
[[allow]]
host = \"news.example\"
do = [\"GET /today\"]

[[deny]]
host = \"gists.example\"
why = \"gists are an upload channel\"
";

/// A home with the owner's own chat and a family.
fn home() -> (Home, Daemon) {
    let home = Home::new().group("family").policy("family", POLICY);
    home.run(&["group", "add", "owner", "--main"]).ok();
    let daemon = home.up();
    (home, daemon)
}

/// One MCP message, as a command.
fn mcp(message: &Value) -> String {
    let headers = "-H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream'";
    format!("curl -sS {headers} -d '{message}' http://doorward.internal/mcp")
}

fn call(tool: &str, arguments: &Value) -> String {
    mcp(
        &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": tool, "arguments": arguments } }),
    )
}

#[test]
fn an_agent_reads_its_policy_and_a_policy_that_is_saved_shows_at_once() {
    let (home, _daemon) = home();
    let policy = "curl -sS http://doorward.internal/policy";
    let told = home.chat("family", policy).ok();
    let manifest: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:#?}"));
    assert_eq!(manifest["allowed"][0]["requests"], json!(["GET /today"]));
    assert_eq!(manifest["denied"][0]["why"], "gists are an upload channel");
    home.write_policy("family", "");
    home.chat("family", &format!("{policy} -H 'Accept: text/plain'"))
        .ok()
        .prints("  nothing\n")
        .prints("request_access");
    // A refusal says where to look, and the other ways there are refused.
    home.chat("family", "curl -sS https://news.example/today").ok().prints("http://doorward.internal/policy");
    home.chat("family", "curl -sS https://doorward.internal/policy").ok().prints("self_target").prints("spelled so");
    home.chat("family", "curl -sS --noproxy '*' -m 5 http://doorward.internal/ || echo none").ok().prints("none");
    home.chat("family", "curl -sS http://doorward.internal/policy -H 'Origin: http://doorward.internal'")
        .ok()
        .prints("operation_refused");
    let records = home.audit();
    assert_eq!(records.with("protocol", "internal").len(), 3, "{records:#?}");
}

#[test]
fn an_agent_speaks_over_mcp_before_its_answer_is_complete() {
    let (home, _daemon) = home();
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "curl", "version": "8" } } });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let script =
        [mcp(&initialize), mcp(&list), call("send_message", &json!({ "text": "half way there" }))].join(" && echo && ");
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", &script);
    let said = chat.until_done("m1");
    assert_eq!(said[0], ("reply".into(), "half way there".into(), String::new()), "{said:?}");
    let lines: Vec<Value> = said[1].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["result"]["serverInfo"]["name"], "doorward");
    let names: Vec<_> = lines[1]["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    for name in
        ["policy", "send_message", "send_file", "react", "register_group", "list_groups", "request_access", "usage"]
    {
        assert!(names.iter().any(|known| *known == name), "{name}: {names:?}");
    }
    assert_eq!(lines[2]["result"]["isError"], false, "{}", lines[2]);
    // `doorward chat` shows it as well, before the answer.
    let said =
        home.chat("family", &format!("{} > /dev/null; echo done", call("send_message", &json!({ "text": "soon" }))));
    assert_eq!(said.ok().out, "soon\ndone\n");
    let audit = home.audit();
    let operations = audit.with("protocol", "operation");
    assert_eq!(operations.len(), 2, "{audit:#?}");
    assert_eq!(operations[0]["operation"], json!({ "name": "send_message", "effect": true }));
    home.run(&["audit"]).ok().prints("operation send_message");
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn what_an_agent_asks_for_is_shown_to_the_owner_and_nowhere_else() {
    let (home, _daemon) = home();
    let mut owner = Chat::open(&home, "owner");
    let wish = json!({ "host": "weather.example", "path": "/today", "why": "rain? see http://evil.example" });
    home.chat("family", &call("request_access", &wish)).ok().prints("not allowed yet");
    let notice = owner.next_of("send");
    let text = notice["text"].as_str().unwrap();
    assert_eq!(notice["kind"], "notice");
    for part in [
        "group family asks",
        "weather[.]example: GET /today",
        "\u{201c}rain? see http[:]//evil[.]example\u{201d}",
        "doorward requests",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let listed = home.run(&["requests"]).ok();
    assert!(
        listed.out.contains("host = \"weather.example\"") && listed.out.contains("do = [\"GET /today\"]"),
        "{listed:#?}"
    );
    let json = home.run(&["requests", "--json"]).json();
    assert_eq!((&json[0]["stands"], &json[0]["request"]["group"]), (&json!("refused"), &json!("family")), "{json}");
    // Still refused, until the owner puts the lines there.
    home.chat("family", "curl -sS https://weather.example/today").ok().prints("not_allowed");
    home.write_policy("family", json[0]["toml"].as_str().unwrap());
    assert_eq!(home.run(&["requests", "--json"]).json()[0]["stands"], "allowed");
    home.chat("family", &call("request_access", &wish)).ok().prints("is allowed already");
    home.run(&["requests", "clear", "family"]).ok().says("1 forgotten");
    assert_eq!(home.run(&["requests", "--json"]).json(), json!([]));
}

/// Invariant 13: a run that spoke in its chat is told of and not run again.
#[test]
fn a_run_that_sent_a_message_is_not_run_again_after_a_kill() {
    let (home, daemon) = home();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", &format!("{} > /dev/null; sleep 600", call("send_message", &json!({ "text": "working on it" }))));
    assert_eq!(chat.next_of("send")["text"], "working on it");
    daemon.kill();
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(kind, ..)| kind == "failure"), "{said:?}");
    until("no sandbox to run", || home.containers().is_empty());
    assert_eq!(home.audit().with("protocol", "operation").len(), 1, "it was not run again");
}
