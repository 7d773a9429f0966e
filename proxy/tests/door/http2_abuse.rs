//! HTTP/2 as no library writes it: frames by hand.

use policies::Code;

use crate::support::{Client, World, until};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literal fields, never indexed, uncoded (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn get(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let fixed = [(":method", "GET"), (":scheme", "https"), (":path", "/x")];
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&[&fixed, fields].concat()))
}

async fn connected(world: &World) -> Client {
    let mut client = world.family.connect().await.tunnel_http2("cdn.allowed.test:443").await;
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    client
}

/// The kinds of the frames that came, to the connection's end.
async fn to_the_end(mut client: Client) -> Vec<u8> {
    let mut came = Vec::new();
    loop {
        let some = client.some().await;
        if some.is_empty() {
            break;
        }
        came.extend(some);
    }
    let (mut kinds, mut rest) = (Vec::new(), &came[..]);
    while let [a, b, c, kind, tail @ ..] = rest {
        kinds.push(*kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = tail.get(length + 5..).unwrap_or_default();
    }
    kinds
}

/// Attack D07: one request, one authority, said once or twice the same.
#[tokio::test]
async fn a_request_names_its_host_in_one_way() {
    let cases: [(&[(&str, &str)], Code); 9] = [
        (&[(":authority", "evil.test")], Code::AuthorityMismatch),
        (&[(":authority", "cdn.allowed.test:80")], Code::AuthorityMismatch),
        (&[(":authority", "cdn.allowed.test"), ("host", "evil.test")], Code::AuthorityMismatch),
        (&[(":authority", "evil.test"), ("host", "cdn.allowed.test")], Code::AuthorityMismatch),
        (
            &[(":authority", "cdn.allowed.test"), ("host", "evil.test"), ("host", "cdn.allowed.test")],
            Code::AuthorityMalformed,
        ),
        (&[("host", "cdn.allowed.test")], Code::AuthorityMalformed),
        (&[], Code::AuthorityMalformed),
        (&[(":authority", "u:p@cdn.allowed.test")], Code::AuthorityMalformed),
        (&[(":authority", "cdn.allowed.test"), ("host", "u@cdn.allowed.test")], Code::AuthorityMalformed),
    ];
    let world = World::new().await;
    let mut client = connected(&world).await;
    for (stream, (fields, _)) in (1..).step_by(2).zip(&cases) {
        client.send(get(stream, fields)).await;
        until("it is logged", || world.log.rows().len() as u32 == stream.div_ceil(2)).await;
    }
    let wanted: Vec<_> = cases.iter().map(|(_, code)| Some(*code)).collect();
    assert_eq!(world.log.codes(), wanted);
    assert!(world.log.rows().iter().all(|row| row.decision.host.as_deref() == Some("cdn.allowed.test")));
    // One that says it right, over the same connection.
    client.send(get(99, &[(":authority", "cdn.allowed.test"), ("host", "CDN.allowed.test")])).await;
    until("it is logged", || world.log.rows().len() == cases.len() + 1).await;
    world.settled().await;
    assert_eq!(world.log.codes().last(), Some(&None));
    assert_eq!(world.upstream("cdn.allowed.test").only().header("host").as_deref(), Some("cdn.allowed.test"));
    assert!(world.names.asked().iter().all(|name| name == "cdn.allowed.test"));
}

/// Attack F01: what would smuggle into HTTP/1.1 never becomes a request.
#[tokio::test]
async fn fields_that_http1_would_read_otherwise_are_not_forwarded() {
    let world = World::new().await;
    let mut client = connected(&world).await;
    let host = (":authority", "cdn.allowed.test");
    for (stream, field) in (1..).step_by(2).zip([
        ("x", "a\r\nGET /y HTTP/1.1"),
        ("x: y", "z"),
        ("Upper", "case"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        (":path", "/twice"),
    ]) {
        client.send(get(stream, &[host, field])).await;
    }
    client.send(get(99, &[host])).await;
    until("the last one is answered or the connection ended", || {
        !world.upstream("cdn.allowed.test").received().is_empty() || !world.log.codes().is_empty()
    })
    .await;
    world.settled().await;
    let received = world.upstream("cdn.allowed.test").received();
    assert!(received.len() <= 1, "{received:?}");
    assert!(
        received.iter().all(|one| one.text() == "GET /x HTTP/1.1\r\nhost: cdn.allowed.test\r\n\r\n"),
        "{received:?}"
    );
}

async fn ends_alone(bytes: Vec<u8>) {
    let world = World::new().await;
    world.upstream("cdn.allowed.test").never_answers();
    let mut client = connected(&world).await;
    client.send(bytes).await;
    assert!(to_the_end(client).await.contains(&GOAWAY));
    until("it is logged", || world.log.codes().contains(&Some(Code::Framing))).await;
    world.settled().await;
    world.upstream("cdn.allowed.test").answers_as_usual();
    assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200, "another sandbox");
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 200, "another connection");
}

/// Attack F03 (CVE-2023-44487): the end of one connection, and of what it asked for.
#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let reset = |stream| {
        let cancel = frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        [get(stream, &[(":authority", "cdn.allowed.test")]), cancel].concat()
    };
    ends_alone((1..20_000).step_by(2).flat_map(reset).collect()).await;
}

/// Attack F04 (RUSTSEC-2024-0332).
#[tokio::test]
async fn headers_that_never_end_end_the_connection() {
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", "y")]));
    ends_alone([frame(HEADERS, END_STREAM, 1, &block(&[(":method", "GET")])), more.repeat(20_000)].concat()).await;
}

/// Frames that carry nothing, for ever.
#[tokio::test]
async fn bodies_of_nothing_end_the_connection() {
    let fields = [(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", "cdn.allowed.test")];
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields));
    ends_alone([head, frame(DATA, 0, 1, &[]).repeat(20_000)].concat()).await;
}
