//! Operations through a real door, with a real store and log, and nobody in the chats.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests come through a door, and fail by panicking")]

use std::time::{Duration, Instant};

use policies::{GroupName, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger as _, Outcome, Protocol, Tokens};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::approvals::{Around, Times};
use crate::config::Config;
use crate::gateway::{Gateway, OpenDoor};
use crate::home::Home;
use crate::pipeline::outbox::{self, Patience};
use crate::store::ledger::{AuditEntry, Filter, Recorded};
use crate::store::{MessageRow, NewGroup, Queued, RunId};
use proxy::ports::NobodyToAsk;

mod anything;
mod beside;
mod files;
mod matrix;
mod owner;
mod people;
mod tasks;
mod told;
mod vectors;

const SECRET: &str = "bank-real-0123456789abcdef";

/// An installation with a main group, a family, and doors to both.
struct House {
    home: Home,
    store: Arc<Store>,
    log: Arc<AuditLog>,
    gateway: Arc<Gateway>,
    owner: Arc<Approvals>,
    folder: TempDir,
}

struct Heard {
    status: u16,
    head: String,
    body: String,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.prepare().unwrap();
        crate::home::make_private_file(&home.config_dir().join("bank.key")).unwrap();
        std::fs::write(home.config_dir().join("bank.key"), SECRET).unwrap();
        let credential = "[credentials.bank]\nsecret = \"file:bank.key\"\nhosts = [\"bank.test\"]\nplace = [\"header:authorization\"]\n";
        std::fs::write(home.config_file(), credential).unwrap();
        let policy = "[[allow]]\nhost = \"api.test\"\ndo = [\"GET /notes/**\"]\n\n[[deny]]\nhost = \"gists.test\"\nwhy = \"gists are an upload channel\"\n";
        std::fs::write(home.policy_file(&group("family")), policy).unwrap();
        std::fs::write(home.base_policy_file(), "[[deny]]\nhost = \"**.casino.test\"\nwhy = \"no gambling\"\n")
            .unwrap();
        let store = Arc::new(Store::open(&home.main_db()).unwrap());
        for (name, is_main) in [("main", true), ("family", false)] {
            let new = NewGroup { name: &group(name), channel: "terminal", chat: name, is_main };
            store.add_group(&new).unwrap();
        }
        let log = Arc::new(AuditLog::open(&home.audit_log()).unwrap());
        let (outbox, inbox) = outbox::handle();
        let owner = Approvals::open(&home, store.clone(), log.clone(), Times::of_the_machine()).unwrap();
        let chats = Chats {
            store: store.clone(),
            outbox: outbox.clone(),
            owner: owner.clone(),
            home: home.clone(),
            counted: counted(),
            bell: TaskBell::default(),
            helpers: Arc::default(),
            zone: Some("Europe/Berlin".to_owned()),
            spoken: Arc::new(|_| Language::English),
        };
        let config = Config::load(&home).unwrap();
        let gateway =
            Gateway::open(&home, &config, log.clone(), Operations::of(log.clone(), Some(chats)), Arc::new(NobodyToAsk))
                .unwrap();
        let say = Say::new(gateway.secrets(), log.clone());
        inbox.start(store.clone(), say.clone(), Patience::default());
        owner.stands_among(Around {
            say,
            wake_outbox: Box::new(move || outbox.wake()),
            tell_agent: Box::new(|_, _, _| {}),
            look_at_policy: Box::new(|_| {}),
            is_locked: Box::new(|_| false),
            owners: Vec::new(),
        });
        House { home, store, log, gateway, owner, folder }
    }

    fn door(&self, name: &str) -> OpenDoor {
        self.gateway.open_door(&group(name), &self.socket(name)).unwrap()
    }

    fn socket(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.sock"))
    }

    async fn ask(&self, name: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Heard {
        let mut stream = UnixStream::connect(self.socket(name)).await.unwrap();
        let head = format!(
            "{method} http://doorward.internal{path} HTTP/1.1\r\nHost: doorward.internal\r\nConnection: close\r\n\
             Content-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Heard { status: head[9..12].parse().unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn get(&self, name: &str, path: &str) -> Heard {
        self.ask(name, "GET", path, "", b"").await
    }

    async fn mcp(&self, name: &str, message: &Value) -> Heard {
        let headers = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
        self.ask(name, "POST", "/mcp", headers, message.to_string().as_bytes()).await
    }

    /// Calls a tool: whether it succeeded, and what the agent reads.
    async fn call(&self, name: &str, tool: &str, arguments: Value) -> Result<String, String> {
        let params = json!({ "name": tool, "arguments": arguments });
        let heard =
            self.mcp(name, &json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params })).await;
        let answer: Value = serde_json::from_str(&heard.body).unwrap_or_else(|_| panic!("{}", heard.body));
        assert_eq!(answer["id"], 7, "{answer}");
        if let Some(error) = answer["error"]["message"].as_str() {
            return Err(error.to_owned());
        }
        let text = answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        if answer["result"]["isError"] == true { Err(text) } else { Ok(text) }
    }

    /// A group's run in flight, also set at its door.
    fn run(&self, name: &str, door: &OpenDoor) -> RunId {
        let run = self.store.begin_run(&group(name), MessageRow(1), MessageRow(1), door.sandbox_id()).unwrap().id;
        door.set_run(Some(run.0));
        run
    }

    fn queued(&self) -> Vec<Queued> {
        self.store.next_outgoing("terminal", i64::MAX).unwrap()
    }

    fn operations(&self) -> Vec<AuditEntry> {
        let all = self.log.entries(&Filter::default()).unwrap();
        all.into_iter().filter(|entry| entry.decision.operation.is_some()).collect()
    }
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

