//! Nothing that a sandbox can observe depends on a part of a secret (invariant 16): how much passes
//! and when, what is counted, which code it gets. Each guess is compared with one of the same
//! length that is wrong from its first character on.

use policies::Code;

use crate::support::spelled::hex;
use crate::support::{HELD, Setup, World, get, until};

const FILLER: usize = 3000;

/// Parts of every value that no sandbox may know, in the spelling in which each digit counts.
fn guesses(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for what in ["REAL1", "REAL2", "SUR2", "CANARY"] {
        let spelled = hex(&world.values[what]);
        for length in [1, 2, 7, 8, 15, 16, 31, 32, spelled.len() / 2, spelled.len() - 1] {
            let wrong = "0".repeat(length);
            all.extend([spelled[..length].to_owned(), wrong]);
        }
    }
    all
}

/// A server that answers 413 as soon as it has too much, as nginx does, can sense how much of an
/// unfinished body is held back.
#[tokio::test]
async fn how_much_of_an_open_body_has_gone_tells_nothing() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    for guess in guesses(&world) {
        let before = upstream.received().len();
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send("POST /notes HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000000\r\n\r\n").await;
        client.send(".".repeat(FILLER) + &guess).await;
        let gone = FILLER + guess.len() - HELD;
        let arrived = || upstream.received().get(before).map(|one| one.body_bytes);
        until("all but so many last bytes are upstream", || arrived() == Some(gone)).await;
        drop(client);
        world.settled().await;
        assert_eq!(arrived(), Some(gone), "{guess}");
    }
}

/// Bytes that are held back still count, so that no limit reveals them.
#[tokio::test]
async fn limits_tell_nothing() {
    let limited = format!("[limits]\nupload_per_request = \"{FILLER} B\"\n{}", Setup::default().family);
    let world = World::with(Setup { family: limited, ..Setup::default() }).await;
    for guess in guesses(&world) {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send("POST /notes HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000000\r\n\r\n").await;
        client.send(".".repeat(FILLER) + &guess).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.status == 429 && answer.text().contains("limit_exceeded"), "{guess}: {}", answer.text());
    }
    world.settled().await;
    assert!(world.log.codes().iter().all(|code| *code == Some(Code::LimitExceeded)));
}

/// A host that repeats a text and pauses: whether it resembles the key makes no difference to what is held back.
#[tokio::test]
async fn how_much_of_an_open_answer_has_come_tells_nothing() {
    let world = World::new().await;
    for (kind, end, held) in [("text/plain", "", HELD), ("text/event-stream", "\n", 0), ("application/json", "", HELD)]
    {
        for guess in guesses(&world) {
            let said = format!("{}{guess}{end}", ".".repeat(FILLER));
            let wanted = said.len() - held;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
            world.upstream("api.bound.test").on(move |exchange| {
                let said = format!("{head}{said}");
                Box::pin(async move {
                    exchange.body().await?;
                    exchange.send(said).await?;
                    exchange.closed = true;
                    // The pause lasts until the client goes away.
                    exchange.some().await.map(drop)
                })
            });
            let mut client = world.family.tunnel("api.bound.test:443").await;
            let request = get("api.bound.test", "/v1/x");
            let authorization = format!("\r\nAuthorization: Bearer {}\r\n\r\n", world.surrogate());
            client.send(request.replace("\r\n\r\n", &authorization)).await;
            assert_eq!(client.head_answer().await.unwrap().status, 200);
            let came = client.chunks_of(wanted).await;
            assert_eq!(came.len(), wanted, "{kind} {guess}");
        }
    }
}
