//! The real Claude Code makes a task over MCP; it is due after the daemon was started anew, and its answer arrives once.

use crate::support::{Anthropic, Chat, Does, Home, Key, until};
use serde_json::json;

#[test]
fn claude_makes_a_task_that_is_due_after_a_restart() {
    let key = Key::api();
    let wanted = || {
        let due = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(30)).unwrap().to_string();
        json!({ "prompt": "Say that the bread is done.", "schedule_type": "once", "schedule_value": due })
    };
    let anthropic = Anthropic::start(key.clone(), move |asked| match asked.results().as_slice() {
        _ if asked.prompt().contains("<task ") => Does::Says("The bread is done.".to_owned()),
        [] => Does::Uses("mcp__doorward__schedule_task", wanted()),
        results => Does::Says(format!("Made: {}", results.join(" | "))),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "tell us when the bread is done");
    let said = chat.until_done("m1");
    assert!(said[0].0 == "notice" && said[0].1.contains("reply: cancel 1"), "{said:?}");
    assert!(said[1].1.starts_with("Made: Task 1 is made: at 20"), "{said:?}");
    daemon.stop();

    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let line = chat.next_of("send");
    assert_eq!((&line["kind"], &line["text"]), (&"reply".into(), &"The bread is done.".into()), "{line}");
    let task = home.run(&["task", "show", "1", "--json"]).ok().json();
    assert_eq!((&task["state"], &task["made_by"]), (&"done".into(), &"agent".into()), "{task}");
    assert_eq!((task["history"].as_array().unwrap().len(), &task["history"][0]["state"]), (1, &"done".into()));
    let last = anthropic.asked().pop().unwrap();
    assert!(last.mentions("tell us when the bread is done"), "with the group's conversation");
    daemon.kill();
    let _daemon = home.up();
    // Nothing comes again: the next thing said is the answer to this.
    let mut chat = Chat::open(&home, "family");
    chat.send("m2", "thanks");
    let said = chat.until_done("m2");
    assert!(said.iter().all(|(_, text, _)| text != "The bread is done."), "{said:?}");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// The command before a task runs beside Claude Code, whose model is asked only where it finds something.
#[test]
fn a_gate_asks_no_model_where_there_is_nothing_to_do() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| Does::Says(format!("Read: {}", asked.prompt())));
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    let task = |gate: &str| {
        let made = home.run(&["task", "add", "family", "What is new?", "--every", "2h", "--gate", gate, "--json"]);
        let number = made.ok().json()["task"].to_string();
        home.run(&["task", "run-now", &number]).ok();
        number
    };
    let state = |number: &str| home.run(&["task", "show", number, "--json"]).ok().json()["history"][0]["state"].clone();
    let quiet = task("cat news 2>/dev/null || true");
    until("the gate to find nothing", || state(&quiet) == "nothing");
    let quiet = task("echo looked; echo '{\"wakeAgent\": false}'");
    until("the gate to find nothing", || state(&quiet) == "nothing");
    assert_eq!(anthropic.asked().len(), 0);
    task("echo 'a letter <from> Anna'");
    let line = chat.next_of("send");
    let text = line["text"].as_str().unwrap();
    assert!(text.contains("What is new?\n<found>a letter &lt;from&gt; Anna</found></task>"), "{text}");
    assert_eq!(anthropic.asked().len(), 1);
}
