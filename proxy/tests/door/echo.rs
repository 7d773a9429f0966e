//! A host that repeats everything it was shown, in every way there is: the real secret that was put
//! on a request never comes back into the sandbox.

use futures_util::{SinkExt, StreamExt};
use policies::Code;
use rand::RngExt;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::upstream::header;
use crate::support::{Client, PATIENCE, Setup, World, packing, spelled};
use crate::websocket::{RULES, SWITCHED, handshake, opened};

/// How often everything is repeated, each time with other secrets and other cuts.
const ROUNDS: usize = 3;
const HOST: &str = "api.bound.test";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

/// Every encoding that is searched for, by name.
fn forms(text: &str) -> Vec<(String, String)> {
    let url = |text: String| text.replace('+', "-").replace('/', "_");
    let mut forms = vec![
        ("raw", text.to_owned()),
        ("upper case", text.to_uppercase()),
        ("hex", spelled::hex(text)),
        ("upper-case hex", spelled::hex(text).to_uppercase()),
        ("percent", spelled::percent(text)),
        ("percent where needed", spelled::component(text)),
        ("percent twice", spelled::percent(&spelled::percent(text))),
        ("JSON, every character", spelled::json(text)),
        ("JSON", serde_json::to_string(text).unwrap().replace('/', "\\/")),
        ("JSON in JSON", serde_json::to_string(&spelled::json(text)).unwrap()),
        ("HTML", text.bytes().map(|byte| format!("&#{byte};")).collect()),
        ("HTML in hex", text.bytes().map(|byte| format!("&#x{byte:X};")).collect()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect::<Vec<_>>();
    for before in ["", "u", "u:", "user:"] {
        let base64 = spelled::base64(&format!("{before}{text}"));
        let bare = base64.trim_end_matches('=').to_owned();
        let lines = spelled::base64_lines(&format!("{before}{text}"));
        for (name, text) in [
            ("base64", base64.clone()),
            ("base64url", url(base64)),
            ("without padding", bare.clone()),
            ("base64url without padding", url(bare)),
            ("base64 in lines", lines),
        ] {
            forms.push((format!("{name} behind {} bytes", before.len()), text));
        }
    }
    forms
}

/// The forms of the request's credential: the secret, and the whole header.
fn shown(head: &[u8]) -> Vec<(String, String)> {
    let authorization = header(head, "authorization").expect("the secret was put on");
    let secret = authorization.strip_prefix("Bearer ").expect("the scheme stays").to_owned();
    [forms(&secret), forms(&authorization)].concat()
}

/// Cuts a text anywhere, into pieces of up to `longest` bytes.
fn cut(mut bytes: &[u8], longest: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(rand::rng().random_range(1..=longest.min(bytes.len())));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

fn chunked(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let chunk = |piece: Vec<u8>| [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
    pieces.into_iter().flat_map(chunk).collect()
}

/// The host's answer to a path, as separate writes.
fn answers(path: &str, head: &[u8]) -> Vec<Vec<u8>> {
    let forms = shown(head);
    let all = || forms.iter().map(|(name, form)| format!("{name}: {form}\n")).collect::<String>().into_bytes();
    let end = || b"0\r\n\r\n".to_vec();
    if let Some(coding) = path.strip_prefix("/v1/packed/") {
        let coding = coding.replace('+', ", ");
        let body = chunked(cut(&packing::packed(&coding, &all()), 900));
        return vec![format!("{CHUNKED}Content-Encoding: {coding}\r\n\r\n").into_bytes(), body, end()];
    }
    match path {
        "/v1/length" => {
            let body = [head, &all()].concat();
            let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n", body.len());
            [vec![head.into_bytes()], cut(&body, 700)].concat()
        }
        "/v1/close" => vec![b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), all()],
        "/v1/chunks" => vec![format!("{CHUNKED}\r\n").into_bytes(), chunked(cut(&all(), 40)), end()],
        // Each form cut at each of its bytes.
        "/v1/every-cut" => {
            let forms: Vec<_> = forms.iter().map(|(_, form)| form.as_bytes()).collect();
            let cuts = |form: &&[u8]| {
                (0..=form.len()).map(|at| [form[..at].to_vec(), [&form[at..], b"\n"].concat()]).collect::<Vec<_>>()
            };
            let pieces: Vec<_> = forms.iter().flat_map(cuts).flatten().filter(|piece| !piece.is_empty()).collect();
            vec![format!("{CHUNKED}\r\n").into_bytes(), chunked(pieces), end()]
        }
        // One byte per write.
        "/v1/events" => {
            let events = forms.iter().take(12).map(|(name, form)| format!("event: {name}\ndata: {form}\n\n"));
            let bytes = events.collect::<String>().into_bytes();
            let head = format!("{CHUNKED}Content-Type: text/event-stream\r\n\r\n").into_bytes();
            [vec![head], bytes.into_iter().map(|byte| chunked([vec![byte]])).collect(), vec![end()]].concat()
        }
        "/v1/headers" => {
            // A header cannot contain line breaks; a name only letters and digits.
            let one = |(n, (_, form)): (usize, &(String, String))| format!("X-Echo-{n}: {form}\r\n");
            let values: String = forms.iter().filter(|(_, form)| !form.contains('\n')).enumerate().map(one).collect();
            let secret = &forms[0].1;
            let name = format!("X-{}: 1\r\n", spelled::hex(secret));
            let places = format!(
                "Location: https://evil.test/?k={}\r\nLink: <https://evil.test/{}>; rel=next\r\nSet-Cookie: k={secret}\r\nWWW-Authenticate: Bearer realm=\"{secret}\"\r\n",
                spelled::component(secret),
                spelled::hex(secret)
            );
            vec![format!("HTTP/1.1 302 {secret}\r\nContent-Length: 0\r\n{places}{name}{values}\r\n").into_bytes()]
        }
        "/v1/trailers" => {
            let one = |(n, (_, form)): (usize, &(String, String))| format!("X-Late-{n}: {form}\r\n");
            let values: String =
                forms.iter().filter(|(_, form)| !form.contains('\n')).take(40).enumerate().map(one).collect();
            let head = format!("{CHUNKED}Trailer: X-Late-0\r\n\r\n2\r\nok\r\n0\r\n{values}\r\n");
            vec![head.into_bytes()]
        }
        _ => panic!("no path {path}"),
    }
}

fn path_of(head: &[u8]) -> String {
    String::from_utf8_lossy(head).split(' ').nth(1).unwrap().to_owned()
}

async fn answering() -> World {
    let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let head = exchange.head.clone();
            for piece in answers(&path_of(&head), &head) {
                exchange.send(piece).await?;
            }
            exchange.closed = path_of(&head) == "/v1/close";
            Ok(())
        })
    });
    world
}