#[tokio::test]
async fn the_policy_in_force_is_told_as_json_and_as_text() {
    let house = House::new();
    let _door = house.door("family");
    let told = house.get("family", "/policy").await;
    assert_eq!(told.status, 200);
    assert!(told.head.contains("content-type: application/json") && told.head.contains("cache-control: no-store"));
    let manifest: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!((&manifest["group"], &manifest["allowed"][0]["host"]), (&json!("family"), &json!("api.test")));
    assert_eq!(manifest["denied"][0]["why"], "gists are an upload channel");
    let text = house.ask("family", "GET", "/policy", "Accept: text/plain\r\n", b"").await;
    for line in ["https://api.test", "GET /notes/**", "why: gists are an upload channel", "request_access"] {
        assert!(text.body.contains(line), "{line}: {}", text.body);
    }
    std::fs::write(house.home.policy_file(&group("family")), "[[allow]]\nhost = \"new.test\"\naccess = \"read\"\n")
        .unwrap();
    let began = Instant::now();
    let mut told = String::new();
    while !told.contains("new.test") {
        assert!(began.elapsed() < Duration::from_secs(60), "{told}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        told = house.get("family", "/policy").await.body;
    }
    assert!(!told.contains("api.test"), "{told}");
}

#[tokio::test]
async fn paths_and_methods_are_exact() {
    let house = House::new();
    let _door = house.door("family");
    assert!(house.get("family", "/").await.body.contains("/policy"));
    let refused = house.ask("family", "POST", "/policy", "", b"{}").await;
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("allow: get"), "{}", refused.head);
    for path in ["/Policy", "/policy/", "/mcp/", "/etc/passwd", "/policy;x", "/policy.json"] {
        let heard = house.get("family", path).await;
        assert_eq!(heard.status, 404, "{path}: {}", heard.body);
    }
}

#[tokio::test]
async fn mcp_has_a_handshake_tools_and_no_sessions() {
    let house = House::new();
    let door = house.door("family");
    let run = house.run("family", &door);
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let hello = house.mcp("family", &initialize).await;
    assert_eq!(hello.status, 200, "{}", hello.body);
    assert!(!hello.head.contains("mcp-session-id"), "{}", hello.head);
    let hello: Value = serde_json::from_str(&hello.body).unwrap();
    assert_eq!(hello["result"]["serverInfo"]["name"], "doorward");
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    let initialized = house.mcp("family", &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!(initialized.status, 202);
    let list = house.mcp("family", &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await;
    let list: Value = serde_json::from_str(&list.body).unwrap();
    let names: Vec<_> = list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, Operation::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>());
    assert!(house.call("family", "policy", json!({})).await.unwrap().contains("api.test"));
    assert_eq!(
        house.call("family", "format_disk", json!({})).await.unwrap_err(),
        "there is no such tool; tools/list names those there are"
    );
    assert_eq!(house.get("family", "/mcp").await.status, 405);
    assert_eq!(house.ask("family", "DELETE", "/mcp", "Mcp-Session-Id: x\r\n", b"").await.status, 405);
    assert!(!house.log.run_wrote_upstream(run).unwrap(), "to look at the tools and at the policy changes nothing");
    assert_eq!(house.operations().len(), 1);
}

#[tokio::test]
async fn a_message_goes_to_the_groups_own_chat_and_counts_as_written() {
    let house = House::new();
    let door = house.door("family");
    let run = house.run("family", &door);
    let text = "half way <internal>not for them</internal>there";
    house.call("family", "send_message", json!({ "text": text })).await.unwrap();
    let queued = house.queued();
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].group.as_str(), &*queued[0].chat, queued[0].run), ("family", "family", Some(run)));
    assert_eq!((queued[0].text.as_str(), &queued[0].in_reply_to), ("half way there", &None));
    assert!(house.log.run_wrote_upstream(run).unwrap(), "a run that spoke is not run again");
    let operation = house.operations().pop().unwrap();
    assert_eq!(
        (operation.decision.operation.unwrap().name.as_str(), operation.decision.run),
        ("send_message", Some(run.0))
    );
}

