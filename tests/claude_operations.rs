//! The real Claude Code asks Doorward for things, over MCP at `http://doorward.internal`; and knows people by stand-ins.

use crate::support::{Anthropic, Chat, Does, Home, Key};
use serde_json::json;

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

/// The model learns of nobody by name, and the chat reads names: in a message, in the answer that grows, in the answer.
#[test]
fn claude_knows_people_by_stand_ins_and_the_chat_reads_names() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.results().as_slice() {
        _ if !asked.prompt().contains("when is") => Does::Says("Good to know.".to_owned()),
        [] => Does::Uses("mcp__doorward__send_message", json!({ "text": "I ask Person 1." })),
        // Of an answer that grows, the last bytes are held back.
        _ => Does::Says(format!("Person 1 is late, Person 2; so I read: {}{}", asked.prompt(), " I wait.".repeat(500))),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let settings = home.at("groups/family.toml");
    let agent = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{agent}\n[privacy]\npeople = \"stand-ins\"\n")).unwrap();
    let _daemon = home.up();
    let mut chat = Chat::try_open(&home, "family", &json!({ "grows": true })).unwrap();
    chat.writes("Anna Zwiebelfisch", "m1", "I am late");
    chat.until_done("m1");
    chat.writes("Ben Kartoffel", "m2", "when is ANNA home? Zwiebelfisch, I mean");
    let (mut grown, mut said) = (String::new(), Vec::new());
    loop {
        let line = chat.next();
        let text = line["text"].as_str().unwrap_or_default().to_owned();
        match line["type"].as_str().unwrap() {
            "growing" => grown += &text,
            "send" if line["kind"] == "done" => break,
            "send" => said.push(text),
            _ => {}
        }
    }
    assert_eq!(said[0], "I ask Anna Zwiebelfisch.");
    let answer = &said[1];
    assert!(answer.starts_with("Anna Zwiebelfisch is late, Ben Kartoffel; so I read: "), "{answer}");
    assert!(answer.contains("when is Anna Zwiebelfisch home?") && !answer.contains("Person"), "{answer}");
    assert!(!grown.contains("Person 1") && grown.contains("Anna Zwiebelfisch is late"), "{grown}");
    let asked = anthropic.asked();
    assert!(asked.iter().any(|asked| asked.prompt().contains("when is Person 1 home? Person 1, I mean")), "{asked:?}");
    for name in ["Zwiebelfisch", "zwiebelfisch", "ANNA home", "Kartoffel", "kartoffel"] {
        assert!(!asked.iter().any(|asked| asked.mentions(name)), "{name}: {asked:?}");
    }
    assert_eq!(anthropic.refused(), [""; 0]);
}
