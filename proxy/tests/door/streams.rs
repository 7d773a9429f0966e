//! Streams: nothing is collected, nothing is delayed.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::support::{PATIENCE, World, get, until};

const BIG: usize = 50 << 20;
/// The most that may be in transit between two ends that do not read: the buffers of five sockets
/// and of the proxy. Far less than is sent.
const UNDER_WAY: usize = 24 << 20;
/// If nothing moves for this long, nothing will.
const STUCK: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_passes_whole() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(format!("PUT /big HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: {BIG}\r\n\r\n")).await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..BIG / piece.len() {
        client.send(&piece).await;
    }
    assert_eq!(client.answer().await.unwrap().status, 200);
    world.settled().await;
    let received = world.upstream("cdn.allowed.test").only();
    assert!(received.complete);
    assert_eq!(received.body_bytes, BIG);
    assert_eq!(world.log.only().outcome().bytes_up, BIG as u64);
}

/// Also through a scrubber, which looks at every byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_download_passes_whole() {
    let world = World::new().await;
    for (host, path) in [("cdn.allowed.test", "/"), ("api.bound.test", "/v1/x")] {
        world.upstream(host).on(|exchange| {
            Box::pin(async {
                exchange.body().await?;
                exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n")).await?;
                let piece = vec![b'x'; 1 << 20];
                for _ in 0..BIG / piece.len() {
                    exchange.send(&piece).await?;
                }
                Ok(())
            })
        });
        let mut client = world.family.tunnel(&format!("{host}:443")).await;
        let authorization = match host {
            "api.bound.test" => format!("Authorization: Bearer {}\r\n", world.surrogate()),
            _ => String::new(),
        };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.complete);
        assert_eq!(answer.body.len(), BIG, "{host}");
        world.settled().await;
        assert_eq!(world.log.rows().last().unwrap().outcome().bytes_down, BIG as u64);
    }
}

/// Memory stays bounded because the client is slowed down when the upstream does not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_waits_for_an_upstream_that_does_not_read() {
    let world = World::new().await;
    let go = tokio::sync::watch::Sender::new(false);
    let told = go.subscribe();
    world.upstream("cdn.allowed.test").on(move |exchange| {
        let mut told = told.clone();
        Box::pin(async move {
            told.wait_for(|go| *go).await.map_err(std::io::Error::other)?;
            exchange.body().await?;
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(format!("PUT /big HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: {BIG}\r\n\r\n")).await;
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while let Ok(count) = client.write_some(&piece[..piece.len().min(BIG - sent)], STUCK).await {
        sent += count;
        assert!(sent < UNDER_WAY, "the door took {sent} bytes that nobody reads");
    }
    go.send_replace(true);
    while sent < BIG {
        sent += client.write_some(&piece[..piece.len().min(BIG - sent)], PATIENCE).await.unwrap();
    }
    client.flush().await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(world.upstream("cdn.allowed.test").only().body_bytes, BIG);
}

/// And the upstream is slowed down when the client does not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_waits_for_a_client_that_does_not_read() {
    let world = World::new().await;
    let (stuck, mut told) = mpsc::unbounded_channel();
    world.upstream("cdn.allowed.test").on(move |exchange| {
        let stuck = stuck.clone();
        Box::pin(async move {
            exchange.body().await?;
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n")).await?;
            let piece = vec![b'x'; 64 << 10];
            let mut sent = 0;
            while sent < BIG && tokio::time::timeout(STUCK, exchange.send(&piece)).await.is_ok() {
                sent += piece.len();
            }
            stuck.send(sent).map_err(std::io::Error::other)
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/big")).await;
    let sent = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert!(sent < UNDER_WAY, "the door took {sent} bytes that nobody reads");
    drop(client);
    until("the outcome is stored", || world.log.is_settled()).await;
}

/// The next event is sent only when the one before has arrived: holding one back would stop the
/// stream. With a scrubber and without.
#[tokio::test]
async fn events_are_not_delayed() {
    for (host, path) in [("cdn.allowed.test", "/"), ("api.bound.test", "/v1/x")] {
        let world = World::new().await;
        let (arrived, waiting) = mpsc::unbounded_channel();
        let waiting = std::sync::Arc::new(tokio::sync::Mutex::new(waiting));
        world.upstream(host).on(move |exchange| {
            let waiting = waiting.clone();
            Box::pin(async move {
                exchange.body().await?;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                exchange.send(head).await?;
                for number in 0..20 {
                    let event = format!("data: event {number}\n\n");
                    exchange.send(format!("{:x}\r\n{event}\r\n", event.len())).await?;
                    waiting.lock().await.recv().await;
                }
                exchange.send("0\r\n\r\n").await
            })
        });
        let mut client = world.family.tunnel(&format!("{host}:443")).await;
        let authorization = format!("Authorization: Bearer {}\r\n", world.surrogate());
        let authorization = if host == "api.bound.test" { &authorization } else { "" };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n")).await;
        assert_eq!(client.head_answer().await.unwrap().status, 200);
        for number in 0..20 {
            let mut seen = String::new();
            while !seen.contains(&format!("data: event {number}\n\n")) {
                seen.push_str(&String::from_utf8(client.some().await).unwrap());
            }
            arrived.send(()).unwrap();
        }
        assert!(client.finish().await.ends_with(b"0\r\n\r\n"));
    }
}

/// In both directions at once: the answer begins before the request has ended.
#[tokio::test]
async fn an_answer_may_begin_before_the_request_ends() {
    let world = World::new().await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await?;
            exchange.body().await?;
            exchange.send("4\r\nlast\r\n0\r\n\r\n").await
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    assert!(client.some().await.ends_with(b"first\r\n"));
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert!(client.finish().await.ends_with(b"4\r\nlast\r\n0\r\n\r\n"));
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.outcome().bytes_up, row.outcome().bytes_down, row.code()), (6, 9, None));
}