/// Attacks N03, N06: the caller is known from the door; other claims are refused.
#[tokio::test]
async fn no_claim_reaches_another_group() {
    let house = House::new();
    let door = house.door("family");
    house.run("family", &door);
    for claim in ["group", "chatJid", "isMain", "sender", "run", "__proto__"] {
        let arguments = json!({ "text": "hi", claim: "main" });
        let refused = house.call("family", "send_message", arguments).await.unwrap_err();
        assert!(refused.contains(&format!("unknown field `{claim}`")), "{refused}");
        let refused = house.call("family", "policy", json!({ claim: "main" })).await.unwrap_err();
        assert!(refused.contains("unknown field"), "{refused}");
    }
    assert_eq!(house.queued(), []);
    let records = house.operations();
    assert!(records.iter().all(|entry| entry.is_refusal() && entry.decision.group == "family"), "{records:#?}");
    assert!(!records[0].to_json().contains("chatJid"), "what was claimed is not kept");
}

#[tokio::test]
async fn messages_are_bounded_and_belong_to_an_answer() {
    let house = House::new();
    let door = house.door("family");
    let say = |text: String| house.call("family", "send_message", json!({ "text": text }));
    assert!(say("hi".to_owned()).await.unwrap_err().contains("nothing is being answered"));
    let run = house.run("family", &door);
    assert!(say("x".repeat(message::LONGEST + 1)).await.unwrap_err().contains("at most 8192 bytes"));
    assert!(say("<internal>x</internal> ".to_owned()).await.unwrap_err().contains("nothing to say"));
    for number in 0..message::MESSAGES_AT_MOST {
        say(format!("{number}")).await.unwrap();
    }
    assert!(say("one more".to_owned()).await.unwrap_err().contains("at most 20 messages"));
    house.store.fail_run(run, "over", None, &[]).unwrap();
    assert!(say("late".to_owned()).await.unwrap_err().contains("ended meanwhile"));
    // Another group's run is no way around it.
    let main = house.store.begin_run(&group("main"), MessageRow(1), MessageRow(1), door.sandbox_id()).unwrap();
    door.set_run(Some(main.id.0));
    assert!(say("hi".to_owned()).await.unwrap_err().contains("ended meanwhile"));
}

#[tokio::test]
async fn a_secret_in_a_message_or_a_request_is_withheld_and_told() {
    let house = House::new();
    let door = house.door("family");
    house.run("family", &door);
    let mut alarms = house.log.subscribe_to_alarms();
    let wish = |host: &str, why: &str| json!({ "host": host, "path": format!("/{SECRET}"), "why": why });
    for (tool, arguments) in [
        ("send_message", json!({ "text": format!("the key is {SECRET}") })),
        ("request_access", wish("other.test", "x")),
        ("request_access", json!({ "host": "other.test", "why": format!("send {SECRET}") })),
    ] {
        let refused = house.call("family", tool, arguments).await.unwrap_err();
        assert!(refused.contains("secret_in_request") && !refused.contains(SECRET), "{refused}");
    }
    assert_eq!((house.queued(), house.store.access_requests().unwrap()), (vec![], vec![]));
    let alarm = loop {
        if let Recorded::Outcome(_, outcome) = alarms.recv().await.unwrap() {
            break outcome;
        }
    };
    assert!(alarm.alarm);
    for file in std::fs::read_dir(house.home.audit_log()).unwrap() {
        let file = file.unwrap().path();
        let log = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&log).contains(SECRET), "{}", file.display());
    }
}

#[tokio::test]
async fn a_wish_is_kept_once_told_once_and_allows_nothing() {
    let house = House::new();
    let door = house.door("family");
    let run = house.run("family", &door);
    let mut told = house.log.subscribe_to_alarms();
    let wish = json!({ "host": "WEATHER.example", "path": "/today", "why": "it rains,\nsee https://evil.test" });
    let answer = house.call("family", "request_access", wish.clone()).await.unwrap();
    assert!(answer.contains("not allowed yet") && answer.contains("https://weather.example/today"), "{answer}");
    assert!(house.call("family", "request_access", wish).await.unwrap().contains("told of"));
    let kept = house.store.access_requests().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].group.as_str(), &*kept[0].authority, &*kept[0].method),
        ("family", "weather.example:443", "GET")
    );
    assert_eq!((&*kept[0].path, kept[0].asked), ("/today", 2));
    let Recorded::Notice(_, notice) = told.recv().await.unwrap() else { panic!("a notice") };
    assert_eq!(
        notice.text,
        "The agent of group family asks to be allowed weather[.]example: GET /today. It says: \u{201c}it rains,\u{21b5}see https[:]//evil[.]test\u{201d}"
    );
    assert!(told.try_recv().is_err(), "what was asked before is not told again");
    assert!(house.log.run_wrote_upstream(run).unwrap());
    let facts = policies::Facts::parse("GET", "https://weather.example/today").unwrap();
    assert!(matches!(
        house.gateway.policy(&group("family")).at(policies::Moment::FAR).decide(facts),
        policies::Verdict::Deny(..)
    ));
}

