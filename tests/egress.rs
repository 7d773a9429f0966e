//! What leaves a sandbox: nothing, until the owner writes the lines that let it.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Daemon, Doh, Door, Home, Ran, Response, Upstream, until};

const NEWS: &str = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";

/// A home whose group may read `news.example`.
fn with_news() -> (Home, Upstream, Daemon) {
    let news = Upstream::start(&["news.example"], |_| Response::ok("the town has a new bridge\n"));
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let daemon = home.up();
    (home, news, daemon)
}

/// The lines that Doorward prints after "put this into".
#[track_caller]
fn lines_to_add(ran: &Ran) -> String {
    let (_, after) = ran.out.split_once("put this into ").unwrap_or_else(|| panic!("{ran:#?}"));
    let (_, lines) = after.split_once('\n').unwrap();
    format!("{}\n", lines.trim())
}

#[test]
fn refusal_then_lifted() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("the town has a new bridge\n"));
    let home = Home::new().host("news.example", &news).group("family");
    let _daemon = home.up();
    let ask = || home.chat("family", "curl -sS https://news.example/today").ok();

    let refused = ask().prints("no rule of group family names news.example").prints("\"not_allowed\"");
    assert!(refused.out.contains(home.policy_file("family").to_str().unwrap()), "{refused:#?}");
    let lines = lines_to_add(&refused);
    assert_eq!(lines, "[[allow]]\nhost = \"news.example\"\ndo = [\"GET /today\"]\n");
    home.write_policy("family", &lines);

    let private = ask().prints("\"resolved_private\"").prints("127.0.0.1, a loopback address");
    // No command says in which network a host may be.
    let private = private.never_says("To allow it, run:");
    let more = lines_to_add(&private);
    assert!(more.contains("private = [\"127.0.0.1/32\"]"), "{more}");
    assert_eq!(news.connections(), 0, "nothing may be dialled before the owner has said so");
    home.write_policy("family", &(lines + &more));

    let page = ask();
    assert_eq!(page.out, "the town has a new bridge\n");
    assert_eq!(news.lines(), ["GET /today"]);
}

#[test]
fn a_rule_lets_through_what_it_names_and_nothing_beside_it() {
    let (home, news, _daemon) = with_news();
    let status = "curl -sS -o /dev/null -w '%{http_code}\\n'";
    let tried = [
        ("https://news.example/today", "200"),
        ("-X POST -d secret=1 https://news.example/today", "403"),
        ("https://other.example/today", "403"),
        ("http://news.example/today", "403"),
        ("https://news.example:8443/today", "403"),
        ("https://192.0.2.7/today", "403"),
    ];
    let script: Vec<_> = tried.iter().map(|(what, _)| format!("{status} {what}")).collect();
    let ran = home.exec("family", &script.join("; ")).ok();
    let wanted: Vec<_> = tried.iter().map(|(_, status)| *status).collect();
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), wanted, "{ran:#?}");
    assert_eq!((news.lines(), news.connections()), (vec!["GET /today".to_owned()], 1));
    let audit = home.audit();
    assert_eq!(audit.0.len(), tried.len(), "{audit:#?}");
    assert_eq!(audit.with("verdict", "deny").len(), 5);
}

#[test]
fn a_tightened_policy_holds_from_the_next_request_on() {
    let (home, news, _daemon) = with_news();
    home.chat("family", "curl -sS https://news.example/today").ok().prints("bridge");
    home.write_policy("family", "");
    home.chat("family", "curl -sS https://news.example/today").ok().prints("not_allowed");
    assert_eq!(news.requests().len(), 1);
}

#[test]
fn a_program_on_the_host_uses_a_door_of_its_own() {
    let (home, news, _daemon) = with_news();
    let door = Door::open(&home, "family");
    let page = door.get("news.example", "/today", "");
    assert_eq!((page.status, page.body.as_str()), (200, "the town has a new bridge\n"));
    let refused = door.get("other.example", "/", "");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("not_allowed"), "{refused:?}");

    let files = [door.socket.clone(), door.ca.clone(), door.env.clone()];
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{} is the owner's alone", file.display());
    }
    door.shut().ok();
    assert!(files.iter().all(|file| !file.exists()), "a door that was shut leaves nothing behind");
    assert_eq!(news.requests().len(), 1);
}

/// Nobody starts anything here: the door that is open learns of it by itself, however
/// an editor saves.
#[test]
fn a_saved_policy_reaches_a_door_that_is_open() {
    let (home, _news, _daemon) = with_news();
    let door = Door::open(&home, "family");
    let status = || door.get("news.example", "/today", "").status;
    assert_eq!(status(), 200);
    home.write_policy("family", "");
    until("the emptied policy to be in force", || status() == 403);
    let new = home.at("policies/.family.toml.swp");
    std::fs::write(&new, NEWS).unwrap();
    std::fs::rename(&new, home.policy_file("family")).unwrap();
    until("the renamed policy to be in force", || status() == 200);
    std::fs::remove_file(home.policy_file("family")).unwrap();
    until("the removed policy to be gone", || status() == 403);
}

