//! The real Claude Code in its real image, thinking with a scripted model: what the
//! chat hears, what the model is told, and what goes nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Anthropic, Asked, Chat, Does, Home, Key, until};
use serde_json::json;

fn says(text: impl Into<String>) -> Does {
    Does::Says(text.into())
}

fn runs(command: &str) -> Does {
    Does::Uses("Bash", json!({ "command": command, "description": "as asked" }))
}

/// Runs one command, and repeats what came of it.
fn runs_and_tells(asked: &Asked, command: &str) -> Does {
    match asked.results().as_slice() {
        [] => runs(command),
        results => says(format!("It said: {}", results.join("; "))),
    }
}

#[test]
fn a_question_is_answered_with_an_api_key_and_with_a_subscription() {
    for key in [Key::api(), Key::token()] {
        let anthropic = Anthropic::start(key.clone(), |asked| says(format!("You asked: {}", asked.prompt())));
        let home = Home::with_claude_family(&key, &anthropic);
        let _daemon = home.up();
        let answer = home.chat("family", "what is the capital of <France>?").ok();
        answer
            .prints("You asked:")
            .prints("what is the capital of &lt;France&gt;?")
            .never_says("https://api.anthropic.com");
        assert_eq!(anthropic.refused(), [""; 0]);
        // Nothing was let through but thinking, and nobody else was asked for anything.
        let audit = home.audit();
        let elsewhere: Vec<_> = audit.0.iter().filter(|record| record["host"] != "api.anthropic.com").collect();
        assert!(elsewhere.iter().all(|record| record["host"] == "doorward.internal"), "{elsewhere:#?}");
        let let_through = audit.with("verdict", "allow");
        let goes_out = |record: &&&serde_json::Value| record["host"] != "doorward.internal";
        let let_through: Vec<_> = let_through.iter().filter(goes_out).map(|it| it["path"].clone()).collect();
        assert!(let_through.iter().all(|path| path == "/v1/messages"), "{let_through:?}");
        // What it asks at each start is refused as ever, and no false alarm to the eye.
        home.run(&["audit"]).ok().never_says("DENY").says("Left out: what Claude Code asks at each of its starts");
        let digest = home.run(&["audit", "digest", "--json"]).ok().json();
        assert!(digest["ways"].as_array().unwrap().iter().all(|way| way["refused"] == 0), "{digest:#}");
        home.run(&["audit", "--all"]).ok().prints("/api/claude_code/settings").prints("DENY");
        // What the sandbox holds in place of the key has its shape, and is not it.
        let variable = if matches!(key, Key::Api(_)) { "ANTHROPIC_API_KEY" } else { "CLAUDE_CODE_OAUTH_TOKEN" };
        let held = home.exec("family", &format!("printenv {variable}")).ok();
        assert!(held.out.starts_with(&key.secret()[..13]), "{held:?}");
        held.never_says(key.secret());
    }
}

#[test]
fn a_tool_works_in_the_groups_folder_and_memory_of_both_kinds_is_read() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| {
        runs_and_tells(asked, "pwd; echo milk > list.txt; cat list.txt; cat /proc/self/status | grep NoNewPrivs")
    });
    let home = Home::with_claude_family(&key, &anthropic);
    std::fs::create_dir_all(home.at("data/global")).unwrap();
    std::fs::write(home.at("data/global/CLAUDE.md"), "Everybody here likes tea.").unwrap();
    std::fs::write(home.group_folder("family").join("CLAUDE.md"), "The cat is called Miez.").unwrap();
    let _daemon = home.up();
    home.chat("family", "write the list").ok().prints("It said: /workspace/group\nmilk\nNoNewPrivs:\t1");
    assert_eq!(std::fs::read_to_string(home.group_folder("family").join("list.txt")).unwrap(), "milk\n");
    let asked = anthropic.asked();
    assert!(asked[0].mentions("The cat is called Miez."), "the group's memory");
    assert!(asked[0].mentions("Everybody here likes tea."), "the memory of all groups");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// What is summed up is not lost to its owner: the guest writes it into the group's folder, as the agent.