#[tokio::test]
async fn a_wish_that_is_settled_says_so() {
    let house = House::new();
    let _door = house.door("family");
    let wish = |host: &str, path: &str| json!({ "host": host, "path": path, "why": "because" });
    let allowed = house.call("family", "request_access", wish("api.test", "/notes/1")).await.unwrap();
    assert!(allowed.contains("is allowed already"), "{allowed}");
    let denied = house.call("family", "request_access", wish("x.casino.test", "/")).await.unwrap_err();
    assert!(denied.contains("a denial of the owner's stands") && denied.contains("no gambling"), "{denied}");
    let door = house.call("family", "request_access", wish("doorward.internal", "/")).await.unwrap_err();
    assert!(door.contains("no policy can allow this"), "{door}");
    for (host, path) in
        [("https://a.test", "/"), ("*.a.test", "/"), ("", "/"), ("a.test", "/x/../y"), ("a.test", "/?q=1")]
    {
        house.call("family", "request_access", wish(host, path)).await.unwrap_err();
    }
    assert!(house.call("family", "request_access", json!({ "host": "a.test", "why": " " })).await.is_err());
    assert_eq!(house.store.access_requests().unwrap(), []);
    // What the group's own file denies, the owner can change.
    house.call("family", "request_access", wish("gists.test", "/")).await.unwrap();
    assert_eq!(house.store.access_requests().unwrap().len(), 1);
}

#[tokio::test]
async fn wishes_are_bounded() {
    let house = House::new();
    let _door = house.door("family");
    let wish = |number: u32| json!({ "host": format!("h{number}.test"), "why": "because" });
    for number in 0..access::WAITING_AT_MOST {
        house.call("family", "request_access", wish(number)).await.unwrap();
    }
    assert!(house.call("family", "request_access", wish(99)).await.unwrap_err().contains("limit_exceeded"));
    assert_eq!(house.store.clear_access_requests(Some(&group("main"))).unwrap(), 0);
    assert_eq!(house.store.clear_access_requests(Some(&group("family"))).unwrap(), 50);
    house.call("family", "request_access", wish(99)).await.unwrap();
}

#[tokio::test]
async fn a_door_of_no_registered_group_reads_its_policy_and_does_no_more() {
    let house = House::new();
    let _door = house.door("nobody");
    assert!(house.call("nobody", "policy", json!({})).await.is_ok());
    for (tool, arguments) in
        [("send_message", json!({ "text": "x" })), ("request_access", json!({ "host": "a.test", "why": "x" }))]
    {
        let refused = house.call("nobody", tool, arguments).await.unwrap_err();
        assert!(refused.contains("operation_refused"), "{refused}");
    }
    let verdicts: Vec<_> = house.operations().into_iter().map(|entry| entry.decision.verdict).collect();
    assert_eq!(verdicts, ["allow", "deny", "deny"]);
}

/// Only of its own group.
#[tokio::test]
async fn an_agent_reads_what_its_own_models_have_used_up() {
    let house = House::new();
    let _door = house.door("family");
    let uses = |name: &str, output| {
        let identity = Identity { group: group(name), sandbox: SandboxId::new("abc1").unwrap() };
        let decision = Decision { verdict: Allowed::Allow, ..Decision::bare(identity, None, 1, Protocol::Https) };
        let seq = house.log.decided(&decision).unwrap();
        let tokens = Tokens { model: Some("claude-sonnet-4-5".to_owned()), output, ..Tokens::default() };
        house.log.ended(seq, &Outcome { tokens: Some(tokens), ..Outcome::default() }).unwrap();
    };
    uses("family", 1000);
    uses("main", 7);
    let told: Value = serde_json::from_str(&house.call("family", "usage", json!({})).await.unwrap()).unwrap();
    assert_eq!((&told["today"]["tokens"], &told["this_month"]["cost"]), (&json!(1000), &json!(15_000)), "{told}");
    assert!(house.call("family", "usage", json!({ "group": "main" })).await.is_err());
}

fn counted() -> Counted {
    let clock = crate::clock::OwnersClock::new(jiff::tz::TimeZone::UTC);
    Counted { clock, prices: crate::config::Prices::default().with_shipped() }
}
