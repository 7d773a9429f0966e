//! A container skill of NanoClaw's in a real sandbox: a script that writes files into `/workspace/ipc`, as it
//! would there.

use crate::support::{Chat, Daemon, Home, until};
use serde_json::{Value, json};

/// The skill's script, with nothing in it of Doorward.
const SKILL: &str = r#"#!/bin/sh
# report.sh TEXT: tells the chat.
ipc=/workspace/ipc
put() {
    file="$ipc/$1/$(date +%s%N)-$$.json"
    printf '%s\n' "$2" > "$file.tmp" && mv "$file.tmp" "$file"
}
now=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
put messages "{\"type\":\"message\",\"chatJid\":\"$NANOCLAW_CHAT_JID\",\"text\":\"$1\",\"groupFolder\":\"$NANOCLAW_GROUP_FOLDER\",\"timestamp\":\"$now\"}"
"#;

/// A home with the owner's own chat, a family that has the skill, and a club.
fn home() -> (Home, Daemon) {
    let home = Home::new().group("family").group("club");
    home.run(&["group", "add", "owner", "--main"]).ok();
    std::fs::create_dir_all(home.group_folder("family").join("skills")).unwrap();
    std::fs::write(home.group_folder("family").join("skills/report.sh"), SKILL).unwrap();
    let daemon = home.up();
    (home, daemon)
}

#[test]
fn a_skill_of_nanoclaws_works_unchanged() {
    let (home, _daemon) = home();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", "sh skills/report.sh 'half way there'; echo done");
    let said = chat.until_done("m1");
    assert_eq!(said[0], ("reply".into(), "half way there".into(), String::new()), "{said:?}");
    assert_eq!(said[1].1.trim(), "done");
    // Nothing is left, and its operation stands in the log.
    chat.send(
        "m2",
        "ls /workspace/ipc /workspace/ipc/messages /workspace/ipc/errors 2>&1; cat /workspace/ipc/current_tasks.json",
    );
    let left = chat.until_done("m2")[0].1.clone();
    for name in ["input", "messages", "tasks", "No such file"] {
        assert!(left.contains(name) && !left.contains("errors\n"), "{left}");
    }
    let audit = home.audit();
    let operations = audit.with("protocol", "operation");
    assert_eq!(operations.len(), 1, "{audit:#?}");
    assert_eq!(operations[0]["operation"], json!({ "name": "send_message", "effect": true }));
}

/// Files that are wrong, links to what the agent may not read, pipes, names that mean something elsewhere, many of
/// them: each is put away with its reason, the next one is done, and the host is none the wiser.
#[test]
fn what_is_wrong_is_put_away_and_the_next_is_done() {
    let (home, _daemon) = home();
    let script = r#"cd /workspace/ipc
echo '{"type":"message","text":"no chat"}' > messages/1.json
echo nonsense > messages/2.json
ln -s /run/doorward/door.sock messages/3.json
ln -s / messages/4.json
mkfifo messages/5.json
head -c 200000 /dev/zero > messages/6.json
echo '{"type":"format_disk"}' > tasks/7.json
echo '{}' > "messages/\$(touch gone) .json"
for i in $(seq 100 130); do echo x > messages/$i.json.tmp; mv messages/$i.json.tmp messages/$i.json; done
sh /workspace/group/skills/report.sh 'all the same'"#;
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", script);
    let said = chat.until_done("m1");
    assert!(said.iter().any(|(_, text, _)| text == "all the same"), "{said:?}");
    chat.send("m2", "cd /workspace/ipc; ls messages tasks; cat errors/*.why; ls gone 2>&1; ls /workspace/group");
    let left = chat.until_done("m2")[0].1.clone();
    for why in [
        "messages/1.json: ",
        "chatJid",
        "messages/2.json",
        "links are not followed",
        "no regular file",
        "larger than 128 KiB",
        "there is no such operation",
    ] {
        assert!(left.contains(why), "{why}: {left}");
    }
    assert!(!left.contains("gone\n"), "{left}");
}

/// A message to another group's chat waits, and goes when the owner says yes to its words.
#[test]
fn a_message_to_another_group_waits_for_the_owner() {
    let (home, _daemon) = home();
    let (mut owner, mut club) = (Chat::open(&home, "owner"), Chat::open(&home, "club"));
    let mut family = Chat::open(&home, "family");
    let file = r#"{"type":"message","chatJid":"club","text":"the hall is booked for nine"}"#;
    family.send("m1", &format!("echo '{file}' > /workspace/ipc/messages/1.json; echo written"));
    let question = owner.next_of("send");
    let text = question["text"].as_str().unwrap();
    assert!(
        text.contains("family wants to say in the chat of club: \u{201c}the hall is booked for nine\u{201d}"),
        "{text}"
    );
    assert!(!text.contains("always"), "{text}");
    let listed = home.run(&["ask"]).ok();
    assert!(listed.out.contains("the hall is booked") && !listed.out.contains("doorward.internal"), "{listed:#?}");
    let code = home.run(&["ask", "--json"]).json()[0]["code"].as_str().unwrap().to_owned();
    owner.send("a1", &format!("yes {code}"));
    owner.until_done("a1");
    assert_eq!(club.next_of("send")["text"], "the hall is booked for nine");
    let said = family.until_done("m1");
    assert!(
        said.iter().any(|(_, text, _)| text.contains("written")) && !format!("{said:?}").contains(&code),
        "{said:?}"
    );
}

