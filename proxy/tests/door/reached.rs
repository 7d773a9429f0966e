//! All addresses of a name are checked: the first to answer is used (RFC 8305).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use policies::Code;
use proxy::Limits;
use proxy::ports::Resolved;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{Answer, Setup, World, get};

const CDN: &str = "cdn.allowed.test";
const RULES: &str =
    "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.0/24\", \"::1/128\"]\n";

/// The names in a certificate are the host's own words, and the host may know a secret: they are not passed on.
#[tokio::test]
async fn the_names_in_a_certificate_are_told_to_nobody() {
    let world = World::new().await;
    let answer = world.family.get("wronghost.bad.test", "/").await;
    world.settled().await;
    let row = world.log.only();
    let why = row.outcome().why.clone().unwrap();
    assert!(answer.status == 502 && why.contains("NotValidForName"), "{why}: {}", answer.text());
    assert!(!format!("{row:?}{}", answer.text()).contains("somebody.else"), "{why}: {}", answer.text());
}

/// For example, a server at home without a certificate.
#[tokio::test]
async fn a_host_without_tls_is_told_as_that() {
    let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
    let ip = world.upstream(CDN).address.ip();
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    world.names.set(CDN, vec![vec![Resolved { ip, port }]]);
    let answers = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let (answer, _stream) = tokio::join!(world.family.get(CDN, "/"), answers);
    assert!(answer.status == 502 && answer.text().contains("is no TLS"), "{}", answer.text());
    assert!(answer.text().contains("scheme = \\\"http\\\""), "{}", answer.text());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::TlsVerify));
}

/// An address that neither accepts nor refuses connections: its queue is full.
struct Deaf {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<tokio::task::JoinHandle<()>>,
}

#[expect(clippy::disallowed_methods, reason = "it keeps its own listener busy")]
async fn deaf(ip: &str) -> Deaf {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Until one is left waiting: then so is the next.
    loop {
        let connecting = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(200), connecting).await {
            Ok(stream) => waiting.push(tokio::spawn(async move {
                let _stream = stream;
                std::future::pending().await
            })),
            Err(_) => return Deaf { address, _listener: listener, _waiting: waiting },
        }
    }
}

async fn closed(ip: &str) -> SocketAddr {
    TcpListener::bind(SocketAddr::new(ip.parse().unwrap(), 0)).await.unwrap().local_addr().unwrap()
}

async fn world(connect_time: Duration) -> World {
    let limits = Limits { connect_time, ..Limits::default() };
    World::with(Setup { family: RULES.to_owned(), limits, ..Setup::default() }).await
}

async fn ask(world: &World, addresses: &[SocketAddr]) -> (Answer, Duration) {
    let resolved = |address: &SocketAddr| Resolved { ip: address.ip(), port: Some(address.port()) };
    world.names.set(CDN, vec![addresses.iter().map(resolved).collect()]);
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let begun = Instant::now();
    client.send(get(CDN, "/")).await;
    let answer = client.answer().await.unwrap();
    world.settled().await;
    (answer, begun.elapsed())
}

#[tokio::test]
async fn an_address_that_does_not_answer_costs_a_moment() {
    let world = world(Duration::from_secs(20)).await;
    let good = world.upstream(CDN).address;
    let (one, other) = (deaf("127.0.0.31").await, deaf("127.0.0.32").await);
    for (addresses, most) in [
        (vec![one.address, good], 2000),
        (vec![one.address, other.address, good], 3000),
        (vec![good, one.address], 240),
        (vec![closed("127.0.0.33").await, one.address, good], 2000),
        (vec![one.address, closed("127.0.0.33").await, good], 2000),
        (vec![good, good], 240),
        (vec![one.address, one.address, good], 2000),
        (vec![closed("127.0.0.33").await, closed("127.0.0.34").await, closed("127.0.0.35").await, good], 240),
        (vec!["[::1]:1".parse().unwrap(), good], 2000),
        (vec![one.address, "[::1]:1".parse().unwrap(), other.address, good], 3000),
    ] {
        let (answer, took) = ask(&world, &addresses).await;
        assert_eq!(answer.status, 200, "{addresses:?}: {}", answer.text());
        assert!(took < Duration::from_millis(most), "{addresses:?} took {took:?}");
        let row = world.log.rows().pop().unwrap();
        assert_eq!(row.outcome().address, Some(good), "the log names the one that was used");
        world.upstream(CDN).answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    }
}

/// If no address answers, that is reported in bounded time; with the reason, if there is one.
#[tokio::test]
async fn where_no_address_answers_there_is_an_end() {
    let world = world(Duration::from_millis(400)).await;
    let deaf = deaf("127.0.0.31").await;
    let (answer, took) = ask(&world, &[deaf.address; 9]).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("took too long") && took < Duration::from_secs(4), "{took:?} {}", answer.text());
    let (answer, _) = ask(&world, &[deaf.address, closed("127.0.0.33").await]).await;
    assert!(answer.text().contains("connection refused"), "{}", answer.text());
    let (answer, took) = ask(&world, &[closed("127.0.0.33").await, closed("127.0.0.34").await]).await;
    assert!(answer.text().contains("connection refused") && took < Duration::from_millis(240), "{}", answer.text());
}

/// Racing relaxes nothing: one refused address refuses all, before any is dialled.
#[tokio::test]
async fn one_address_that_is_refused_refuses_all_before_any_is_dialled() {
    let world = world(Duration::from_secs(20)).await;
    let good = world.upstream(CDN).address;
    let forbidden = ["127.0.1.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.1.1"];
    for forbidden in forbidden {
        let forbidden: IpAddr = forbidden.parse().unwrap();
        let (answer, _) = ask(&world, &[good, (forbidden, 443).into()]).await;
        assert_eq!(answer.status, 403, "{forbidden}: {}", answer.text());
        assert_eq!(world.log.rows().pop().unwrap().code(), Some(Code::ResolvedPrivate));
    }
    assert_eq!(world.upstream(CDN).connections(), 0);
}

/// The families alternate (RFC 8305 §4): three dead addresses of the first do not delay the other.
#[tokio::test]
async fn the_other_family_is_tried_second() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let world = world(Duration::from_secs(20)).await;
    let six = listener.local_addr().unwrap();
    let deaf = deaf("127.0.0.31").await;
    let accepted = tokio::spawn(async move {
        let (stream, from) = listener.accept().await.unwrap();
        drop(stream);
        from
    });
    let (answer, took) = ask(&world, &[deaf.address, deaf.address, deaf.address, six]).await;
    assert_eq!(answer.status, 502, "it hangs up in the handshake");
    assert!(took < Duration::from_millis(700), "{took:?}");
    assert!(accepted.await.unwrap().ip().is_loopback());
}
