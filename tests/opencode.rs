//! The real opencode in its real image, driven by the Agent Client Protocol, thinking with a scripted model.

use crate::support::{self, Anthropic, Asked, Chat, Does, Home, Key, until};
use serde_json::json;

fn says(text: impl Into<String>) -> Does {
    Does::Says(text.into())
}

fn runs(command: &str) -> Does {
    Does::Uses("bash", json!({ "command": command, "description": "as asked" }))
}

/// Runs one command, and repeats what came of it.
fn runs_and_tells(asked: &Asked, command: &str) -> Does {
    match asked.results().as_slice() {
        [] => runs(command),
        results => says(format!("It said: {}", results.join("; "))),
    }
}

fn family(key: &Key, anthropic: &Anthropic) -> Home {
    support::require_engine_and("opencode");
    let home = Home::with_claude_family(key, anthropic);
    answers(&home, "agent = \"opencode\"\nmodel = \"anthropic/claude-sonnet-4-5\"\n");
    home
}

fn answers(home: &Home, settings: &str) {
    std::fs::write(home.at("groups/family.toml"), settings).unwrap();
}

#[test]
fn a_question_is_answered_and_nobody_but_the_model_is_asked() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| says(format!("You asked: {}", asked.prompt())));
    let home = family(&key, &anthropic);
    let _daemon = home.up();
    home.chat("family", "what is the capital of <France>?")
        .ok()
        .prints("You asked:")
        .prints("what is the capital of &lt;France&gt;?");
    assert_eq!(anthropic.refused(), [""; 0]);
    let audit = home.audit();
    let elsewhere: Vec<_> = audit.0.iter().filter(|record| record["host"] != "api.anthropic.com").collect();
    assert!(elsewhere.iter().all(|record| record["host"] == "doorward.internal"), "{elsewhere:#?}");
    let denied: Vec<_> = audit.0.iter().filter(|record| record["verdict"] == "deny").collect();
    assert!(denied.is_empty(), "{denied:#?}");
    let asked = anthropic.asked();
    assert!(asked[0].mentions("You work in a sandbox of your own"), "it is told where it is");
}

#[test]
fn a_tool_works_in_the_groups_folder_and_a_refused_site_is_explained() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| {
        runs_and_tells(asked, "pwd; echo milk > list.txt; curl -sS https://weather.example/today")
    });
    let home = family(&key, &anthropic);
    std::fs::write(home.group_folder("family").join("CLAUDE.md"), "The cat is called Miez.").unwrap();
    let _daemon = home.up();
    home.chat("family", "write the list")
        .ok()
        .prints("It said: /workspace/group")
        .prints("no rule of group family names weather.example");
    assert_eq!(std::fs::read_to_string(home.group_folder("family").join("list.txt")).unwrap(), "milk\n");
    let system = anthropic.asked()[0].0["system"].to_string();
    assert!(system.contains("The cat is called Miez."), "the group's memory is read");
    assert_eq!(home.audit().only("host", "weather.example")["verdict"], "deny");
}

#[test]
fn a_follow_up_is_answered_after_the_turn() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("and bread") {
        true => says("Milk and bread."),
        false if asked.results().is_empty() => runs("until [ -e go ]; do sleep 0.1; done; echo went"),
        false => says("Milk."),
    });
    let home = family(&key, &anthropic);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "we need milk");
    until("the tool to be asked for", || anthropic.asked().len() == 1);
    chat.send("m2", "and bread");
    chat.next_of("accepted");
    std::fs::write(home.group_folder("family").join("go"), "").unwrap();
    let told: String = chat.until_done("m2").into_iter().map(|(_, text, _)| text).collect();
    assert!(told.contains("Milk and bread."), "{told}");
    assert_eq!(home.containers().len(), 1, "one sandbox");
}