#[test]
fn a_conversation_is_archived_before_it_is_compacted() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.prompt().contains("fill it up") {
        true => Does::Fills("It is almost full.".to_owned()),
        false => says("<summary>They talked about cake.</summary>"),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    home.chat("family", "please fill it up with cake").ok().prints("It is almost full.");
    home.chat("family", "and now?").ok();
    let folder = home.group_folder("family").join("conversations");
    until("the archive", || folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()));
    let archive = folder.read_dir().unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(archive.path()).unwrap();
    assert!(text.contains("please fill it up with cake") && text.contains("It is almost full."), "{text}");
    assert!(archive.file_name().to_str().unwrap().ends_with("please-fill-it-up-with-cake.md"), "{archive:?}");
    assert!(anthropic.asked().len() >= 3, "the model was asked for a summary as well");
}

#[test]
fn a_refused_site_is_explained_in_the_reply() {
    let key = Key::api();
    let anthropic =
        Anthropic::start(key.clone(), |asked| runs_and_tells(asked, "curl -sS https://weather.example/today"));
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    let answer = home.chat("family", "what is the weather?").ok();
    answer.prints("It said:").prints("not_allowed").prints("no rule of group family names weather.example");
    assert_eq!(home.audit().only("host", "weather.example")["verdict"], "deny");
}

#[test]
fn a_follow_up_goes_into_the_live_session() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("and bread") {
        true => says("Milk and bread."),
        // The second message comes while this runs.
        false if asked.results().is_empty() => runs("until [ -e go ]; do sleep 0.1; done; echo went"),
        false => says("Milk."),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "we need milk");
    until("the tool to be asked for", || anthropic.asked().len() == 1);
    chat.send("m2", "and bread");
    chat.next_of("accepted");
    std::fs::write(home.group_folder("family").join("go"), "").unwrap();
    let told: String = chat.until_done("m2").into_iter().map(|(_, text, _)| text).collect();
    assert!(told.contains("Milk and bread."), "{told}");
    let last = anthropic.asked().pop().unwrap();
    assert!(last.mentions("we need milk") && last.mentions("and bread"), "one session");
    assert_eq!(home.containers().len(), 1, "one sandbox");
    assert_eq!(anthropic.refused(), [""; 0]);
}

#[test]
fn the_session_goes_on_after_a_restart_and_a_lost_one_is_dropped_once() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| says(format!("Heard: {}", asked.prompt())));
    let home = Home::with_claude_family(&key, &anthropic);
    let ask = |words: &str| {
        let daemon = home.up();
        home.chat("family", words).ok().prints(words).never_says("failed");
        daemon.stop();
        anthropic.asked().pop().unwrap()
    };
    ask("my name is Ada");
    let resumed = ask("what is my name?");
    assert!(resumed.mentions("my name is Ada") && resumed.mentions("Heard: "), "earlier turns are there");

    std::fs::remove_dir_all(home.at("data/agents/family/.claude/projects")).unwrap();
    let anew = ask("are you still there?");
    assert!(!anew.mentions("Ada"), "the session was gone");
    let resumed = ask("good");
    assert!(resumed.mentions("are you still there?"), "the new one is kept");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// Each request repeats the conversation: what is refused for what it says must not stay