/// Sends a request, and returns the form in which the secret came back, if it did.
async fn came_back(world: &World, path: &str) -> Option<&'static str> {
    let mut client: Client = world.family.tunnel(&format!("{HOST}:443")).await;
    let surrogate = world.surrogate();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {surrogate}\r\nAccept-Encoding: gzip, br\r\n\r\n")).await;
    let answer = client.answer().await.unwrap_or_else(|| panic!("{path} was not answered"));
    assert!([200, 302, 401].contains(&answer.status), "{path}: {}", answer.text());
    assert!(answer.complete, "{path} broke off");
    assert_eq!(answer.header("content-encoding"), None, "{path}");
    if !path.ends_with("headers") && !path.ends_with("trailers") {
        assert!(answer.text().contains(surrogate), "{path}: {}", answer.text());
    }
    // Wrapped lines are joined, so that their content is seen.
    let joined = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect::<Vec<_>>();
    let every = [&client.raw[..], &answer.body, &joined(&answer.body)];
    every.into_iter().find_map(|bytes| spelled::find(world.real(), bytes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_never_brings_the_secret_back() {
    let plain =
        ["length", "close", "chunks", "every-cut", "events", "headers", "trailers"].map(|path| format!("/v1/{path}"));
    let packed = packing::CODINGS.iter().filter(|coding| !coding.contains("without"));
    let packed = packed.map(|coding| format!("/v1/packed/{}", coding.replace(", ", "+")));
    let paths: Vec<_> = plain.into_iter().chain(packed).collect();
    for _ in 0..ROUNDS {
        let world = answering().await;
        for path in &paths {
            let form = came_back(&world, path).await;
            assert_eq!(form, None, "{} came back from {path}", world.real());
        }
        world.settled().await;
        let unscrubbed = world.log.rows().iter().filter(|row| row.outcome().code.is_some()).count();
        assert_eq!(unscrubbed, 0);
    }
}

#[tokio::test]
async fn an_echo_over_a_websocket_never_brings_the_secret_back() {
    let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            let forms = shown(&exchange.head);
            exchange.send(format!("{SWITCHED}X-Echo: {}\r\n\r\n", forms[0].1)).await?;
            exchange.closed = true;
            let (stream, read) = exchange.over();
            let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Server, None).await;
            for (_, form) in &forms {
                let mut messages = vec![Message::text(form.clone()), Message::binary(form.clone().into_bytes())];
                // One message in several frames.
                let pieces = cut(form.as_bytes(), 9);
                let last = pieces.len() - 1;
                messages.extend(pieces.into_iter().enumerate().map(|(n, piece)| {
                    let kind = if n == 0 { Data::Text } else { Data::Continue };
                    Message::Frame(Frame::message(piece, OpCode::Data(kind), n == last))
                }));
                for message in messages {
                    socket.send(message).await.map_err(std::io::Error::other)?;
                }
            }
            socket.close(None).await.map_err(std::io::Error::other)
        })
    });
    let client = world.family.tunnel(&format!("{HOST}:443")).await;
    let authorization = format!("Authorization: Bearer {}\r\n", world.surrogate());
    let mut socket = opened(client, handshake(HOST, "/v1/ws", &authorization)).await;
    let mut heard = 0;
    while let Some(Ok(message)) = timeout(PATIENCE, socket.next()).await.expect("a message or the end") {
        let bytes: Vec<u8> = message.into_data().iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
        assert_eq!(spelled::find(world.real(), &bytes), None, "{}", String::from_utf8_lossy(&bytes));
        heard += 1;
    }
    let forms = forms("x").len() * 2;
    assert!(heard >= 3 * forms, "{heard} messages of {forms} forms");
    world.settled().await;
    assert!(world.log.only().outcome().scrubbed >= 3 * forms as u64);
}

