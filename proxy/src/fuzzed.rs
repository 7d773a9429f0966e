//! What must hold for any bytes: the `fuzz/` target for request heads, and a replay of its
//! committed corpus as a test. Not part of what ships.

#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

use std::sync::Mutex;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use policies::{Authority, Facts, Refusal};

use gate::{Intercepted, Limits, connect};

use crate::connection;

/// The result of reading one head.
enum Read {
    Connect(Authority),
    Request(Facts),
}

/// The bytes of a connection, as the door's own HTTP/1.1 reads them: in the clear, and inside a
/// tunnel to `a.test:443`.
pub fn head(bytes: &[u8]) {
    let tunnel = tunnel();
    for read in all(bytes, None) {
        match read {
            Read::Connect(authority) => {
                let text = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
                let again = all(text.as_bytes(), None);
                assert!(matches!(&again[..], [Read::Connect(same)] if *same == authority), "{text:?}");
            }
            Read::Request(facts) => {
                assert_eq!(facts.scheme, policies::Scheme::Http, "TLS without a tunnel");
                let target = format!("http://{}{}", facts.authority, facts.path_and_query());
                stays(&facts, &target, &facts.authority.to_string(), None);
            }
        }
    }
    for read in all(bytes, Some(&tunnel)) {
        let Read::Request(facts) = read else { continue };
        assert_eq!(facts.authority, tunnel.authority, "a request left its tunnel");
        stays(&facts, &facts.path_and_query(), "a.test", Some(&tunnel));
    }
}

/// What is sent upstream is parsed as what was judged, and as one request.
fn stays(facts: &Facts, target: &str, host: &str, tunnel: Option<&Intercepted>) {
    let upgrade = facts.upgrade.map_or("", |_| "Connection: upgrade\r\nUpgrade: websocket\r\n");
    let text = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n", facts.method);
    let again = all(text.as_bytes(), tunnel);
    assert!(matches!(&again[..], [Read::Request(same)] if same == facts), "{text:?} is not {facts:?}");
}

/// Every request that can be read from a connection's bytes.
fn all(bytes: &[u8], tunnel: Option<&Intercepted>) -> Vec<Read> {
    let found = Mutex::new(Vec::new());
    let service = service_fn(|request: http::Request<Incoming>| {
        let read = read(&request, tunnel);
        let is_connect = request.method() == http::Method::CONNECT;
        found.lock().unwrap().extend(read.ok());
        async move {
            let answer = http::Response::new(Empty::<Bytes>::new());
            // What follows a CONNECT belongs to another connection.
            if is_connect { Err(std::io::Error::other("done")) } else { Ok(answer) }
        }
    });
    let io = TokioIo::new(tokio::io::join(bytes, tokio::io::sink()));
    let _ =
        RUNTIME.with(|runtime| runtime.block_on(connection::http(&Limits::default()).serve_connection(io, service)));
    found.into_inner().unwrap()
}

fn read<B>(request: &http::Request<B>, tunnel: Option<&Intercepted>) -> Result<Read, Refusal> {
    if tunnel.is_none() && request.method() == http::Method::CONNECT {
        return connect(request).map(Read::Connect);
    }
    gate::read(tunnel, request).map(Read::Request)
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// Past findings, and the seeds of a search, stay right.
#[test]
fn the_corpus_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/head");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(entries.len() > 5, "nothing to begin with");
    for entry in entries {
        head(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}

/// The target covers what it should: a head of each kind is read.
#[test]
fn heads_are_read() {
    let tunnel = tunnel();
    let two = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(all(two, Some(&tunnel)).len(), 2);
    assert_eq!(all(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", None).len(), 1);
    assert_eq!(all(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", None).len(), 1);
    assert_eq!(all(b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", Some(&tunnel)).len(), 0);
}

/// The tunnel in which its requests are read.
fn tunnel() -> Intercepted {
    let authority = Authority::parse("a.test:443", None).unwrap();
    Intercepted { authority, scheme: policies::Scheme::Https, sni: None, to_ourselves: false }
}
