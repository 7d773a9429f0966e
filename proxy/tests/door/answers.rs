//! Answers from a host with a credential that are not plain text: what cannot be read does not come
//! back, and what can is searched, however long it is and however it is cut.

use policies::Code;

use crate::support::upstream::header;
use crate::support::{Answer, Setup, World, packing, until};

const HOST: &str = "api.bound.test";

async fn ask_with(world: &World, path: &str, more: &str) -> Answer {
    let mut client = world.family.tunnel(&format!("{HOST}:443")).await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{authorization}\r\n{more}\r\n")).await;
    // If it is cut before anything was sent, there is not even a head.
    let nothing = Answer { status: 0, head: Vec::new(), body: Vec::new(), complete: false };
    client.answer().await.unwrap_or(nothing)
}

async fn ask(world: &World, path: &str) -> Answer {
    ask_with(world, path, "").await
}

fn chunks(body: &[u8], size: usize) -> Vec<u8> {
    let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    body.chunks(size).flat_map(chunk).collect()
}

fn answered(kind: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
    [head.as_bytes(), &chunks(body, size), b"0\r\n\r\n"].concat()
}

async fn last_code(world: &World) -> (Option<Code>, bool) {
    world.settled().await;
    let rows = world.log.rows();
    let row = rows.last().unwrap();
    (row.code(), row.alarm())
}

/// As CherryPy and ASP.NET do: the answer's charset is the one that was asked for.
#[tokio::test]
async fn a_charset_that_was_asked_for_does_not_bring_the_secret_back() {
    let world = World::new().await;
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let text = format!("unknown key: {}", header(&exchange.head, "authorization").unwrap());
            let asked = header(&exchange.head, "accept-charset").unwrap_or_default()
                + &header(&exchange.head, "accept").unwrap_or_default();
            let (kind, body) = match asked.contains("utf-16") {
                true => ("text/plain; charset=utf-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                false => ("text/plain; charset=utf-8", text.into_bytes()),
            };
            exchange.send(answered(kind, &body, 7)).await
        })
    });
    for more in ["", "Accept-Charset: utf-16\r\n", "Accept: text/plain;charset=utf-16\r\nAccept: */*\r\n"] {
        let answer = ask_with(&world, "/v1/x", more).await;
        assert_eq!(answer.text(), format!("unknown key: Bearer {}", world.surrogate()), "{more}");
    }
}

/// The search for disguises covers the first mebibyte of each file, whatever precedes it.
#[tokio::test]
async fn a_file_behind_a_long_one_does_not_bring_the_secret_back() {
    let world = World::new().await;
    let long = "GET /v1/bundle HTTP/1.1\n".repeat(60_000);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (key, mark) = (wide(&format!("key: {}\r\n", world.real())), b"\xff\xfe".to_vec());
    let files = [("a.log", long.as_bytes()), ("b.txt", &key)];
    let stored = packing::zip(&files.map(|(name, text)| (name, text, packing::Method::Stored)));
    let archives = [
        packing::zip(&files.map(|(name, text)| (name, text, packing::Method::Deflated))),
        packing::gzip(&packing::tar(&files)),
        // Longer than the part that is searched for disguises, and in a charset that identifies itself.
        packing::gzip(&[mark, wide(&long), key.clone()].concat()),
        packing::gzip(b"<?xml version=\"1.0\" encoding=\"cp037\"?><a/>"),
    ];
    for (n, archive) in archives.iter().enumerate() {
        world.upstream(HOST).answers(answered("application/octet-stream", archive, 100_000));
        assert!(!ask(&world, "/v1/bundle").await.complete, "{n}");
        let wanted = if n < 2 { Code::SecretInAnswer } else { Code::UpstreamUnreadable };
        assert_eq!(last_code(&world).await, (Some(wanted), n < 2), "{n}");
    }
    // A secret that is not packed is removed.
    world.upstream(HOST).answers(answered("application/octet-stream", &stored, 100_000));
    let answer = ask(&world, "/v1/bundle").await;
    assert!(!holds(&answer.body, &key[10..]), "as it is");
}

