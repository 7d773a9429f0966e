//! Everyday requests of programs to public services, through a real door: `tests/corpus/requests`
//! names their sources. A request passes, complete, at a host without a credential and at one with
//! it; its near misses stay refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use policies::{Authority, Code};
use proxy::ports::Resolved;
use proxy::{Credential, Guarded, Keyring, Place};
use support::{Client, OpenDoor, World};

const SERVER: &str = "cdn.allowed.test";

/// What every client sends, beside what a request itself contains.
const ALWAYS: [(&str, &str); 2] = [("Accept", "*/*"), ("User-Agent", "household/1.0")];

/// The least number of each.
const REQUESTS: usize = 400;
const SERVICES: usize = 60;
const NEAR: usize = 5;

struct Service {
    name: String,
    allow: Vec<String>,
    requests: Vec<Request>,
}

#[derive(Clone)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

struct Near {
    kind: String,
    code: String,
    alarm: bool,
    requests: Vec<Request>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ordinary_request_passes() {
    let services = services();
    let count: usize = services.iter().map(|one| one.requests.len()).sum();
    assert!(services.len() >= SERVICES && count >= REQUESTS, "{count} requests of {} services", services.len());
    let world = World::new().await;
    let mut wrong = Vec::new();
    for guarded in [false, true] {
        let (door, _names) = door(&world, &services, guarded);
        let mut at_all: Vec<_> = services.iter().map(|service| all_of(&world, &door, service, guarded)).collect();
        // Several at a time, each service over a connection of its own.
        while !at_all.is_empty() {
            let some: Vec<_> = at_all.drain(..at_all.len().min(8)).collect();
            wrong.extend(futures_util::future::join_all(some).await.concat());
        }
    }
    println!("{count} requests of {} services, each with and without a credential", services.len());
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    world.settled().await;
    let alarms: Vec<_> = world.log.rows().into_iter().filter(support::ports::Row::alarm).collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_near_stays_refused() {
    let service = Service { name: "near".into(), allow: vec!["* /**".into()], requests: Vec::new() };
    let world = World::new().await;
    let (door, names) = door(&world, &[service], true);
    let mut wrong = Vec::new();
    for near in near() {
        assert!(near.requests.len() >= NEAR, "{} of {}", near.requests.len(), near.kind);
        for request in &near.requests {
            let before = world.log.rows().len();
            let host = &names[0];
            let mut client = door.tunnel(&format!("{host}:443")).await;
            client.send(written(request, host, world.surrogate(), true)).await;
            let answer = client.answer().await.expect("an answer");
            let rows = world.log.rows();
            let row = &rows[before..][0];
            let code = row.code().map_or("none", Code::as_str);
            if answer.status < 400 || code != near.code || row.alarm() != near.alarm {
                wrong.push(format!("{}: {}: {} {code}, alarm {}", near.kind, request.line, answer.status, row.alarm()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let reached: Vec<_> = world.upstream(SERVER).received().iter().map(support::upstream::Received::text).collect();
    assert!(reached.is_empty(), "{reached:#?}");
}

/// A door whose policy has the plain rule of each service, and the services' hosts.
fn door(world: &World, services: &[Service], guarded: bool) -> (OpenDoor, Vec<String>) {
    let names: Vec<_> = services.iter().map(|one| host(&one.name, guarded)).collect();
    let server = world.upstream(SERVER).address;
    let rule = |(service, name): (&Service, &String)| {
        world.names.set(name, vec![vec![Resolved { ip: server.ip(), port: Some(server.port()) }]]);
        let credential = if guarded { "credential = \"first\"\n" } else { "" };
        format!(
            "[[allow]]\nhost = \"{name}\"\ndo = {:?}\nprivate = [\"{}/32\"]\n{credential}",
            service.allow,
            server.ip()
        )
    };
    let policy: String = services.iter().zip(&names).map(rule).collect();
    let hosts: Vec<_> = names.iter().map(|name| Authority::parse(&format!("{name}:443"), None).unwrap()).collect();
    let place = Place::Header(http::header::AUTHORIZATION);
    let credential = Credential {
        name: "first".into(),
        hosts: hosts.clone(),
        places: vec![place.clone()],
        only: Vec::new(),
        surrogate: world.surrogate().into(),
        grant: None,
        mints: Vec::new(),
        minted: None,
    };
    let guard = |authority| Guarded {
        authority,
        credential: "first".into(),
        places: vec![place.clone()],
        harmless: Vec::new(),
    };
    let keyring = Keyring::new(vec![credential], hosts.into_iter().map(guard));
    let (group, keyring) = if guarded { ("guarded", keyring) } else { ("bare", Keyring::default()) };
    (world.with_keyring(group, &policy, keyring), names)
}

fn host(service: &str, guarded: bool) -> String {
    if guarded { format!("{service}.example") } else { format!("{service}.open.example") }
}

/// Everything that goes wrong with the requests of one service.
async fn all_of(world: &World, door: &OpenDoor, service: &Service, guarded: bool) -> Vec<String> {
    let name = host(&service.name, guarded);
    let mut wrong = Vec::new();
    let mut client: Option<Client> = None;
    for request in &service.requests {
        let mut open = match client.take() {
            Some(open) => open,
            None => door.tunnel(&format!("{name}:443")).await,
        };
        open.send(written(request, &name, world.surrogate(), guarded)).await;
        let answer = if request.line.starts_with("HEAD") { open.head_answer().await } else { open.answer().await };
        let answer = answer.expect("an answer");
        if answer.status == 200 {
            wrong.extend(lost(world, request, &name, guarded).map(|what| format!("{name}: {}: {what}", request.line)));
            client = Some(open);
        } else {
            wrong.push(format!("{name}: {}: {} {}", request.line, answer.status, answer.text().replace('\n', " ")));
        }
    }
    wrong
}

/// The parts that did not arrive as they were sent.
fn lost(world: &World, request: &Request, name: &str, guarded: bool) -> Option<String> {
    let of_host = |one: &support::upstream::Received| one.header("host").as_deref() == Some(name);
    let received = world.upstream(SERVER).received().into_iter().rev().find(of_host)?;
    let expected = format!("{} HTTP/1.1", request.line);
    if received.request_line() != expected {
        return Some(format!("arrived as {}", received.request_line()));
    }
    let arrived = String::from_utf8_lossy(&received.head).into_owned();
    let arrived: Vec<_> = arrived.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
    let is_there = |(key, value): &&(String, String)| {
        let form_alone = guarded && key.eq_ignore_ascii_case("accept-encoding");
        form_alone || arrived.iter().any(|(name, came)| name.eq_ignore_ascii_case(key) && came == value)
    };
    if let Some((key, value)) = request.headers.iter().find(|header| !is_there(header)) {
        return Some(format!("without {key}: {value}"));
    }
    (received.body != request.body.as_bytes()).then(|| "with another body".to_owned())
}

/// A request as it is sent: with the surrogate in the place of a credential, unless the request has
/// something else there.
fn written(request: &Request, host: &str, surrogate: &str, guarded: bool) -> Vec<u8> {
    let has = |name: &str| request.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut text = format!("{} HTTP/1.1\r\nHost: {host}\r\n", request.line.replace("<<surrogate>>", surrogate));
    for (key, value) in ALWAYS.iter().filter(|(key, _)| !has(key)) {
        text.push_str(&format!("{key}: {value}\r\n"));
    }
    if guarded && !has("authorization") {
        text.push_str(&format!("Authorization: Bearer {surrogate}\r\n"));
    }
    for (key, value) in &request.headers {
        text.push_str(&format!("{key}: {}\r\n", value.replace("<<surrogate>>", surrogate)));
    }
    if !request.body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    text.push_str("\r\n");
    text.push_str(&request.body);
    text.into_bytes()
}

fn services() -> Vec<Service> {
    let mut all = Vec::new();
    for file in files().into_iter().filter(|file| !file.ends_with("near.toml")) {
        let service = |table: &toml::Value| {
            assert!(!text(table, "source").is_empty());
            let allow = table["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
            Service { name: text(table, "name"), allow, requests: requests(&text(table, "requests")) }
        };
        all.extend(read(&file)["api"].as_array().unwrap().iter().map(service));
    }
    all
}

fn near() -> Vec<Near> {
    let near = |table: &toml::Value| Near {
        kind: text(table, "kind"),
        code: text(table, "code"),
        alarm: table["alarm"].as_bool().unwrap(),
        requests: requests(&text(table, "requests")),
    };
    let file = files().into_iter().find(|file| file.ends_with("near.toml")).unwrap();
    read(&file)["near"].as_array().unwrap().iter().map(near).collect()
}

fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/requests");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().to_string_lossy().into_owned());
    let mut files: Vec<_> = files.filter(|file| file.ends_with(".toml")).collect();
    files.sort();
    files
}

fn read(file: &str) -> toml::Table {
    std::fs::read_to_string(file).unwrap().parse().unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text(table: &toml::Value, key: &str) -> String {
    table[key].as_str().unwrap_or_else(|| panic!("no {key} in {table}")).to_owned()
}

fn requests(text: &str) -> Vec<Request> {
    let mut all: Vec<Request> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("  "), all.last_mut()) {
            (None, _) => all.push(Request { line: line.to_owned(), headers: Vec::new(), body: String::new() }),
            (Some(below), Some(request)) => match below.strip_prefix('|') {
                Some(body) => {
                    let gap = if request.body.is_empty() { "" } else { "\r\n" };
                    request.body.push_str(&format!("{gap}{}", body.strip_prefix(' ').unwrap_or(body)));
                }
                None => {
                    let (key, value) = below.split_once(": ").unwrap_or_else(|| panic!("no header: {below}"));
                    request.headers.push((key.to_owned(), value.to_owned()));
                }
            },
            (Some(below), None) => panic!("of no request: {below}"),
        }
    }
    all
}
