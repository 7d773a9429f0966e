//! The owner is told at once: in the main group's chat, and through a command.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, SystemTime};

use support::{Chat, Door, Home, Response, Upstream, eventually, random_key};

const POLICY: &str = "\
[[allow]]
host = \"bank.example\"
do = [\"GET /balance\"]
credential = \"bank\"
private = [\"127.0.0.1/32\"]

[[allow]]
host = \"news.example\"
access = \"read\"
private = [\"127.0.0.1/32\"]
";

#[test]
fn an_alarm_reaches_the_main_chat_and_the_command_and_the_digest() {
    let key = random_key("bank-");
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
    let home = Home::new().host("news.example", &news).group("family");
    home.run(&["group", "add", "owner", "--main"]).ok();
    let place =
        "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK_TOKEN\"\nprefix = \"bank-\"\n";
    let heard = home.at("heard");
    let command = format!("[alarm]\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n", heard.display());
    let home = home.credential("bank", &key, place).config(&command).policy("family", POLICY);
    let _daemon = home.up();
    let mut owner = Chat::open(&home, "owner");
    let door = Door::open(&home, "family");
    let surrogate = format!("Authorization: Bearer {}\r\n", door.variable("BANK_TOKEN"));

    let asked = SystemTime::now();
    assert_eq!(door.get("news.example", "/today", &surrogate).status, 403);
    let notice = owner.next_of("send");
    assert!(asked.elapsed().unwrap() < Duration::from_secs(3), "told after {:?}", asked.elapsed());
    assert_eq!(notice["kind"], "notice");
    let text = notice["text"].as_str().unwrap();
    for part in ["ALARM in group family", "news.example", "What to do", "doorward stop family"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(&key) && !text.contains(&door.variable("BANK_TOKEN")), "{text}");

    // More of the same within a minute are counted, for the chat and for the command.
    for _ in 0..3 {
        assert_eq!(door.get("news.example", "/today", &surrogate).status, 403);
    }
    let json: serde_json::Value = eventually("the command to have run", || {
        serde_json::from_slice(&std::fs::read(&heard).unwrap_or_default()).ok()
    });
    assert_eq!((&json["group"], &json["host"], &json["more"]), (&"family".into(), &"news.example".into(), &0.into()));
    assert_eq!(json["kind"], home.audit().0[0]["code"]);

    let digest = home.run(&["audit", "digest", "--since", "1h", "--json"]).ok();
    let whole: serde_json::Value = serde_json::from_str(&digest.out).unwrap();
    let way = &whole["ways"][0];
    assert_eq!((&way["host"], &way["alarms"], &way["bytes_up"]), (&"news.example".into(), &4.into(), &0.into()));
    let head = whole["head"]["hash"].as_str().unwrap();
    home.run(&["audit", "verify", "--head", head]).ok();
    home.run(&["audit", "--csv", "--limit", "1"]).ok().prints("\"news.example\",443,\"GET\",\"/today\"");
    assert_eq!(news.connections(), 0);
}