/// A group that an agent asks for is there once the owner has said yes, and reaches nothing but its model.
#[test]
fn a_group_is_registered_if_the_owner_says_yes() {
    let (home, _daemon) = home();
    let mut owner = Chat::open(&home, "owner");
    let file = r#"{"type":"register_group","jid":"chess","name":"The chess club","folder":"chess","trigger":"@Andy"}"#;
    owner.send(
        "m1",
        &format!("echo '{file}' > /workspace/ipc/tasks/1.json; cat /workspace/ipc/errors/* 2>/dev/null; echo written"),
    );
    let question = owner.next_of("send");
    assert!(question["text"].as_str().unwrap().contains("as the group chess"), "{question}");
    let code = home.run(&["ask", "--json"]).json()[0]["code"].as_str().unwrap().to_owned();
    home.run(&["ask", "yes", &code]).ok();
    owner.until_done("m1");
    let groups = home.run(&["group", "list", "--json"]).json();
    let chess = groups.as_array().unwrap().iter().find(|group| group["name"] == "chess").unwrap();
    assert_eq!((&chess["chat"], &chess["main"]), (&json!("chess"), &json!(false)), "{chess}");
    assert!(std::fs::read_to_string(home.policy_file("chess")).unwrap().contains("use = [\"claude\"]"));
    // The file that lists the groups has it.
    owner.send("m2", "cat /workspace/ipc/available_groups.json");
    let listed: Value = serde_json::from_str(&owner.until_done("m2")[0].1).unwrap();
    assert!(listed["groups"].as_array().unwrap().iter().any(|group| group["jid"] == "chess"), "{listed}");
}

#[test]
fn mcp_over_stdio_is_the_same_table() {
    let (home, _daemon) = home();
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "sh", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
        json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call",
            "params": { "name": "send_message", "arguments": { "text": "over stdio" } } }),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", &format!("/opt/doorward/guest mcp <<'END'\n{lines}END"));
    let said = chat.until_done("m1");
    assert_eq!(said[0].1, "over stdio", "{said:?}");
    let mut answers: Vec<Value> = said[1].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    assert_eq!(answers.len(), 3, "{answers:?}");
    let names: Vec<_> = answers[1]["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    for name in ["policy", "send_message", "send_file", "react", "register_group", "list_groups", "request_access"] {
        assert!(names.iter().any(|known| *known == name), "{name}: {names:?}");
    }
    assert_eq!(answers[2]["result"]["isError"], false, "{}", answers[2]);
}

/// A file is kept where its owner finds it; one that a channel cannot send is told, and survives a kill.
#[test]
fn a_file_goes_to_the_terminal_or_is_told() {
    let (home, daemon) = home();
    let put = "printf 'a,b\\n1,2\\n' > t.csv; curl -sS -T t.csv http://doorward.internal/files/table.csv > /dev/null; echo sent";
    let told = home.chat("family", put).ok();
    assert!(told.out.contains("[table.csv, 8") && told.out.contains("kept at "), "{told:#?}");
    let kept = told.out.lines().find_map(|line| line.split_once("kept at ")).unwrap().1;
    assert_eq!(std::fs::read(kept.trim()).unwrap(), b"a,b\n1,2\n");
    let mut chat = Chat::open(&home, "family");
    chat.send("m1", &format!("{put}; sleep 600"));
    // A terminal that takes no files is told so; what it says goes on.
    let instead = chat.next_of("send");
    assert!(instead["text"].as_str().unwrap().contains("cannot send files yet"), "{instead}");
    daemon.kill();
    let _daemon = home.up();
    until("no sandbox to run", || home.containers().is_empty());
    let undelivered = home.run(&["undelivered", "family"]).ok();
    assert!(undelivered.out.contains("the file table.csv"), "{undelivered:#?}");
    let saved = home.run(&["undelivered", "--save", home.at("saved").to_str().unwrap()]).ok();
    let path = saved.out.trim().rsplit(' ').next().unwrap();
    assert!(path.ends_with("-table.csv"), "{saved:#?}");
    assert_eq!(std::fs::read(path).unwrap(), b"a,b\n1,2\n");
}