/// In separate messages, cut anywhere: they continue each other, so that the client's total
/// contains none of them except the first few bytes.
#[tokio::test]
async fn an_echo_in_pieces_over_a_websocket_never_brings_the_secret_back() {
    let mut cut_off = 0;
    for which in 0..2 * forms("x").len() {
        let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
        world.upstream(HOST).on(|exchange| {
            Box::pin(async {
                let forms = shown(&exchange.head);
                let which: usize = path_of(&exchange.head).rsplit('?').next().unwrap().parse().unwrap();
                exchange.send(format!("{SWITCHED}\r\n")).await?;
                exchange.closed = true;
                let (stream, read) = exchange.over();
                let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Server, None).await;
                socket.send(Message::text("first")).await.map_err(std::io::Error::other)?;
                for piece in cut(forms[which].1.as_bytes(), 40) {
                    socket.send(Message::binary(piece)).await.map_err(std::io::Error::other)?;
                }
                socket.close(None).await.map_err(std::io::Error::other)
            })
        });
        let authorization = format!("Authorization: Bearer {}\r\n", world.surrogate());
        let client = world.family.tunnel(&format!("{HOST}:443")).await;
        let mut socket = opened(client, handshake(HOST, &format!("/v1/ws?{which}"), &authorization)).await;
        let mut heard = Vec::new();
        while let Some(Ok(message)) = timeout(PATIENCE, socket.next()).await.expect("a message or the end") {
            heard.extend(message.into_data().iter().copied().filter(|byte| !b"\r\n".contains(byte)));
        }
        assert!(heard.starts_with(b"first"));
        assert_eq!(spelled::find(world.real(), &heard), None, "{which}: {}", String::from_utf8_lossy(&heard));
        world.settled().await;
        if world.log.only().code() == Some(Code::SecretInAnswer) {
            assert!(world.log.only().alarm());
            cut_off += 1;
            // The host gets it no more.
            let mut client = world.family.tunnel(&format!("{HOST}:443")).await;
            client.send(handshake(HOST, "/v1/ws?0", &authorization)).await;
            let answer = client.answer().await.unwrap();
            assert!(
                answer.status == 503 && answer.text().contains("doorward secret trust family"),
                "{}",
                answer.text()
            );
        }
    }
    assert!(cut_off > 0, "none was in more than one piece");
}