/// in it, or one pasted key silences a group for good. The session file goes on before it.
#[test]
fn what_the_door_refused_does_not_stay_in_the_conversation() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("read the page") {
        true if asked.results().is_empty() => runs("cat page"),
        true => says("never"),
        false => says(format!("Heard: {}", asked.prompt())),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    std::fs::write(home.group_folder("family").join("page"), key.secret()).unwrap();
    let daemon = home.up();
    let reset = "`doorward group reset family`";
    // The very first message, so that there is nothing to go back to.
    home.chat("family", &format!("is {} still good?", key.secret())).code(1).says("secret_in_request").says(reset);
    home.chat("family", "my name is Ada").ok();
    for refused in [format!("and this one: {}", key.secret()), "read the page".to_owned()] {
        let told = home.chat("family", &refused).code(1);
        told.says("secret_in_request")
            .says("left out of the conversation")
            .says(reset)
            .never_says("sent something out");
        home.chat("family", "what is my name?").ok().prints("Heard:");
        assert!(anthropic.asked().pop().unwrap().mentions("my name is Ada"), "the conversation goes on");
    }
    assert_eq!(home.containers().len(), 1, "in one sandbox");
    // It holds for the next sandbox as well.
    daemon.stop();
    let _daemon = home.up();
    home.chat("family", "and now?").ok();
    let last = anthropic.asked().pop().unwrap();
    assert!(last.mentions("my name is Ada") && !last.mentions("read the page") && !last.mentions("still good"));
    let alarms = home.audit().0.iter().filter(|record| record["outcome"]["alarm"] == true).count();
    assert_eq!(alarms, 3, "one for each finding, none for a repetition");
}

/// A 400 that lies in what is older than the turn: taking the turn out does not help, so the
/// conversation ends, and the one after begins a new one. An account without credit is no such thing.
#[test]
fn a_conversation_that_the_model_does_not_take_ends_by_itself() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("the seed") {
        _ if asked.prompt().contains("on credit") => {
            Does::Fails(400, "invalid_request_error", "Your credit balance is too low to access the API")
        }
        true if !asked.prompt().contains("the seed") => {
            Does::Fails(400, "invalid_request_error", "messages.1.content.0: something is wrong with it")
        }
        _ => says("fine"),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    home.chat("family", "an ordinary beginning").ok();
    for _ in 0..3 {
        home.chat("family", "on credit").code(1).says("Credit balance is too low");
    }
    home.chat("family", "the seed").ok().prints("fine");
    assert!(anthropic.asked().pop().unwrap().mentions("an ordinary beginning"), "no credit is no reason to forget");
    for _ in 0..2 {
        home.chat("family", "and?").code(1).says("left out of the conversation").says("`doorward group reset family`");
    }
    home.chat("family", "and now?").code(1).says("could not go on and was ended");
    home.chat("family", "anew").ok().prints("fine");
    assert!(!anthropic.asked().pop().unwrap().mentions("an ordinary beginning"));
}

/// Nothing, and nothing again after Claude Code has asked once more.
#[test]
fn a_model_that_says_nothing_is_told() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |_| says("  \n"));
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    home.chat("family", "hello?").code(1).says("ended without an answer");
}

#[test]
fn what_the_model_cannot_do_is_told_plainly() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked {
        _ if asked.mentions("question-beta") => Does::Fails(401, "authentication_error", "invalid x-api-key"),
        _ => Does::Fails(400, "invalid_request_error", "Your credit balance is too low"),
    });
    for (words, wanted) in
        [("question-beta", "Anthropic does not accept the key (401)."), ("question-gamma", "Credit balance is too low")]
    {
        let home = Home::with_claude_family(&key, &anthropic);
        let _daemon = home.up();
        home.chat("family", words).code(1).says(wanted).never_says(key.secret());
    }
}

