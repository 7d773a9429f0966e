//! Requests on their way up: bodies, broken connections, leaks found in transit.

use policies::Code;

use crate::support::http2::Http2Client;
use crate::support::{HELD, Setup, World, until};

fn post(host: &str, framing: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n")
}

// Bodies consist of dots where a test counts how much of them went up: no watched value begins with
// one in any spelling, so none is held back.

/// The leak is at the end of a body whose beginning is already upstream: the upstream never has a
/// complete request.
#[tokio::test]
async fn a_leak_found_on_the_way_breaks_the_request_off() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(post("cdn.allowed.test", "Content-Length: 100000")).await;
    client.send(".".repeat(50_000)).await;
    let gone = 50_000 - HELD;
    until("the beginning is upstream", || upstream.received().iter().any(|request| request.body_bytes == gone)).await;
    client.send(world.surrogate()).await;
    client.send(".".repeat(50_000)).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("surrogate_unbound"), "{}", answer.text());
    world.settled().await;
    let (row, received) = (world.log.only(), upstream.only());
    assert_eq!(row.code(), Some(Code::SurrogateUnbound));
    assert!(row.alarm());
    assert!(!received.complete && received.body_bytes < 50_000, "{}", received.body_bytes);
    assert!(row.outcome().bytes_up >= 50_000 + world.surrogate().len() as u64, "what came is counted");
}

/// The same in a chunked body: no last chunk, so that nothing could be taken as complete.
#[tokio::test]
async fn a_chunked_request_that_is_broken_off_has_no_last_chunk() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(post("cdn.allowed.test", "Transfer-Encoding: chunked")).await;
    client.send(format!("{:x}\r\n{}\r\n", HELD + 5, ".".repeat(HELD + 5))).await;
    until("the beginning is upstream", || upstream.received().iter().any(|request| !request.body.is_empty())).await;
    let canary = &world.values["CANARY"];
    client.send(format!("{:x}\r\n{canary}\r\n0\r\n\r\n", canary.len())).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    world.settled().await;
    let received = upstream.only();
    assert!(!received.complete);
    assert_eq!(received.body, b"5\r\n.....\r\n");
}

/// The upstream answers before it has the body; then a leak is found in the rest.
#[tokio::test]
async fn a_leak_behind_an_early_answer_cuts_the_answer() {
    let world = World::new().await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n").await?;
            exchange.body().await?;
            exchange.send("0\r\n\r\n").await
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(post("cdn.allowed.test", "Transfer-Encoding: chunked")).await;
    client.send("5\r\n.....\r\n").await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    let canary = &world.values["CANARY"];
    client.send(format!("{:x}\r\n{canary}\r\n0\r\n\r\n", canary.len())).await;
    let rest = client.finish().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an answer that is cut does not look whole");
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::SecretInRequest));
    assert!(!world.upstream("cdn.allowed.test").only().complete);
}

#[tokio::test]
async fn a_client_that_goes_away_in_its_body_leaves_no_whole_request() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(post("cdn.allowed.test", "Content-Length: 1000")).await;
    client.send(".".repeat(HELD + 4)).await;
    until("half is upstream", || upstream.received().iter().any(|request| request.body_bytes == 4)).await;
    drop(client);
    world.settled().await;
    let row = world.log.only();
    assert_eq!(row.code(), Some(Code::Framing));
    assert_eq!(row.outcome().bytes_up, HELD as u64 + 4);
    assert!(!upstream.only().complete);
}

#[tokio::test]
async fn a_client_that_waits_for_the_continue_gets_it_and_the_upstream_does_not() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(post("cdn.allowed.test", "Expect: 100-continue\r\nContent-Length: 5")).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send("hello").await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let received = world.upstream("cdn.allowed.test").only();
    assert_eq!((received.header("expect"), &received.body[..]), (None, &b"hello"[..]));
}

/// Refused before the body is sent: the client is told so, and not asked to continue.
#[tokio::test]
async fn a_refused_request_is_not_asked_for_its_body() {
    let world = World::new().await;
    let mut client = world.family.tunnel("evil.test:443").await;
    client.send(post("evil.test", "Expect: 100-continue\r\nContent-Length: 5")).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    assert!(client.finish().await.is_empty());
}

/// Some programs close their sending side and still want the answer.
#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let world = World::new().await;
    for plain in [false, true] {
        let mut client =
            if plain { world.family.connect().await } else { world.family.tunnel("cdn.allowed.test:443").await };
        let target = if plain { "http://cdn.allowed.test/" } else { "/" };
        client.send(format!("GET {target} HTTP/1.1\r\nHost: cdn.allowed.test\r\n\r\n")).await;
        client.half_close().await;
        assert_eq!(client.answer().await.unwrap().text(), "ok", "plain: {plain}");
    }
}

