//! Answers on their way down: broken, without a body, scrubbed.

use policies::Code;

use crate::support::{Answer, World, until};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// One request with the surrogate to the host with a credential.
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

/// One request to each host: the one with a credential and the one without.
async fn ask_both(world: &World, answer: &str) -> [Answer; 2] {
    for host in ["api.bound.test", "cdn.allowed.test"] {
        let answer = answer.to_owned();
        world.upstream(host).on(move |exchange| {
            let answer = answer.clone();
            Box::pin(async move {
                exchange.body().await?;
                exchange.send(answer).await?;
                // No TLS close_notify.
                Err(std::io::ErrorKind::ConnectionAborted.into())
            })
        });
    }
    [ask(world, "GET").await, world.family.get("cdn.allowed.test", "/").await]
}

/// Many servers send no close_notify, and the bytes that the scrubber held still arrive.
#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let world = World::new().await;
    let text = "hello ".repeat(200);
    for answer in ask_both(&world, &format!("{OK}Connection: close\r\n\r\n{text}")).await {
        assert_eq!((answer.status, answer.complete, answer.text()), (200, true, text.clone()));
    }
    world.settled().await;
    assert_eq!(world.log.codes(), [None, None]);
}

/// With a length or chunks it does not, if a part is missing.
#[tokio::test]
async fn a_short_answer_does_not_look_whole_without_a_goodbye() {
    let world = World::new().await;
    for framing in ["Content-Length: 2000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4b0\r\n"] {
        let [scrubbed, plain] = ask_both(&world, &format!("{OK}{framing}{}", "hello ".repeat(200))).await;
        assert!(!plain.complete, "{framing}");
        assert!(!scrubbed.complete || scrubbed.status == 502, "{framing}");
    }
}

/// RFC 9112 §6.3: a length beside chunks is not passed on.
#[tokio::test]
async fn chunks_say_where_an_answer_ends() {
    let world = World::new().await;
    for codings in ["Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "TRANSFER-ENCODING:chunked "] {
        let answer = format!("{OK}Content-Length: 99\r\n{codings}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        for answer in ask_both(&world, &answer).await {
            assert_eq!((answer.status, answer.complete, answer.text().as_str()), (200, true, "hello"), "{codings}");
            assert_eq!(answer.header("content-length"), None, "{codings}");
        }
    }
}

/// RFC 9112 §5.1 and §5.2: a proxy repairs these. And hosts send many headers.
#[tokio::test]
async fn odd_heads_of_answers_are_read() {
    let world = World::new().await;
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (odd, name, value) in
        [("X-Odd: one\r\n  two\r\n", "x-odd", "one two"), ("X-Odd : one\r\n", "x-odd", "one"), (&many, "x-199", "1")]
    {
        for answer in ask_both(&world, &format!("{OK}{odd}Content-Length: 5\r\n\r\nhello")).await {
            assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{odd}");
            let words = answer.header(name).unwrap_or_default();
            assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), value, "{odd}");
        }
    }
}

/// An unreadable answer is reported as such, not as a lost connection.
#[tokio::test]
async fn a_head_that_cannot_be_read_is_told() {
    let world = World::new().await;
    let many: String = (0..300).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "a".repeat(400_000));
    for odd in ["Garbage\r\n", "X A: 1\r\n", "X-Odd: a\u{1}b\r\n", &many, &long] {
        for answer in ask_both(&world, &format!("{OK}{odd}Content-Length: 5\r\n\r\nhello")).await {
            assert_eq!(answer.status, 502, "{:.20}", odd);
            assert!(answer.text().contains("cannot be read"), "{:.20}: {}", odd, answer.text());
        }
    }
    world.settled().await;
    assert!(world.log.codes().iter().all(|code| *code == Some(Code::UpstreamUnreadable)));
}

/// Also with a scrubber in between that is holding bytes.
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

/// However an echo is split into writes, it comes back as the surrogate.
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

/// An old client does not understand chunks: the end of the connection is the end.
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

/// gRPC has its own coding, per message: coded messages cannot be scrubbed (attack I03).
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
