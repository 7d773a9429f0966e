//! Answers on their way down: broken ones, ones without bodies, scrubbed ones.

use policies::Code;

use crate::support::{Answer, World, until};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// One request with the surrogate to the host that has a credential.
async fn ask(world: &World, method: &str) -> Answer {
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    client.send(format!("{method} /v1/x HTTP/1.1\r\nHost: api.bound.test\r\n{authorization}\r\n\r\n")).await;
    let answer = if method == "HEAD" { client.head_answer().await } else { client.answer().await };
    let answer = answer.unwrap();
    assert!(client.finish().await.is_empty(), "nothing behind the answer");
    answer
}

#[tokio::test]
async fn answers_without_bodies_stay_without() {
    let world = World::new().await;
    let upstream = world.upstream("api.bound.test");
    for (method, head, status, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n", 200, Some("5000")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5000\r\n\r\n", 304, None),
    ] {
        upstream.on(move |exchange| {
            Box::pin(async move {
                exchange.body().await?;
                exchange.send(head).await
            })
        });
        let answer = ask(&world, method).await;
        assert_eq!((answer.status, answer.header("content-length").as_deref()), (status, length), "{method} {head}");
        assert_eq!(answer.header("transfer-encoding"), None, "{method} {head}");
        world.settled().await;
    }
    assert!(world.log.rows().iter().all(|row| row.outcome().bytes_down == 0));
    assert_eq!(upstream.connections(), 1, "the connection is good for the next one");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_does_not_look_whole() {
    let world = World::new().await;
    for (framing, body) in [("Content-Length: 100", "half"), ("Transfer-Encoding: chunked", "4\r\nhalf\r\n")] {
        let head = format!("{OK}{framing}\r\n\r\n{body}");
        world.upstream("cdn.allowed.test").on(move |exchange| {
            let head = head.clone();
            Box::pin(async move {
                exchange.body().await?;
                exchange.closed = true;
                exchange.send(head).await
            })
        });
        let answer = world.family.get("cdn.allowed.test", "/").await;
        assert_eq!((answer.status, answer.complete), (200, false), "{framing}");
        world.settled().await;
        let rows = world.log.rows();
        assert_eq!(rows.last().unwrap().code(), Some(Code::UpstreamFailed), "{framing}");
        assert_eq!(rows.last().unwrap().outcome().bytes_down, 4, "{framing}");
    }
}

/// Also where a scrubber stands in between and has bytes in hand.
#[tokio::test]
async fn a_scrubbed_answer_that_breaks_off_does_not_look_whole() {
    let world = World::new().await;
    let beginning = world.real()[..20].to_owned();
    world.upstream("api.bound.test").on(move |exchange| {
        let text = format!("{OK}Content-Length: 100\r\n\r\n{beginning}");
        Box::pin(async move {
            exchange.body().await?;
            exchange.closed = true;
            exchange.send(text).await
        })
    });
    let answer = ask(&world, "GET").await;
    assert_eq!(answer.status, 502, "nothing of it had gone, so it can be told");
    assert!(answer.text().contains("upstream_failed"), "what may be the secret's beginning is not let go");
}

/// However an echo is cut into writes, it comes back as the surrogate.
#[tokio::test]
async fn an_echo_is_scrubbed_at_every_cut() {
    let world = World::new().await;
    let body = format!("before {} after", world.real());
    let wanted = format!("before {} after", world.surrogate());
    for cut in 1..body.len() {
        let (one, two) = body.split_at(cut);
        let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
        let pieces = [format!("{OK}Transfer-Encoding: chunked\r\n\r\n{}", chunk(one)), chunk(two) + "0\r\n\r\n"];
        world.upstream("api.bound.test").answers_in_pieces(pieces.map(String::into_bytes).to_vec());
        assert_eq!(ask(&world, "GET").await.text(), wanted, "cut at {cut}");
    }
    world.settled().await;
    assert!(world.log.rows().iter().all(|row| row.outcome().scrubbed == 1));
}

#[tokio::test]
async fn a_length_that_no_longer_fits_is_not_told() {
    let world = World::new().await;
    let body = format!("{{\"auth\":\"{}\"}}", world.real());
    world.upstream("api.bound.test").answers(format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len()));
    let answer = ask(&world, "GET").await;
    assert_eq!(answer.header("content-length"), None);
    assert!(answer.complete);
    assert_eq!(answer.text(), format!("{{\"auth\":\"{}\"}}", world.surrogate()));
}

/// An old client understands no chunks: the end of the connection is the end.
#[tokio::test]
async fn an_old_client_gets_a_scrubbed_answer_too() {
    let world = World::new().await;
    let body = world.real().to_owned();
    world.upstream("api.bound.test").answers(format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut client = world.family.tunnel("api.bound.test:443").await;
    client.send(format!("GET /v1/x HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", world.surrogate())).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.header("transfer-encoding"), answer.text().as_str()), (None, world.surrogate()));
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_answer_ends_it_upstream() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    upstream.on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            exchange.send(format!("{OK}Transfer-Encoding: chunked\r\n\r\n")).await?;
            loop {
                exchange.send("400\r\n".to_owned() + &"x".repeat(1024) + "\r\n").await?;
            }
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(crate::support::get("cdn.allowed.test", "/")).await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    assert!(!client.some().await.is_empty());
    drop(client);
    until("the outcome is stored", || world.log.rows().iter().any(|row| row.outcome.is_some())).await;
    let row = world.log.only();
    assert_eq!(row.outcome().status, Some(200));
    assert!(row.outcome().bytes_down >= 1024);
}

/// gRPC has a coding of its own, message by message: what is coded cannot be scrubbed (attack I03).
#[tokio::test]
async fn coded_messages_of_grpc_do_not_come_back_from_hosts_with_a_credential() {
    let world = World::new().await;
    let answers = |coding: &str| format!("{OK}Content-Length: 5\r\nGrpc-Encoding: {coding}\r\n\r\ncoded");
    for (coding, status) in [("gzip", 502), ("identity", 200)] {
        world.upstream("api.bound.test").answers(answers(coding));
        let answer = ask(&world, "GET").await;
        assert_eq!((answer.status, answer.text().contains("coded")), (status, status == 200), "{coding}");
        world.settled().await;
    }
    assert_eq!(world.log.codes(), [Some(Code::UpstreamUnreadable), None]);
    world.upstream("cdn.allowed.test").answers(answers("gzip"));
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.text(), "coded", "nothing was put on there");
}