/// A bundle with the host's own request log: no byte that would complete the secret gets through.
#[tokio::test]
async fn an_archive_does_not_bring_the_secret_back() {
    let world = World::new().await;
    let secret = world.real().to_owned();
    let log = format!("{}Authorization: Bearer {secret}\n", "GET /v1/bundle HTTP/1.1\n".repeat(50));
    let archives = [
        packing::zip(&[("requests.log", log.as_bytes(), packing::Method::Deflated)]),
        packing::gzip(&packing::tar(&[("requests.log", log.as_bytes())])),
        packing::zstd(log.as_bytes()),
        packing::xz(log.as_bytes()),
        packing::bzip2(log.as_bytes()),
        packing::pdf(log.as_bytes(), false),
    ];
    for (n, archive) in archives.iter().enumerate() {
        for size in [1, 3, 50, 100_000] {
            world.upstream(HOST).answers(answered("application/octet-stream", archive, size));
            let answer = ask(&world, "/v1/bundle").await;
            assert!(!answer.complete && answer.body.len() < archive.len(), "{n} by {size}");
            assert!(archive.starts_with(&answer.body), "{n} by {size}");
            // The part that got through unpacks to nothing useful.
            let came = unpacked(&answer.body);
            let known = (8..secret.len()).find(|length| holds(&came, &secret.as_bytes()[..*length]));
            assert_eq!(known, None, "{n} by {size}");
            assert_eq!(last_code(&world).await, (Some(Code::SecretInAnswer), true), "{n} by {size}");
        }
    }
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut look = scan::packed::Look::sniffing();
    let mut all = Vec::new();
    let _ = look.push(bytes, &mut |_, piece| {
        let scan::packed::Piece::Unpacked(bytes) = piece else { return Ok(()) };
        all.extend_from_slice(bytes);
        Ok(())
    });
    all
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// In pieces: where they are cut makes no difference.
#[tokio::test]
async fn what_cannot_be_read_is_cut_wherever_it_begins() {
    let world = World::new().await;
    let wide: Vec<u8> = format!("\u{feff}{}", world.real()).encode_utf16().flat_map(u16::to_be_bytes).collect();
    let message = |flags: u8, text: &[u8]| [&[flags], &(text.len() as u32).to_be_bytes()[..], text].concat();
    let messages = [message(0, b"one"), message(1, &packing::gzip(world.real().as_bytes()))].concat();
    let seven = [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], world.real().as_bytes()].concat();
    for (kind, body) in [("text/plain", wide), ("application/grpc", messages), ("text/plain", seven)] {
        for size in [1, 2, 5, 1000] {
            world.upstream(HOST).answers(answered(kind, &body, size));
            let answer = ask(&world, "/v1/x").await;
            assert!(!answer.complete, "{kind} by {size}");
            // At most one complete gRPC message before it, and nothing else.
            assert!(answer.body.len() <= 8, "{kind} by {size}");
            assert_eq!(last_code(&world).await, (Some(Code::UpstreamUnreadable), false), "{kind} by {size}");
        }
    }
}

/// A refusal says what to do, if the answer's head or its first bytes show enough.
#[tokio::test]
async fn a_refusal_of_an_answer_says_what_to_do() {
    let world = World::new().await;
    for (head, body, says) in [
        ("Content-Type: text/plain; charset=UTF-16\r\n", "x", "ask for utf-8"),
        ("Content-Type: application/zip\r\n", "7z\u{bc}", "nothing"),
        ("", "Rar!\x1a\x07 and more", "a rar archive"),
        ("Content-Range: bytes 0-0/5\r\n", "x", "ask for the whole"),
    ] {
        let length = body.len();
        world.upstream(HOST).answers(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n{body}"));
        let answer = ask(&world, "/v1/x").await;
        if says == "nothing" {
            assert_eq!(answer.status, 200);
            continue;
        }
        assert_eq!(answer.status, 502, "{head}");
        assert!(answer.text().contains(says) && answer.text().contains("upstream_unreadable"), "{}", answer.text());
    }
}

/// A long body is streamed: its beginning has arrived before its end is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_download_goes_by() {
    let world = World::new().await;
    // Several gzip members, as `pigz` and registries produce them: more than is ever held.
    let mut state = 1_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x1f
    };
    let text: Vec<u8> = (0..1 << 20).map(step).collect();
    let member = packing::gzip(&text);
    const TIMES: usize = 64;
    let length = member.len() * TIMES;
    world.upstream(HOST).on(move |exchange| {
        let member = member.clone();
        Box::pin(async move {
            exchange.body().await?;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.layer.v1.tar+gzip\r\n";
            exchange
                .send(format!("{head}Docker-Content-Digest: sha256:00\r\nContent-Length: {length}\r\n\r\n"))
                .await?;
            for _ in 0..TIMES {
                exchange.send(&member).await?;
            }
            Ok(())
        })
    });
    let answer = ask(&world, "/v1/blobs/sha256:00").await;
    assert!(answer.complete && answer.body.len() == length);
    assert_eq!(last_code(&world).await, (None, false));
}

