//! What a sandbox is told: never a path on the host, nor a name that it must not know, of another
//! group's credential, of a bait, or of another group. The owner's log has it.

use std::sync::atomic::Ordering;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::websocket;
use crate::support::http2::Http2Client;
use crate::support::ports::HOST_PATH;
use crate::support::{OpenDoor, Setup, World, get, until};

const RULES: &str =
    "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nwebsocket = true\nprivate = [\"127.0.0.12/32\"]\n";

/// Names of credentials, baits and other groups in the fixture.
const NAMES: [&str; 10] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "bait", "family", "work"];

/// Every value of the installation, by its name in the fixture.
fn watched(world: &World) -> Vec<(&'static str, String)> {
    let is_watched = |name: &str| !matches!(name, "ATTACKER" | "FRESH");
    world.values.iter().filter(|(name, _)| is_watched(name)).map(|(name, value)| (*name, value.clone())).collect()
}

/// The text of an answer, without the parts that only repeat the request.
fn says_nothing(text: &str, what: &str) {
    let text = text.to_ascii_lowercase();
    for name in NAMES {
        let is_said = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
        assert!(!is_said, "{what} tells {name}: {text}");
    }
    assert!(!text.contains("/home/") && !text.contains("bait"), "{what}: {text}");
}

/// Over HTTP/1.1, in each part of a request that is searched.
async fn sent_everywhere(door: &OpenDoor, value: &str, what: &str) -> usize {
    let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let length = value.len();
    let head = "HTTP/1.1\r\nHost: cdn.allowed.test\r\n";
    let requests = [
        format!("GET /{escaped} {head}\r\n"),
        format!("GET /?q={escaped} {head}\r\n"),
        format!("GET / {head}X-Note: {value}\r\n\r\n"),
        format!("POST / {head}Content-Length: {length}\r\n\r\n{value}"),
    ];
    let mut refused = 0;
    for request in requests {
        let mut client = door.tunnel("cdn.allowed.test:443").await;
        client.send(request).await;
        let answer = client.answer().await.expect("an answer");
        refused += usize::from(answer.status >= 400);
        says_nothing(&answer.text(), what);
    }
    refused
}

#[tokio::test]
async fn nobody_is_told_a_name_that_is_none_of_theirs() {
    let world = World::new().await;
    let bare = world.without_credentials(RULES);
    let (values, mut refused) = (watched(&world), 0);
    for (name, value) in &values {
        refused += sent_everywhere(&bare, value, name).await;
    }
    assert!(values.len() > 15, "{values:?}");
    assert_eq!(refused, 4 * values.len(), "each was refused in each place");
    let rows = world.log.rows();
    let whys: String = rows.iter().filter_map(|row| row.decision.why.clone().or(row.outcome.clone()?.why)).collect();
    for told in ["credential first", "credential second", "bait bait"] {
        assert!(whys.contains(told), "the owner hears of {told}: {whys}");
    }
}

/// A group may know the names of its own credentials.
#[tokio::test]
async fn a_group_is_told_of_its_own_credential() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", &format!("/{}", world.surrogate()))).await;
    assert!(client.answer().await.unwrap().text().contains("surrogate of credential first"));
}

#[tokio::test]
async fn a_websocket_and_http2_tell_no_more() {
    let world = World::new().await;
    websocket::echoes(world.upstream("cdn.allowed.test"));
    let bare = world.without_credentials(RULES);
    let client = bare.tunnel("cdn.allowed.test:443").await;
    let mut socket = websocket::opened(client, websocket::handshake("cdn.allowed.test", "/ws", "")).await;
    socket.send(Message::text(world.values["REAL2"].clone())).await.unwrap();
    while let Some(message) = websocket::next(&mut socket).await {
        says_nothing(&message.to_string(), "a message");
    }
    world.upstream("cdn.allowed.test").answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let client = Http2Client::connect(&bare, "cdn.allowed.test:443").await;
    let answer = client.post("https://cdn.allowed.test/", world.values["CANARY"].clone()).await;
    assert_eq!(answer.status, 403);
    says_nothing(&answer.text(), "an answer over HTTP/2");
}

/// Why a secret or the log is unavailable is for the owner to know.
#[tokio::test]
async fn nobody_is_told_where_something_is_on_the_host() {
    let world = World::with(Setup::default()).await;
    world.safe.locked.store(true, Ordering::SeqCst);
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let head = format!("Host: api.bound.test\r\nAuthorization: Bearer {}\r\n", world.surrogate());
    client.send(format!("GET /v1/x HTTP/1.1\r\n{head}\r\n")).await;
    let answer = client.answer().await.unwrap();
    assert!(answer.status == 503 && answer.text().contains("secret_unavailable"), "{}", answer.text());
    assert!(answer.text().contains("credential first") && !answer.text().contains("/home"), "{}", answer.text());
    until("it is stored", || world.log.is_settled() && !world.log.rows().is_empty()).await;
    assert!(world.log.only().decision.why.unwrap().contains(HOST_PATH), "the owner's log has it");

    world.log.down.store(true, Ordering::SeqCst);
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert!(answer.status == 503 && answer.text().contains("audit_unavailable"), "{}", answer.text());
    assert!(!answer.text().contains("/home"), "{}", answer.text());
    // In a request to the host itself, and through MCP.
    let mut client = world.family.connect().await;
    client
        .send("POST http://doorward.internal/do HTTP/1.1\r\nHost: doorward.internal\r\nContent-Length: 0\r\n\r\n")
        .await;
    let answer = client.answer().await.unwrap();
    assert!(answer.status == 503 && !answer.text().contains("/home"), "{}", answer.text());
}
