//! The real Claude Code asks Doorward for things, over MCP at `http://doorward.internal`.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Anthropic, Chat, Does, Home, Key};

#[test]
fn claude_sends_a_message_and_asks_for_access() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| {
        let results = asked.results();
        let wish = json!({ "host": "weather.example", "path": "/today", "why": "they ask for the weather" });
        match results.len() {
            0 => Does::Uses("mcp__doorward__send_message", json!({ "text": "I am looking." })),
            1 => Does::Uses("mcp__doorward__request_access", wish),
            _ => Does::Says(format!("Done: {}", results.join(" | "))),
        }
    });
    let home = Home::with_claude_family(&key, &anthropic);
    home.run(&["group", "add", "owner", "--main"]).ok();
    let _daemon = home.up();
    let (mut owner, mut chat) = (Chat::open(&home, "owner"), Chat::open(&home, "family"));
    chat.send("m1", "what is the weather?");
    let said = chat.until_done("m1");
    assert_eq!(said[0], ("reply".into(), "I am looking.".into(), String::new()), "{said:?}");
    assert!(said[1].1.contains("on its way") && said[1].1.contains("not allowed yet"), "{said:?}");
    let told = owner.next_of("send");
    assert!(told["text"].as_str().unwrap().contains("weather[.]example: GET /today"), "{told}");
    assert_eq!(home.run(&["requests", "--json"]).json()[0]["request"]["authority"], "weather.example:443");
    assert_eq!(home.audit().with("protocol", "operation").len(), 2);
    assert_eq!(anthropic.refused(), [""; 0]);
}
