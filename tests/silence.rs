//! No real secret in anything that the daemon itself writes: its log at trace level, its
//! databases, its error pages, its exports, what it tells an alarm's command. Whatever
//! goes wrong, on either side (attack L04).

#![allow(clippy::unwrap_used)]

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::{Answer, Door, Home, Response, Upstream, random_key, until};

/// The ways in which a credential is put on: its name, its place, and a request with it.
const PLACES: [(&str, &str, &str); 4] = [
    ("header", "header:authorization", "GET /a HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n"),
    ("basic", "basic:password", "GET /a HTTP/1.1\r\nAuthorization: Basic BASIC\r\n"),
    ("query", "query:key", "GET /a?key=TOKEN HTTP/1.1\r\n"),
    ("path", "path:/bot{}", "GET /botTOKEN/send HTTP/1.1\r\n"),
];

/// What can go wrong upstream, by the first label of the host.
const TROUBLES: [&str; 6] = ["echo", "fails", "breaks", "closed", "liar", "nowhere"];

struct Stage {
    home: Home,
    keys: Vec<String>,
    echo: Upstream,
    _others: Vec<Upstream>,
}

impl Stage {
    fn new() -> Self {
        let names: Vec<String> = PLACES.iter().map(|(name, ..)| format!("echo.{name}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).chain(["news.example"]).collect();
        // It says all that it was told: in its body, in a header, in where it sends on to.
        let echo = Upstream::start(&names, |request| {
            let told = format!("{} {:?}", request.target, request.headers);
            Response::ok(told.clone())
                .header("x-told", &told.replace(['"', '[', ']'], ""))
                .header("location", &request.target)
        });
        let failing: Vec<String> = PLACES.iter().map(|(name, ..)| format!("fails.{name}.example")).collect();
        let fails = Upstream::start(&failing.iter().map(String::as_str).collect::<Vec<_>>(), |request| Response {
            status: 500,
            headers: Vec::new(),
            body: format!("cannot {} {:?}", request.target, request.headers).into_bytes(),
        });
        let liar = Upstream::start(&["somebody-else.example"], |_| Response::ok("never"));
        // Hangs up as soon as somebody calls.
        let breaks = TcpListener::bind("127.0.0.1:0").unwrap();
        let broken = breaks.local_addr().unwrap();
        std::thread::spawn(move || breaks.incoming().for_each(drop));

        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut home = Home::new().resolver(&closed).host("news.example", &echo).group("family");
        let mut policy =
            "[[allow]]\nhost = \"news.example\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.1/32\"]\n".to_owned();
        let mut keys = Vec::new();
        for (name, place, _) in PLACES {
            for (trouble, server) in [("echo", &echo), ("fails", &fails), ("liar", &liar)] {
                home = home.host(&format!("{trouble}.{name}.example"), server);
            }
            for (trouble, address) in [("breaks", &broken), ("closed", &closed)] {
                home = home.host_at(&format!("{trouble}.{name}.example"), &address.to_string());
            }
            let hosts: Vec<String> = TROUBLES.iter().map(|trouble| format!("\"{trouble}.{name}.example\"")).collect();
            let key = random_key("live-");
            let env = name.to_uppercase();
            let toml = format!(
                "hosts = [{}]\nplace = [\"{place}\"]\nenv = \"{env}_KEY\"\nprefix = \"live-\"\n",
                hosts.join(", ")
            );
            home = home.credential(name, &key, &toml);
            for trouble in TROUBLES {
                policy += &format!(
                    "[[allow]]\nhost = \"{trouble}.{name}.example\"\naccess = \"read\"\ncredential = \"{name}\"\nprivate = [\"127.0.0.1/32\"]\n"
                );
            }
            keys.push(key);
        }
        let heard = home.at("heard");
        let hook = format!("[alarm]\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n", heard.display());
        let home = home.config(&hook).policy("family", &policy);
        Stage { home, keys, echo, _others: vec![fails, liar] }
    }

    /// Every placement, with every trouble; gives what came back.
    fn ask_everything(&self, door: &Door) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (name, _, request) in PLACES {
            let token = door.variable(&format!("{}_KEY", name.to_uppercase()));
            let basic = STANDARD.encode(format!("me:{token}"));
            // A name that leads nowhere takes its time, and one of them is enough.
            for trouble in TROUBLES.into_iter().filter(|trouble| *trouble != "nowhere" || name == "query") {
                let host = format!("{trouble}.{name}.example");
                let request = request.replace("TOKEN", &token).replace("BASIC", &basic);
                answers.push(door.ask(&host, &format!("{request}Host: {host}\r\nConnection: close\r\n\r\n")));
            }
        }
        answers
    }

    /// Somebody has got hold of a real key, and tries to send it away.
    fn carry_away(&self, door: &Door) -> Vec<Answer> {
        let mut answers = Vec::new();
        for key in &self.keys {
            let coded = STANDARD.encode(key);
            for request in [
                format!("GET /{key} HTTP/1.1\r\n"),
                format!("GET /a?b={key} HTTP/1.1\r\n"),
                format!("GET /a?b={coded} HTTP/1.1\r\n"),
                format!("GET /a HTTP/1.1\r\nX-Mine: {key}\r\n"),
                format!("GET /a HTTP/1.1\r\nUser-Agent: {coded}\r\n"),
            ] {
                answers.push(
                    door.ask("news.example", &format!("{request}Host: news.example\r\nConnection: close\r\n\r\n")),
                );
            }
            let body = format!(
                "POST /a HTTP/1.1\r\nHost: news.example\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{key}",
                key.len()
            );
            answers.push(door.ask("news.example", &body));
        }
        answers
    }
}

#[test]
fn nothing_that_the_daemon_writes_holds_a_secret() {
    let stage = Stage::new();
    let home = &stage.home;
    let daemon = home.up_logging("trace");
    let door = Door::open(home, "family");
    let answers = stage.ask_everything(&door);
    for (key, (name, ..)) in stage.keys.iter().zip(PLACES) {
        let sent = if name == "basic" { STANDARD.encode(format!("me:{key}")) } else { key.clone() };
        assert!(stage.echo.received(&sent), "the real key was put on: {name}");
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    for wanted in [200, 500, 502] {
        assert!(statuses.contains(&wanted), "{statuses:?}");
    }
    let refused = stage.carry_away(&door);
    assert!(refused.iter().all(|answer| answer.status == 403), "{refused:#?}");
    until("the command to be told", || home.at("heard").exists());

    let forms: Vec<String> = stage.keys.iter().flat_map(|key| spellings(key)).collect();
    let check = |what: &str, text: &str| {
        for form in &forms {
            assert!(!text.contains(form.as_str()), "a real key, as {form}, is in {what}");
        }
    };
    for answer in answers.iter().chain(&refused) {
        check("an answer", &answer.body);
    }
    home.audit();
    for args in [&["audit"][..], &["audit", "--json"], &["audit", "--csv"], &["audit", "digest"], &["audit", "verify"]]
    {
        let ran = home.run(args).ok();
        check(&args.join(" "), &ran.out);
        check(&args.join(" "), &ran.err);
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "a crash would write its memory to a file: {core}");

    let shut = door.shut();
    check("what the door printed", &(shut.out + &shut.err));
    // While it runs, so that the write-ahead logs are there as well.
    check_files(home.path(), &forms);
    let ended = daemon.stop().ok();
    assert!(ended.err.contains("TRACE"), "it did log at that level");
    check("the daemon's log", &ended.err);
    check_files(home.path(), &forms);
}

/// The ways in which a value can stand in a text; base64 from each of three places on.
fn spellings(key: &str) -> Vec<String> {
    let hex = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![key.to_owned(), key.to_uppercase(), hex];
    for skip in 0..3 {
        let rest = &key.as_bytes()[skip..];
        all.push(STANDARD.encode(&rest[..rest.len() / 3 * 3]));
    }
    all
}

/// Every file below the home but the secrets' own.
fn check_files(folder: &Path, forms: &[String]) {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let secret = PLACES.iter().any(|(name, ..)| path.ends_with(format!("{name}.key")));
            if !kind.is_file() || secret {
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            for form in forms {
                let found = memchr::memmem::find(&bytes, form.as_bytes());
                assert!(found.is_none(), "a real key, as {form}, is in {}", path.display());
            }
        }
    }
}
