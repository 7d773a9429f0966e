//! What models use up: counted at the door, limited, kept over a crash, and told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Answer, Chat, Door, Home, Response, Upstream, random_key, until};
use serde_json::{Value, json};

const HOST: &str = "api.anthropic.com";

const LOOPBACK: &str = "\
[[allow]]
host = \"api.anthropic.com\"
do = [\"POST /v1/messages\"]
private = [\"127.0.0.1/32\"]
";

const KEY: &str = "hosts = [\"api.anthropic.com\"]\nplace = [\"header:x-api-key\"]\nenv = \"ANTHROPIC_API_KEY\"\n";

/// A home whose group `family` may ask this server, within these limits.
fn home(model: &Upstream, limits: &str) -> Home {
    let home = Home::new().host(HOST, model).group("family");
    let policy = format!("use = [\"claude\"]\n\n[limits]\n{limits}\n\n{LOOPBACK}");
    home.credential("anthropic", &random_key("sk-ant-api03-"), KEY).policy("family", &policy)
}

fn message(model: &str, read: u64, written: u64) -> Response {
    let usage = json!({ "input_tokens": read, "cache_read_input_tokens": 0, "output_tokens": written });
    let body =
        json!({ "type": "message", "model": model, "content": [{ "type": "text", "text": "ok" }], "usage": usage });
    Response::ok(body.to_string()).header("content-type", "application/json")
}

fn request(door: &Door, model: &str, most: u64) -> String {
    let body = json!({ "model": model, "max_tokens": most, "messages": [] }).to_string();
    let head = format!("x-api-key: {}\r\nContent-Type: application/json\r\n", door.variable("ANTHROPIC_API_KEY"));
    let length = body.len();
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn ask(door: &Door, most: u64) -> Answer {
    door.ask(HOST, &request(door, "claude-sonnet-4-5", most))
}

fn used(home: &Home) -> Value {
    let shown = home.run(&["usage", "family", "--json"]).ok();
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    shown["groups"][0]["usage"].clone()
}

#[test]
fn what_a_model_used_up_is_shown_and_limits_hold_over_kill_9() {
    let (hangs, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let model = Upstream::start(&[HOST], {
        let (hangs, asked) = (hangs.clone(), asked.clone());
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            while hangs.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            message("claude-sonnet-4-5-20250929", 1000, 200)
        }
    });
    let home = home(&model, "tokens_per_day = 10000\nmoney_per_day = \"1 USD\"");
    let daemon = home.up();
    let door = Door::open(&home, "family");
    assert_eq!(ask(&door, 500).status, 200);
    until("the outcome to be stored", || used(&home)["models"][0]["estimated"] == false);
    let usage = used(&home);
    assert_eq!((&usage["tokens"], &usage["cost"]), (&json!(1200), &json!(6000)), "{usage}");
    assert_eq!(usage["models"][0]["model"], "claude-sonnet-4-5-20250929");
    home.run(&["usage"]).ok().prints("claude-sonnet-4-5-20250929").prints("of 10000 (tokens_per_day)");

    // One is under way when the daemon dies: it counts as what it might have come to.
    hangs.store(true, Ordering::SeqCst);
    let _under_way = door.begin(HOST, &request(&door, "claude-sonnet-4-5", 5000));
    until("it to have arrived", || asked.load(Ordering::SeqCst) == 2);
    drop(daemon.kill());
    let socket = door.socket.clone();
    drop(door);
    // Nobody was left to remove it.
    let _ = std::fs::remove_file(socket);
    hangs.store(false, Ordering::SeqCst);
    let prompt = 16;
    assert_eq!(used(&home)["tokens"], 6200 + prompt);

    let _daemon = home.up();
    let door = Door::open(&home, "family");
    let refused = ask(&door, 4000);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("has 3784 of its tokens_per_day of 10000 left"), "{}", refused.body);
    assert_eq!(ask(&door, 3784 - prompt).status, 200);
    until("the outcome to be stored", || used(&home)["tokens"] == 7400 + prompt);
    assert_eq!(ask(&door, 2601 - 2 * prompt).status, 403);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "what is refused is not sent");
    let denied = home.audit_with(&["--denied"]);
    assert!(denied.0.iter().all(|record| record["code"] == "used_up"), "{denied:?}");
}

#[test]
fn a_model_without_a_price_is_counted_in_tokens_and_the_owner_can_give_it_one() {
    let model = Upstream::start(&[HOST], |_| message("claude-unheard-of", 10, 5));
    let home = home(&model, "");
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    assert_eq!(door.ask(HOST, &request(&door, "claude-unheard-of", 50)).status, 200);
    until("the outcome to be stored", || used(&home)["tokens"] == 15);
    home.run(&["usage"]).ok().prints("no price").prints("counted in tokens alone: claude-unheard-of");
    let home = home.config("[prices.claude-unheard-of]\ninput = 1\noutput = 2\n");
    assert_eq!(used(&home)["cost"], 20);
    home.run(&["usage", "--month"]).ok().prints("less than 0.01 USD");
    let wrong = home.config("[prices.other]\ninput = \"1\"\n");
    wrong.run(&["usage"]).code(1).says("`input` must be a number");
}

/// Once a day, also over restarts; its fingerprint is one that `verify` takes; and a word ends it.
#[test]
fn the_main_chat_hears_the_digest_once_a_day() {
    let model = Upstream::start(&[HOST], |_| message("claude-sonnet-4-5", 1000, 200));
    let home = home(&model, "").config("[digest]\nat = \"00:00\"\n");
    home.run(&["group", "add", "owner", "--main"]).ok();
    let daemon = home.up();
    let door = Door::open(&home, "family");
    assert_eq!(ask(&door, 500).status, 200);
    until("the outcome to be stored", || used(&home)["tokens"] == 1200);
    drop(door);
    daemon.stop().ok();

    // A day goes by.
    let yesterday = |home: &Home| {
        let store = rusqlite::Connection::open(home.at("data/doorward.db")).unwrap();
        let set = "UPDATE digests SET day = date('now', '-1 day'), at = at - 86400000";
        assert_eq!(store.execute(set, []).unwrap(), 1);
    };
    yesterday(&home);
    let daemon = home.up();
    let mut owner = Chat::open(&home, "owner");
    let digest = owner.next_of("send")["text"].as_str().unwrap().to_owned();
    assert!(
        digest.contains("family: api.anthropic.com (") && digest.contains("1200 tokens, less than 0.01 USD"),
        "{digest}"
    );
    let head = digest.lines().last().unwrap();
    home.run(&["audit", "verify", "--head", head]).ok();
    let printed = home.run(&["audit", "digest", "--daily", "--since", "1d"]).ok();
    assert!(printed.out.contains("family: api.anthropic.com ("), "{}", printed.out);
    daemon.stop().ok();

    // The same day again says nothing; what is said next is the answer to a word.
    let daemon = home.up();
    let mut owner = Chat::open(&home, "owner");
    owner.send("m1", "digest off");
    let said = owner.until_done("m1");
    assert!(said.iter().any(|said| said.1.contains("no daily digest any more")), "{said:?}");
    daemon.stop().ok();
    yesterday(&home);
    let _daemon = home.up();
    let today = |store: &rusqlite::Connection| -> bool {
        store.query_row("SELECT day = date('now') FROM digests", [], |row| row.get(0)).unwrap()
    };
    until("the day to go by", || today(&rusqlite::Connection::open(home.at("data/doorward.db")).unwrap()));
    let mut owner = Chat::open(&home, "owner");
    owner.send("m2", "digest on");
    let said = owner.until_done("m2");
    assert!(said.iter().any(|said| said.1.contains("comes every day again")), "{said:?}");
}
