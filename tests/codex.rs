//! The real Codex in its real image, driven by the Agent Client Protocol, thinking with a scripted model that speaks
//! OpenAI's Responses API.

use crate::support::{self, Anthropic, Chat, Does, Home, Key, OpenAi, Question, until};
use serde_json::json;

fn says(text: impl Into<String>) -> Does {
    Does::Says(text.into())
}

fn runs(command: &str) -> Does {
    Does::Uses("exec_command", json!({ "cmd": command }))
}

/// Runs one command, and repeats what came of it.
fn runs_and_tells(asked: &Question, command: &str) -> Does {
    match asked.results().as_slice() {
        [] => runs(command),
        results => says(format!("It said: {}", results.join("; "))),
    }
}

fn family(openai: &OpenAi) -> Home {
    support::require_engine_and("codex");
    let home = Home::new().with_openai(openai);
    home.run(&["group", "add", "family", "--agent", "codex"]).ok();
    home.thinks_with_openai("family");
    home
}

#[test]
fn a_question_is_answered_and_nobody_but_the_model_is_asked() {
    let openai = OpenAi::start(|asked| says(format!("You asked: {}", asked.prompt())));
    let home = family(&openai);
    let _daemon = home.up();
    home.chat("family", "what is the capital of <France>?")
        .ok()
        .prints("You asked:")
        .prints("what is the capital of &lt;France&gt;?");
    assert_eq!(openai.refused(), [""; 0]);
    let audit = home.audit();
    let elsewhere: Vec<_> = audit.0.iter().filter(|record| record["host"] != "api.openai.com").collect();
    assert!(elsewhere.iter().all(|record| record["host"] == "doorward.internal"), "{elsewhere:#?}");
    let denied: Vec<_> = audit.0.iter().filter(|record| record["verdict"] == "deny").collect();
    assert!(denied.is_empty(), "{denied:#?}");
    assert_eq!(audit.with("host", "api.openai.com")[0]["asks_model"], true, "so its runs may be repeated");
    let asked = openai.asked();
    assert!(asked[0].mentions("You work in a sandbox of your own"), "it is told where it is");
    let types: Vec<&str> =
        asked[0].0["tools"].as_array().unwrap().iter().filter_map(|tool| tool["type"].as_str()).collect();
    assert!(types.iter().all(|kind| ["function", "custom", "namespace"].contains(kind)), "{types:?}");
}

#[test]
fn a_tool_works_in_the_groups_folder_and_a_refused_site_is_explained() {
    let openai = OpenAi::start(|asked| {
        runs_and_tells(asked, "pwd; echo milk > list.txt; curl -sS https://weather.example/today")
    });
    let home = family(&openai);
    std::fs::write(home.group_folder("family").join("CLAUDE.md"), "The cat is called Miez.").unwrap();
    let _daemon = home.up();
    home.chat("family", "write the list")
        .ok()
        .prints("/workspace/group")
        .prints("no rule of group family names weather.example");
    assert_eq!(std::fs::read_to_string(home.group_folder("family").join("list.txt")).unwrap(), "milk\n");
    assert!(openai.asked()[0].mentions("The cat is called Miez."), "the group's memory is read");
    assert_eq!(home.audit().only("host", "weather.example")["verdict"], "deny");
}

#[test]
fn it_uses_the_daemons_operations() {
    let task = json!({ "prompt": "water the plants", "schedule_type": "interval", "schedule_value": "10h" });
    let openai = OpenAi::start(move |asked| match asked.results().len() {
        0 => Does::Uses("mcp__doorward__send_message", json!({ "text": "I am looking." })),
        1 => Does::Uses("mcp__doorward__schedule_task", task.clone()),
        _ => says(format!("Done: {}", asked.results().join(" | "))),
    });
    let home = family(&openai);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "remind me of the plants");
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(_, text, _)| text == "I am looking."), "{said:?}");
    let tasks = home.run(&["task", "list"]).ok().out;
    assert!(tasks.contains("water the plants"), "{tasks} {said:?}");
    assert_eq!(home.audit().with("protocol", "operation").len(), 2);
}

#[test]
fn a_follow_up_is_answered_after_the_turn() {
    let openai = OpenAi::start(|asked| match asked.mentions("and bread") {
        true => says("Milk and bread."),
        false if asked.results().is_empty() => runs("until [ -e go ]; do sleep 0.1; done; echo went"),
        false => says("Milk."),
    });
    let home = family(&openai);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "we need milk");
    until("the tool to be asked for", || !openai.asked().is_empty());
    chat.send("m2", "and bread");
    chat.next_of("accepted");
    std::fs::write(home.group_folder("family").join("go"), "").unwrap();
    let told: String = chat.until_done("m2").into_iter().map(|(_, text, _)| text).collect();
    assert!(told.contains("Milk and bread."), "{told}");
    assert_eq!(home.containers().len(), 1, "one sandbox");
}

#[test]
fn the_conversation_goes_on_after_a_restart() {
    let openai = OpenAi::start(|asked| says(format!("Heard: {}", asked.prompt())));
    let home = family(&openai);
    let ask = |words: &str| {
        let daemon = home.up();
        home.chat("family", words).ok().prints(words).never_says("failed").never_says("lost");
        daemon.stop();
        openai.asked().pop().unwrap()
    };
    ask("my name is Ada");
    let resumed = ask("what is my name?");
    assert!(resumed.mentions("my name is Ada") && resumed.mentions("Heard: "), "earlier turns are there");
}

/// Claude is out of credit: Codex answers, the chat hears why, and what Claude remembers stays where it is.
#[test]
fn codex_answers_where_claude_is_out_of_credit() {
    support::require_engine_and("codex");
    let key = Key::api();
    let anthropic =
        Anthropic::start(key.clone(), |_| Does::Fails(400, "invalid_request_error", "Your credit balance is too low"));
    let openai = OpenAi::start(|asked| says(format!("Codex heard: {}", asked.prompt())));
    let home = Home::with_claude_family(&key, &anthropic).with_openai(&openai);
    home.thinks_with_openai("family");
    std::fs::write(home.at("groups/family.toml"), "agents = [\"claude\", \"codex\"]\n").unwrap();
    let _daemon = home.up();
    let first = home.chat("family", "good morning");
    let told = format!("{}{}", first.out, first.err);
    assert!(told.contains("Claude Code is overloaded or out of credit; Codex answers until it works again."), "{told}");
    assert!(told.contains("good morning"), "{told}");
    let asked_claude = anthropic.asked().len();
    let second = home.chat("family", "and a good day");
    let told = format!("{}{}", second.out, second.err);
    assert!(told.contains("and a good day") && !told.contains("out of credit"), "{told}");
    assert_eq!(anthropic.asked().len(), asked_claude, "Claude is left alone for a while");
    assert!(openai.asked().last().unwrap().mentions("good morning"), "and Codex has a conversation of its own");
}
