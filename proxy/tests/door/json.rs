//! Conditions on JSON bodies: what is judged is what is sent, and nothing is sent before it is
//! judged.

use policies::Code;

use crate::support::http2::{Http2Client, Http2Upstream};
use crate::support::{Setup, World};

const RULES: &str = r#"
[[allow]]
host = "cdn.allowed.test"
do = ["POST /m", "GET /m"]
json = { "tools[*].type" = { not = ["web_fetch*"] } }
private = ["127.0.0.12/32"]
"#;

async fn world() -> World {
    World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await
}

/// Sends a body; returns the status and the text of the answer.
async fn post(world: &World, more: &str, body: &[u8]) -> (u16, String) {
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let head = format!("POST /m HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: {}\r\n{more}\r\n", body.len());
    client.send([head.as_bytes(), body].concat()).await;
    let answer = client.answer().await.expect("an answer");
    (answer.status, answer.text())
}

#[tokio::test]
async fn a_body_that_may_go_arrives_as_it_was() {
    let world = world().await;
    let body =
        " {\"model\":\"\\u0063laude\", \n\t\"tools\": [{\"type\": \"custom\"}], \"n\": 1.50e3, \"\u{1f600}\": null } ";
    assert_eq!(post(&world, "Content-Type: application/json\r\n", body.as_bytes()).await.0, 200);
    let received = world.upstream("cdn.allowed.test").only();
    assert_eq!(received.body, body.as_bytes());
    assert_eq!(received.header("content-length"), Some(body.len().to_string()));
    world.settled().await;
    assert_eq!(world.log.only().outcome().bytes_up, body.len() as u64);
}

