//! A thousand requests that wait for their owner at once, in fifty groups, through real doors: each takes little,
//! and they harm nobody.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::support::{Door, Home, Response, Upstream, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

const GROUPS: usize = 50;
const OF_EACH: usize = 20;

/// What one may take beside its body and its connection, in any build.
const AT_MOST: u64 = 20 << 10;

const POLICY: &str = "\
[[allow]]
host = \"forms.example\"
do = [\"GET /\", \"POST /*\"]
private = [\"127.0.0.1/32\"]

[[ask]]
host = \"forms.example\"
do = [\"POST /*\"]
";

type Client = StreamOwned<ClientConnection, UnixStream>;

fn name(group: usize) -> String {
    format!("club-{group}")
}

/// The whole answer, of a server that says how long it is.
fn answer(client: &mut Client) -> String {
    let mut text = Vec::new();
    let whole = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        Some(body.len() >= length.parse().unwrap())
    };
    while whole(&text) != Some(true) {
        let mut some = [0; 4096];
        let read = client.read(&mut some).unwrap();
        assert!(read > 0, "the door hung up: {:?}", String::from_utf8_lossy(&text));
        text.extend(&some[..read]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn post(number: usize) -> String {
    let body = format!("name={number:04}&date=monday");
    format!(
        "POST /form-{number:04} HTTP/1.1\r\nHost: forms.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn asks(home: &Home) -> Vec<Value> {
    home.run(&["ask", "--json"]).ok().json().as_array().unwrap().clone()
}

fn resident(pid: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// A thousand connections are more than the usual 1,024 files leave room for.
fn all_files_that_are_allowed() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[test]
fn a_thousand_wait_at_their_doors_and_harm_nobody() {
    all_files_that_are_allowed();
    let forms = Upstream::start(&["forms.example"], |_| Response::ok("thank you"));
    let mut home = Home::new().host("forms.example", &forms);
    for group in 0..GROUPS {
        home = home.group(&name(group)).policy(&name(group), POLICY);
    }
    let daemon = home.up();
    let doors: Vec<_> = (0..GROUPS).map(|group| Door::open(&home, &name(group))).collect();
    // Each connection has carried something before, so what is weighed is what waiting takes.
    let get = "GET / HTTP/1.1\r\nHost: forms.example\r\n\r\n";
    let mut clients: Vec<_> = doors
        .iter()
        .flat_map(|door| (0..OF_EACH).map(move |_| door.begin("forms.example", get)))
        .map(|mut client| {
            assert!(answer(&mut client).ends_with("thank you"));
            client
        })
        .collect();
    let before = resident(daemon.pid());
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(post(number).as_bytes()).unwrap();
    }
    let all = GROUPS * OF_EACH;
    until("all of them to wait", || {
        let asks = asks(&home);
        asks.len() == all && asks.iter().all(|ask| ask["waits"] == true)
    });
    let each = resident(daemon.pid()).saturating_sub(before) / all as u64;
    println!("a request that waits takes {each} bytes");
    assert!(each < AT_MOST, "{each} bytes for each");
    // Whoever asks nothing goes on, in the same groups and through the same doors.
    for door in doors.iter().step_by(10) {
        let page = door.get("forms.example", "/", "");
        assert_eq!((page.status, &*page.body), (200, "thank you"));
    }
    // Each gets its own answer.
    let asks = asks(&home);
    for path in ["/form-0000", "/form-0999"] {
        let ask = asks.iter().find(|ask| ask["path"] == path).unwrap();
        home.run(&["ask", "yes", ask["code"].as_str().unwrap()]).ok().prints("Allowed, this once.");
    }
    assert!(answer(&mut clients[0]).ends_with("thank you"));
    assert!(answer(&mut clients[all - 1]).ends_with("thank you"));
    let posted = forms.requests().into_iter().filter(|request| !request.body.is_empty());
    let mut posted: Vec<_> = posted.map(|request| String::from_utf8(request.body).unwrap()).collect();
    posted.sort();
    assert_eq!(posted, ["name=0000&date=monday", "name=0999&date=monday"]);
    drop((clients, doors));
    until("the others to be left", || self::asks(&home).iter().all(|ask| ask["waits"] == false));
    home.run(&["audit", "verify"]).ok();
}