/// With a rule that lets one path pass unread.
async fn world_with_opaque() -> World {
    let rule = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"GET /v1/report.7z\"]\ncredential = \"first\"\nopaque = true\n\
                private = [\"127.0.0.10/32\"]\n";
    let usual = Setup::default();
    World::with(Setup { family: usual.family.clone() + rule, ..usual }).await
}

/// An unknown coding also counts as unreadable, and keeps its name.
#[tokio::test]
async fn opaque_lets_a_coding_pass_that_nobody_knows() {
    let world = world_with_opaque().await;
    world.upstream(HOST).answers("HTTP/1.1 200 OK\r\nContent-Encoding: x-own\r\nContent-Length: 4\r\n\r\ndata");
    let answer = ask(&world, "/v1/report.7z").await;
    assert_eq!((answer.status, answer.header("content-encoding").as_deref()), (200, Some("x-own")));
    assert_eq!(ask(&world, "/v1/other.7z").await.status, 502);
}

/// Only for the rule's own path and host.
#[tokio::test]
async fn opaque_lets_one_path_pass_unread() {
    let world = world_with_opaque().await;
    let seven = [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &[7; 900]].concat();
    world.upstream(HOST).answers(answered("application/octet-stream", &seven, 100));
    assert_eq!(ask(&world, "/v1/report.7z").await.body, seven);
    assert!(!ask(&world, "/v1/other.7z").await.complete);
    // Unpacked, the secret is removed there as everywhere.
    let told = [&seven[..], world.real().as_bytes()].concat();
    world.upstream(HOST).answers(answered("application/octet-stream", &told, 100));
    let answer = ask(&world, "/v1/report.7z").await;
    assert_eq!(answer.body, [&seven[..], world.surrogate().as_bytes()].concat());
    // Without `opaque` it ends, even while in transit.
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let whole = answered("text/plain", &[b'x'; 4000], 4000);
            exchange.send(&whole[..whole.len() - 5]).await?;
            std::future::pending().await
        })
    });
    let asking = ask(&world, "/v1/report.7z");
    let tightening = async {
        until("it is under way", || world.log.rows().iter().any(|row| row.is_allowed() && row.outcome.is_none())).await;
        world.family.replace_policy(&Setup::default().family);
    };
    let (answer, ()) = tokio::join!(asking, tightening);
    assert!(!answer.complete);
    assert_eq!(last_code(&world).await.0, Some(Code::Revoked));
}

/// A validator works, and reveals nothing: the host gets its own ETag back.
#[tokio::test]
async fn an_etag_is_a_token_until_it_is_back_at_its_host() {
    let world = World::new().await;
    let tag = "W/\"5d41402abc4b2a76b9719d911017c592\"";
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let known = header(&exchange.head, "if-none-match").is_some_and(|tags| tags.contains("\"5d41402abc4b2a76"));
            let (status, length) = if known { ("304 Not Modified", "") } else { ("200 OK", "Content-Length: 2\r\n") };
            let head = format!("HTTP/1.1 {status}\r\nETag: W/\"5d41402abc4b2a76b9719d911017c592\"\r\n{length}\r\n");
            exchange.send(head + if known { "" } else { "ok" }).await
        })
    });
    let first = ask(&world, "/v1/x").await;
    let token = first.header("etag").unwrap();
    assert!(token.starts_with("W/\"dw-") && !token.contains("5d41402a"), "{token}");
    let again = ask_with(&world, "/v1/x", &format!("If-None-Match: \"other\", {token}\r\n")).await;
    assert_eq!((again.status, again.header("etag")), (304, Some(token.clone())));
    assert_eq!(world.upstream(HOST).received()[1].header("if-none-match").unwrap(), format!("\"other\", {tag}"));
    // After an upload: the ETag that the host wants back in a body.
    world.upstream(HOST).answers("HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 0\r\n\r\n");
    let mut client = world.family.tunnel(&format!("{HOST}:443")).await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    client
        .send(format!("POST /v1/part HTTP/1.1\r\nHost: {HOST}\r\n{authorization}\r\nContent-Length: 2\r\n\r\nhi"))
        .await;
    assert_eq!(client.answer().await.unwrap().header("etag").as_deref(), Some("\"abc\""));
}
