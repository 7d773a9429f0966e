//! The evidence is whole: what happens besides requests stands in the same log, and what
//! is broken off says why.

use std::sync::{Mutex, mpsc};

use crate::support::{Door, Home, Response, Upstream, until};

const NEWS: &str = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";

/// A server that does not answer before the test lets go of what comes with it.
fn slow() -> (Upstream, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let news = Upstream::start(&["news.example"], move |request| {
        if request.path() == "/slow" {
            let _ = held.lock().unwrap().recv();
        }
        Response::ok("the town has a new bridge\n")
    });
    (news, release)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_stop_is_in_the_log_with_all_that_it_broke_off() {
    let (news, release) = slow();
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let daemon = home.up();
    let door = Door::open(&home, "family");
    let _waits = door.begin("news.example", &request("/slow"));
    until("it is under way", || !news.requests().is_empty());
    home.run(&["stop", "family"]).ok().prints("Stopped family");
    let audit = home.audit();
    let outcome = &audit.only("path", "/slow")["outcome"];
    assert_eq!((&outcome["code"], &outcome["why"]), (&"revoked".into(), &"the owner stopped the group".into()));
    assert_eq!(audit.events("stopped"), ["the owner stopped the group"], "{audit:#?}");
    assert_eq!(audit.events("door_opened").len(), 1);
    assert_eq!(audit.events("door_shut"), ["a door was shut: the owner stopped the group"]);
    home.run(&["audit"]).ok().prints("door shut").prints("CUT OFF").prints("the owner stopped the group (revoked)");
    home.run(&["audit", "digest"]).ok().prints("stopped 1");
    home.run(&["audit", "verify"]).ok();
    drop(release);
    daemon.stop();
}

#[test]
fn what_becomes_of_policies_is_in_the_log() {
    let (news, _release) = slow();
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    assert_eq!(door.get("news.example", "/today", "").status, 200);
    let events = |what: &str| home.audit().events(what).into_iter().map(str::to_owned).collect::<Vec<_>>();
    home.write_policy("family", "[[allow]]\nhosts = \"news.example\"\n");
    until("the log hears of it", || !events("policy_rejected").is_empty());
    let [rejected] = &events("policy_rejected")[..] else { panic!("once") };
    assert!(rejected.contains("stays in force") && rejected.contains("policies/family.toml:2"), "{rejected}");

    home.write_policy("family", &format!("{NEWS}[[allow]]\nhost = \"other.example\"\naccess = \"read\"\n"));
    until("it is wider", || events("policy_in_force").last().unwrap().contains("which may allow more: 1 rule added"));
    home.write_policy("family", NEWS);
    until("it is tighter", || events("policy_in_force").last().unwrap().contains("which allows nothing more: 0 rules"));
    let hashes: Vec<_> = home.audit().1.iter().filter_map(|event| Some(event["policy"].as_str()?.to_owned())).collect();
    assert!(hashes.len() >= 4 && hashes.iter().all(|hash| hash.len() >= 12), "{hashes:?}");

    // The command appends while the daemon has the log open, and the daemon goes on from there.
    let taken = home.at("data/presets/weather.toml");
    std::fs::write(&taken, "[[allow]]\nhost = \"api.open-meteo.com\"\ndo = [\"GET /v1/forecast\"]\n").unwrap();
    home.run(&["policy", "accept", "weather", "--yes"]).ok();
    assert_eq!(door.get("news.example", "/later", "").status, 200);
    assert_eq!(events("preset_accepted").len(), 1);
    assert_eq!(home.audit().with("path", "/later").len(), 1);
    home.run(&["audit", "verify"]).ok();
}

/// A missing secret is the owner's to find: a sandbox hears its name and no more.
#[test]
fn a_sandbox_hears_nothing_of_where_its_secrets_are() {
    let bank = Upstream::start(&["bank.example"], |_| Response::ok("rich\n"));
    let rule =
        "[[allow]]\nhost = \"bank.example\"\naccess = \"read\"\ncredential = \"bank\"\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new()
        .host("bank.example", &bank)
        .credential("bank", "s3cret-of-the-bank", "hosts = [\"bank.example\"]\nenv = \"BANK\"\n")
        .group("family")
        .policy("family", rule);
    std::fs::remove_file(home.at("bank.key")).unwrap();
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    let header = format!("Authorization: Bearer {}\r\n", door.variable("BANK"));
    let refused = door.get("bank.example", "/", &header);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("the secret of credential bank cannot be used now"), "{refused:?}");
    let folder = home.path().to_str().unwrap();
    assert!(!refused.body.contains(folder) && !refused.body.contains("No such file"), "{refused:?}");
    let why = home.audit().only("host", "bank.example")["why"].to_string();
    assert!(why.contains(folder) && why.contains("No such file"), "the owner hears all of it: {why}");
    assert_eq!(bank.connections(), 0);
}

/// A list that should have said what to believe is missing: nothing starts without it.
#[test]
fn a_revocation_list_that_cannot_be_read_is_told_at_the_start() {
    let home = Home::new().config("[upstream]\ncrl = [\"lists/issuer.pem\"]");
    home.run(&["up"]).code(1).says("crl: ").says("lists/issuer.pem").says("No such file");
    std::fs::create_dir_all(home.at("lists")).unwrap();
    std::fs::write(home.at("lists/issuer.pem"), "no list\n").unwrap();
    home.run(&["up"]).code(1).says("there is no list of revoked certificates in it");
}