#[test]
fn a_door_without_a_daemon_brings_its_own_and_takes_it_away() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge"));
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let door = Door::open(&home, "family");
    assert_eq!(door.get("news.example", "/", "").body, "bridge");
    door.shut().ok();
    assert!(!home.at("data/run/control.sock").exists());
    home.up();
}

#[test]
fn connections_that_never_became_a_request_are_recorded() {
    let (home, news, _daemon) = with_news();
    let door = Door::open(&home, "family");
    let before = home.audit().0.len();
    // No HTTP, a proxy request that names nothing, and a tunnel in which nobody speaks TLS.
    door.raw(b"\x16\x03\x01 not for you\r\n\r\n");
    door.raw(b"GET / HTTP/1.1\r\nHost: news.example\r\n\r\n");
    let mut tunnel = door.tunnel("news.example");
    std::io::Write::write_all(&mut tunnel, b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    until("the three to be recorded", || home.audit().0.len() == before + 3);
    let audit = home.audit();
    assert_eq!(audit.with("verdict", "deny").len(), 3, "{audit:#?}");
    assert!(audit.0.iter().all(|record| record["code"].is_string() && record["why"].is_string()), "{audit:#?}");
    assert_eq!(audit.only("code", "not_tls")["host"], "news.example");
    assert_eq!(audit.only("code", "self_target")["raw_target"], "/");
    assert_eq!(audit.only("code", "framing")["protocol"], "unknown");
    assert_eq!(news.connections(), 0);
}

#[test]
fn requests_that_can_be_read_in_two_ways_are_refused() {
    let (home, news, _daemon) = with_news();
    let door = Door::open(&home, "family");
    let twice = door.get("news.example", "/today", "Host: other.example\r\n");
    let framed = door.get("news.example", "/today", "Content-Length: 3\r\nContent-Length: 5\r\n");
    let dots = door.get("news.example", "/today/%2e%2e/tomorrow", "");
    for answer in [twice, framed, dots] {
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    assert_eq!(news.connections(), 0);
    until("the three to be recorded", || home.audit().with("verdict", "deny").len() == 3);
}

/// By the resolver's name, which the owner gives an address, and by an address of its own.
#[test]
fn names_are_asked_for_over_https() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("the town has a new bridge\n"));
    let port = news.address().port();
    let policy = format!("{NEWS}ports = [{port}]\n");
    let (named, numbered) = (Doh::start("dns.example", "news.example"), Doh::start("127.0.0.1", "news.example"));
    for (doh, url) in [
        (&named, "https://dns.example/family/dns".to_owned()),
        (&numbered, format!("https://{}/family/dns", numbered.address())),
    ] {
        let home = Home::new().host("dns.example", &named).resolver(&url).group("family").policy("family", &policy);
        let ran = home.exec("family", &format!("curl -sS https://news.example:{port}/ https://other.example/")).ok();
        ran.prints("the town has a new bridge").prints("not_allowed");
        let asked = doh.asked();
        assert!(!asked.is_empty() && asked.iter().all(|line| line == "POST /family/dns news.example"), "{asked:?}");
    }
    assert_eq!(news.requests().len(), 2);
}

/// No other is asked instead, and no question goes to a server that cannot show who it is.
#[test]
fn a_resolver_that_cannot_be_trusted_is_not_asked() {
    let stranger = Doh::of_a_stranger("dns.example", "news.example");
    let other = Doh::start("other.example", "news.example");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, why) in
        [(stranger.address(), "UnknownIssuer"), (other.address(), "not valid for name"), (closed, "refused")]
    {
        let home = Home::without_engine().host("dns.example", address).resolver(&"https://dns.example/dns-query");
        let home = home.group("family").policy("family", NEWS);
        let door = Door::open(&home, "family");
        let refused = door.get("news.example", "/", "");
        assert!(refused.body.contains("\"unresolved\"") && refused.body.contains(why), "{refused:?}");
        let audit = home.audit();
        let outcome = &audit.only("host", "news.example")["outcome"];
        assert!(outcome["code"] == "unresolved" && outcome["why"].as_str().unwrap().contains(why), "{outcome}");
    }
    assert_eq!((stranger.asked(), other.asked()), (Vec::new(), Vec::new()));
}

/// Such servers hang up on clients that have been silent for a while. The address that
/// they give is judged like any other.
#[test]
fn a_resolver_that_hung_up_is_called_again() {
    let doh = Doh::start("dns.example", "news.example");
    let home = Home::without_engine().host("dns.example", &doh).resolver(&"https://dns.example").group("family");
    let allowed = |host: &str| format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\n");
    let home = home.policy("family", &(allowed("news.example") + &allowed("old.example")));
    let door = Door::open(&home, "family");
    for _ in 0..5 {
        let before = doh.asked().len();
        let refused = door.get("news.example", "/", "");
        assert!(refused.body.contains("\"resolved_private\""), "{refused:?}");
        assert!(doh.asked().len() > before, "an answer that is not to be kept was kept");
        doh.hang_up();
    }
    let unknown = door.get("old.example", "/", "");
    assert!(unknown.body.contains("old.example does not resolve: no such name"), "{unknown:?}");
}
