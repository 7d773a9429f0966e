//! The owner is told at once: in the main group's chat, and through a command.

use std::time::{Duration, SystemTime};

use crate::support::{Chat, Door, Home, Response, Upstream, eventually, random_key};

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

/// What one sandbox asks for again and again fills no log and stops nobody (attack L06).
#[test]
fn a_flood_of_denials_is_counted_and_others_are_served() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
    let allow = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new().host("news.example", &news).group("family").policy("family", allow);
    let daemon = home.up();
    let door = Door::open(&home, "family");
    let mut asked = 0;
    while asked < 200 {
        assert!(door.raw(b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n").contains(" 403 "));
        asked += 1;
    }
    assert_eq!(door.get("news.example", "/today", "").body, "bridge\n");
    drop(door);
    daemon.stop().ok();
    let digest = home.run(&["audit", "digest", "--json"]).ok();
    let whole: serde_json::Value = serde_json::from_str(&digest.out).unwrap();
    let refused = whole["ways"].as_array().unwrap().iter().find(|way| way["host"] == "other.example").unwrap();
    assert_eq!((&refused["requests"], &refused["refused"]), (&asked.into(), &asked.into()));
    let records = home.audit_with(&["--host", "other.example", "--limit", "1000"]);
    assert!(records.0.len() < 150, "{}", records.0.len());
    assert!(records.0.iter().any(|record| record["repeated"].is_u64()), "{records:#?}");
    home.run(&["audit", "verify"]).ok();
}