/// Everything that an upstream sees: nothing added, nothing about the sandbox.
#[tokio::test]
async fn what_was_judged_is_what_is_sent() {
    let world = World::new().await;
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let surrogate = world.surrogate();
    let head = format!("Host: API.bound.test\r\nUser-Agent: curl\r\nAuthorization: Bearer {surrogate}\r\nAccept: */*");
    client.send(format!("POST /v1/%7euser?q=%7e HTTP/1.1\r\n{head}\r\nContent-Length: 2\r\n\r\nhi")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let expected = format!(
        "POST /v1/~user?q=%7e HTTP/1.1\r\nhost: api.bound.test\r\nuser-agent: curl\r\nauthorization: Bearer {}\r\n\
         accept: */*\r\ncontent-length: 2\r\naccept-encoding: identity\r\n\r\nhi",
        world.real()
    );
    assert_eq!(world.upstream("api.bound.test").only().text(), expected);
}

/// An agent can explain a refusal to its user; what it must not know is not repeated.
#[tokio::test]
async fn a_refusal_says_what_was_asked() {
    let world = World::new().await;
    let said = async |host: &str, path: &str| -> serde_json::Value {
        let answer = world.family.get(host, path).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        serde_json::from_str(&answer.text()).unwrap()
    };
    let refusal = said("evil.test", "/x?key=1").await;
    assert_eq!((&refusal["code"], &refusal["host"]), (&"not_allowed".into(), &"evil.test".into()));
    assert_eq!((&refusal["method"], &refusal["path"]), (&"GET".into(), &"/x".into()));
    // A key in such a place belongs to somebody, watched or not.
    let refusal = said("path.bound.test", &format!("/bot{}/getMe", world.values["ATTACKER"])).await;
    assert_eq!((&refusal["code"], &refusal["path"]), (&"credential_not_surrogate".into(), &"/bot*/getMe".into()));
    let refusal = said("evil.test", &format!("/{}", world.values["CANARY"])).await;
    assert_eq!((&refusal["code"], &refusal["path"]), (&"secret_in_request".into(), &serde_json::Value::Null));
}

/// A surrogate is different tomorrow, and is not written down: a star replaces it in the lines that
/// would lift a refusal, and replaces nothing else.
#[tokio::test]
async fn what_would_lift_a_refusal_names_no_key_of_a_path() {
    let family = "[[allow]]\nhost = \"path.bound.test\"\ndo = [\"GET /bot*/getMe\"]\ncredential = \"fifth\"\n";
    let world = World::with(Setup { family: family.to_owned(), ..Setup::default() }).await;
    let surrogate = &world.values["SUR5"];
    for (path, line, code) in [
        ("getUpdates", "do = [\\\"GET /bot*/getUpdates\\\"]", Code::PathDenied),
        ("a*b!", "do = [\\\"GET /bot*/a%2Ab%21\\\"]", Code::PathDenied),
        ("getMe", "private = [", Code::ResolvedPrivate),
    ] {
        let answer = world.family.get("path.bound.test", &format!("/bot{surrogate}/{path}")).await.text();
        assert!(answer.contains(line), "{path}: {answer}");
        assert!(!answer.contains(surrogate.as_str()), "{path}: {answer}");
        world.settled().await;
        let row = world.log.rows().pop().unwrap();
        assert_eq!(row.code(), Some(code), "{path}");
        assert!(!format!("{row:?}").contains(surrogate.as_str()), "{row:?}");
    }
    let answer = world.family.get("evil.test", "/**").await.text();
    assert!(answer.contains("GET https://evil.test/%2A%2A\""), "{answer}");
}

/// The end of a body may look like the beginning of a surrogate; held until the end, it is sent all the same.
#[tokio::test]
async fn a_body_that_ends_like_a_surrogate_begins_arrives_whole() {
    let world = World::new().await;
    let end = &world.surrogate()[..12];
    let body = format!("hello {end}");
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = format!("Content-Length: {}", body.len());
    for (framing, sent) in [(&*length, &body), ("Transfer-Encoding: chunked", &chunks)] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(post("cdn.allowed.test", framing) + sent).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{framing}");
        world.settled().await;
        let received = world.upstream("cdn.allowed.test").received().pop().unwrap();
        assert!(received.complete && received.text().contains(end), "{framing}: {}", received.text());
        assert_eq!(world.log.rows().pop().unwrap().outcome().bytes_up, body.len() as u64);
    }
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    assert_eq!(client.post("https://cdn.allowed.test/x", body.clone()).await.status, 200);
    assert!(world.upstream("cdn.allowed.test").received().pop().unwrap().text().contains(end));
}

/// `curl -0` offers only HTTP/1.0.
#[tokio::test]
async fn a_client_of_http_1_0_gets_its_answer() {
    let world = World::new().await;
    let client = world.family.connect().await.connected("cdn.allowed.test:443").await;
    let mut client = client.tls_speaking("cdn.allowed.test", true, b"http/1.0").await.unwrap();
    client.send("GET / HTTP/1.0\r\nHost: cdn.allowed.test\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().text(), "ok");
}