/// To have asked a model that can only be asked is no write: the message is tried again, and
/// stands in the conversation once.
#[test]
fn a_model_that_was_overloaded_is_asked_again() {
    let key = Key::api();
    let overloaded = Arc::new(AtomicBool::new(false));
    let is_overloaded = Arc::clone(&overloaded);
    let anthropic = Anthropic::start(key.clone(), move |_| match is_overloaded.load(Ordering::SeqCst) {
        true => Does::Fails(529, "overloaded_error", "Overloaded"),
        false => says("here I am"),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "my dog is called Rex");
    chat.until_done("m1");
    overloaded.store(true, Ordering::SeqCst);
    let before = anthropic.asked().len();
    chat.send("m2", "are you there?");
    let told = chat.next_of("send")["text"].as_str().unwrap().to_owned();
    assert!(told.contains("Claude is overloaded at the moment (529).") && told.contains("Trying again in"), "{told}");
    let asked = anthropic.asked().len() - before;
    assert_eq!(asked, 3, "by Claude Code itself, before that is told");
    overloaded.store(false, Ordering::SeqCst);
    let said = chat.until_done("m2");
    assert!(said.iter().any(|(kind, text, _)| kind == "reply" && text == "here I am"), "{said:?}");
    let last = anthropic.asked().pop().unwrap();
    assert_eq!((last.times("are you there?"), last.times("my dog is called Rex")), (1, 1), "{last:#?}");
}

/// A daemon that dies takes a turn with it. What comes again is asked once, with what was said before.
#[test]
fn what_comes_again_stands_in_the_conversation_once() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("wait for the bus") {
        true if asked.results().is_empty() => runs("touch /workspace/group/begun; sleep 600"),
        _ => says("here I am"),
    });
    let home = Home::with_claude_family(&key, &anthropic);
    let daemon = home.up();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "my dog is called Rex");
    chat.until_done("m1");
    chat.send("m2", "wait for the bus");
    until("the tool runs", || home.at("data/groups/family/begun").exists());
    drop(chat);
    daemon.kill();
    let _daemon = home.up();
    let asks = || anthropic.asked().into_iter().filter(|asked| asked.mentions("wait for the bus")).collect::<Vec<_>>();
    until("it is asked again", || asks().len() == 2);
    let again = asks().pop().unwrap();
    assert_eq!((again.times("wait for the bus"), again.times("my dog is called Rex")), (1, 1), "{again:#?}");
}

#[test]
fn what_is_missing_for_claude_code_is_told_before_anything_starts() {
    let home = Home::with_claude();
    home.run(&["group", "add", "family", "--agent", "claude"]).ok().prints("docs/agents.md");
    home.run(&["group", "list"]).ok().prints("claude");
    home.chat("family", "hello").code(1).says("[credentials.anthropic]").says("ANTHROPIC_API_KEY");
    home.run(&["doctor"]).says("[credentials.anthropic]");
    home.write_policy("family", "");
    home.chat("family", "hello").code(1).says("use = [\"claude\"]");
    std::fs::write(home.at("groups/family.toml"), "agent = \"gemini\"\n").unwrap();
    home.chat("family", "hello").code(1).says("groups/family.toml:1:9").says("write \"claude\", \"opencode\"");
    std::fs::write(home.at("groups/family.toml"), "agent = \"shell\"\nimage = \"no/such-image:1\"\n").unwrap();
    home.chat("family", "hello").code(1).says("the image no/such-image:1 is not there");
    home.run(&["doctor"]).says("no/such-image:1");
}

/// Claude Code asks for more tokens than are left: its chat hears that, and it is not tried again and again.
#[test]
fn what_claude_uses_up_is_counted_and_limited_and_the_chat_hears_why() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| says(format!("You asked: {}", asked.prompt())));
    let home = Home::with_claude_family(&key, &anthropic);
    let daemon = home.up();
    home.chat("family", "hello").ok().prints("You asked:");
    let used = || home.run(&["usage", "family", "--json"]).json()["groups"][0]["usage"].clone();
    let asked = anthropic.asked().len() as u64;
    until("the outcome to be stored", || used()["tokens"] == 15 * asked);
    assert_eq!((&used()["runs"], &used()["models"][0]["estimated"]), (&1.into(), &false.into()), "{}", used());

    let policy = std::fs::read_to_string(home.policy_file("family")).unwrap();
    home.write_policy("family", &format!("{policy}\n[limits]\ntokens_per_day = 1000\n"));
    let refused = home.chat("family", "and now?");
    refused.says("of its tokens_per_day of 1000 left").says("used_up");
    assert_eq!(anthropic.asked().len() as u64, asked, "nothing was sent");
    assert!(home.audit().with("code", "used_up").len() <= 2, "it is not tried again and again");

    home.write_policy("family", &format!("{policy}\n[limits]\nruns_per_day = 2\n"));
    home.chat("family", "once more").says("set to work 2 times today");
    drop(daemon);
}