/// The reason given is that it is packed, not that its first byte is invalid JSON.
#[tokio::test]
async fn a_packed_body_is_told_as_that() {
    let world = world().await;
    for coding in ["gzip", "BR"] {
        let more = format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n");
        let (status, said) = post(&world, &more, &[0x1f, 0x8b, 8, 0]).await;
        assert!(status == 403 && said.contains("send it without Content-Encoding"), "{said}");
    }
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// A body judged as JSON in UTF-8 is sent only as that: a server that goes by the Content-Type
/// could read a form in it, or other letters.
#[tokio::test]
async fn a_body_that_is_judged_as_json_is_json_to_all() {
    let world = world().await;
    for (kind, body) in [
        ("application/json; charset=utf-7", "{\"+AHQAbwBvAGwAcw-\":[{\"type\":\"web_fetch\"}]}"),
        ("application/x-www-form-urlencoded", "{\"a\":\"&tools[0][type]=web_fetch&b=\"}"),
        ("text/plain", "{}"),
    ] {
        let (status, answer) = post(&world, &format!("Content-Type: {kind}\r\n"), body.as_bytes()).await;
        assert_eq!(status, 403, "{kind}");
        assert!(answer.contains("Content-Type: application/json"), "{answer}");
    }
    let (status, _) = post(&world, "Content-Type: application/json\r\nContent-Type: text/plain\r\n", b"{}").await;
    assert_eq!(status, 403, "two types");
    assert_eq!(post(&world, "", b"{}").await.0, 200);
    assert_eq!(world.log.codes(), [vec![Some(Code::BodyUnreadable); 4], vec![None]].concat());
    world.upstream("cdn.allowed.test").only();
}

/// In chunks it is the same body; the chunk boundaries are not kept.
#[tokio::test]
async fn a_body_in_chunks_is_judged_whole() {
    let world = world().await;
    for (kind, status) in [("custom", 200), ("web_fetch_1", 403)] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send("POST /m HTTP/1.1\r\nHost: cdn.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let body = format!("{{\"tools\":[{{\"type\":\"{kind}\"}}]}}");
        for byte in body.bytes() {
            client.send([b"1\r\n", &[byte][..], b"\r\n"].concat()).await;
        }
        client.send("0\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, status, "{kind}");
    }
    let received = world.upstream("cdn.allowed.test").only();
    assert!(received.complete && received.text().contains("custom"), "{}", received.text());
}

#[tokio::test]
async fn what_the_rule_does_not_want_never_reaches_the_host() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let cases: [(&str, &[u8], Code); 9] = [
        ("", br#"{"tools":[{"type":"custom"},{"type":"web_fetch_20250910"}]}"#, Code::BodyCondition),
        ("", br#"{"tools":[{"type":"web\u005ffetch"}]}"#, Code::BodyCondition),
        ("", br#"{"tools":[{"type":7}]}"#, Code::BodyCondition),
        ("", br#"{"tools":[{"type":"custom","type":"web_fetch"}]}"#, Code::BodyUnreadable),
        ("", br#"{"tools":[],"tools":[{"type":"web_fetch"}]}"#, Code::BodyUnreadable),
        ("", b"tools=web_fetch", Code::BodyUnreadable),
        ("", br#"{"tools":[]} {"tools":[{"type":"web_fetch"}]}"#, Code::BodyUnreadable),
        ("", b"", Code::BodyUnreadable),
        ("Content-Encoding: gzip\r\n", &gzip, Code::BodyUnreadable),
    ];
    let world = world().await;
    for (number, (more, body, code)) in cases.into_iter().enumerate() {
        let (status, text) = post(&world, more, body).await;
        assert!(status == 403 && text.contains(code.as_str()), "{}: {text}", String::from_utf8_lossy(body));
        let row = world.log.rows()[number].clone();
        assert_eq!((row.decision.code, row.is_allowed()), (Some(code), false), "refused before it is allowed");
    }
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
    assert!(world.names.asked().is_empty(), "not even resolved");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let world = world().await;
    let body = [b"\"", &vec![b'a'; 16 << 20][..], b"\""].concat();
    let (status, text) = post(&world, "", &body).await;
    assert!(status == 413 && text.contains("too_large"), "{status} {text}");
    assert_eq!(world.log.only().code(), Some(Code::TooLarge));
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}

/// The client is asked for the body that the door waits for, and the upstream is not contacted.
#[tokio::test]
async fn a_client_that_waits_for_the_continue_gets_it() {
    let world = world().await;
    for (kind, status) in [("custom", 200), ("web_fetch", 403)] {
        let body = format!("{{\"tools\":[{{\"type\":\"{kind}\"}}]}}");
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        let length = body.len();
        client
            .send(format!(
                "POST /m HTTP/1.1\r\nHost: cdn.allowed.test\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(client.answer().await.unwrap().status, 100);
        assert_eq!(world.upstream("cdn.allowed.test").received().len(), usize::from(status == 403));
        client.send(body).await;
        assert_eq!(client.answer().await.unwrap().status, status);
    }
    assert_eq!(world.upstream("cdn.allowed.test").only().header("expect"), None);
}

/// A body that does not come is given up; one that breaks off was never sent.
#[tokio::test]
async fn half_a_body_is_no_body() {
    let limits = proxy::Limits { body_time: std::time::Duration::from_millis(150), ..proxy::Limits::default() };
    let world = World::with(Setup { family: RULES.to_owned(), limits, ..Setup::default() }).await;
    for half_closed in [false, true] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send("POST /m HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 50\r\n\r\n{\"tools\":[]}").await;
        if half_closed {
            client.half_close().await;
        }
        assert!(client.answer().await.is_none_or(|answer| answer.status >= 400));
    }
    crate::support::until("both are logged", || world.log.rows().len() == 2).await;
    assert_eq!(world.log.codes(), [Some(Code::Timeout), Some(Code::Framing)]);
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}

#[tokio::test]
async fn a_method_that_needs_no_body_goes_without() {
    let world = world().await;
    assert_eq!(world.family.get("cdn.allowed.test", "/m").await.status, 200);
    assert_eq!(world.upstream("cdn.allowed.test").only().text(), "GET /m HTTP/1.1\r\nhost: cdn.allowed.test\r\n\r\n");
}

/// The leak check still looks at what was judged.
#[tokio::test]
async fn a_judged_body_is_checked_for_leaks_too() {
    let world = world().await;
    let (status, _) = post(&world, "", format!("{{\"tools\":[],\"x\":\"{}\"}}", world.surrogate()).as_bytes()).await;
    assert_eq!(status, 403);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::SurrogateUnbound));
    assert!(world.upstream("cdn.allowed.test").received().iter().all(|request| !request.complete));
}

/// It is passed on piece by piece; nothing is lost between pieces, and a value across a boundary is
/// found.
#[tokio::test]
async fn a_long_body_arrives_whole_and_its_borders_are_checked() {
    let world = world().await;
    let with = |value: &str| format!("{{\"x\":\"{}{value}{}\"}}", ".".repeat((64 << 10) - 16), "-".repeat(200_000));
    let body = with("");
    assert_eq!(post(&world, "", body.as_bytes()).await.0, 200);
    assert_eq!(world.upstream("cdn.allowed.test").only().body, body.as_bytes());
    let (status, _) = post(&world, "", with(world.surrogate()).as_bytes()).await;
    assert_eq!(status, 403);
    world.settled().await;
    assert_eq!(world.log.codes(), [None, Some(Code::SurrogateUnbound)]);
    assert_eq!(world.upstream("cdn.allowed.test").received().iter().filter(|request| request.complete).count(), 1);
}

#[tokio::test]
async fn over_http2_as_well() {
    let world = world().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let url = "https://cdn.allowed.test/m";
    let body = r#"{"tools":[{"type":"custom"}]}"#;
    let (denied, allowed) =
        tokio::join!(client.post(url, r#"{"tools":[{"type":"web_fetch"}]}"#), client.post(url, body));
    assert_eq!((denied.status, allowed.status), (403, 200));
    assert_eq!(upstream.only().body, body.as_bytes());
}