/// A conversation is gone on with after a restart, and never with another agent; the memory is the same file for both.
#[test]
fn the_conversation_goes_on_after_a_restart_and_an_agent_does_not_get_anothers() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| says(format!("Heard: {}", asked.prompt())));
    let home = family(&key, &anthropic);
    let ask = |words: &str| {
        let daemon = home.up();
        home.chat("family", words).ok().prints(words).never_says("failed").never_says("lost");
        daemon.stop();
        anthropic.asked().pop().unwrap()
    };
    ask("my name is Ada");
    let resumed = ask("what is my name?");
    assert!(resumed.mentions("my name is Ada") && resumed.mentions("Heard: "), "earlier turns are there");

    answers(&home, "agent = \"claude\"\n");
    assert!(!ask("who are you?").mentions("Ada"), "Claude Code has a conversation of its own");
    answers(&home, "agent = \"opencode\"\nmodel = \"anthropic/claude-sonnet-4-5\"\n");
    assert!(!ask("and you?").mentions("Ada"), "it was put away when the agent changed");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// What the door refuses for what it says ends the conversation, and not the group.
#[test]
fn a_refused_turn_does_not_silence_the_group() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| says(format!("Heard: {}", asked.prompt())));
    let home = family(&key, &anthropic);
    let _daemon = home.up();
    home.chat("family", "good morning").ok().prints("good morning");
    let refused = home.chat("family", &format!("my key is {}", key.secret()));
    assert!(refused.out.contains("secret_in_request") || refused.err.contains("secret_in_request"), "{refused:?}");
    home.chat("family", "are you still there?").ok().prints("are you still there?");
    assert!(!anthropic.asked().iter().any(|asked| asked.mentions(key.secret())));
}

#[test]
fn what_the_model_refuses_is_told_at_once() {
    let key = Key::api();
    let anthropic =
        Anthropic::start(key.clone(), |_| Does::Fails(400, "invalid_request_error", "credit balance is too low"));
    let home = family(&key, &anthropic);
    let _daemon = home.up();
    let told = home.chat("family", "hello");
    assert!(told.out.contains("credit balance") || told.err.contains("credit balance"), "{told:?}");
}

#[test]
fn a_missing_program_is_named() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |_| says("never"));
    let home = family(&key, &anthropic);
    let image = containers::images::base_tag();
    answers(&home, &format!("agent = \"acp\"\ncommand = [\"goose\", \"acp\"]\nimage = \"{image}\"\n"));
    let _daemon = home.up();
    let told = home.chat("family", "hello");
    let said = format!("{}{}", told.out, told.err);
    assert!(said.contains("there is no `goose` in this image"), "{said}");
}

#[test]
fn it_uses_the_daemons_operations() {
    let key = Key::api();
    let task = json!({ "prompt": "water the plants", "schedule_type": "interval", "schedule_value": "10h" });
    let anthropic = Anthropic::start(key.clone(), move |asked| match asked.results().len() {
        0 => Does::Uses("doorward_send_message", json!({ "text": "I am looking." })),
        1 => Does::Uses("doorward_schedule_task", task.clone()),
        _ => says(format!("Done: {}", asked.results().join(" | "))),
    });
    let home = family(&key, &anthropic);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "remind me of the plants");
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(_, text, _)| text == "I am looking."), "{said:?}");
    let tasks = home.run(&["task", "list"]).ok().out;
    assert!(tasks.contains("water the plants"), "{tasks} {said:?}");
}

/// Who answers changes in the middle of a chat: what the group knows, and what was archived, is there for both.
#[test]
fn a_group_that_changes_its_agent_keeps_its_memory() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.prompt() {
        prompt if prompt.contains("remember") && asked.results().is_empty() => Does::Uses(
            "Bash",
            json!({ "command": "mkdir -p conversations; echo We spoke of Miez. > conversations/cat.md; echo The cat is called Miez. >> CLAUDE.md" }),
        ),
        prompt if prompt.contains("look") && asked.results().is_empty() => runs("cat conversations/*.md AGENTS.md"),
        _ => says(format!("It said: {}", asked.results().join("; "))),
    });
    let home = family(&key, &anthropic);
    answers(&home, "agent = \"claude\"\n");
    let daemon = home.up();
    home.chat("family", "remember the cat").ok().prints("It said:");
    daemon.stop();
    answers(&home, "agent = \"opencode\"\nmodel = \"anthropic/claude-sonnet-4-5\"\n");
    let _daemon = home.up();
    home.chat("family", "look it up").ok().prints("We spoke of Miez.").prints("The cat is called Miez.");
    let system = anthropic.asked().last().unwrap().0["system"].to_string();
    assert!(system.contains("The cat is called Miez."), "the memory is read before anything is asked");
}
