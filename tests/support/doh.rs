//! A resolver on loopback that speaks DNS over HTTPS (RFC 8484): TLS, HTTP/2, and the
//! messages of RFC 1035 in POST.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use doorward::loopback::Authority;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::Live;
use super::upstream::{server_config, signed_by};

/// A server, for as long as the test runs.
pub struct Doh {
    live: Live,
    asked: Arc<Mutex<Vec<String>>>,
    hung_up: watch::Sender<()>,
}

impl Doh {
    /// Its certificate is for `itself`; the one name that it knows is on 127.0.0.1.
    pub fn start(itself: &str, knows: &str) -> Self {
        Self::serve(server_config(&[itself], &[b"h2"]), knows, 0)
    }

    /// The same, whose answers may be kept for so many seconds.
    pub fn to_keep(itself: &str, knows: &str, seconds: u8) -> Self {
        Self::serve(server_config(&[itself], &[b"h2"]), knows, seconds)
    }

    /// The same with a certificate that an authority signed whom nobody knows.
    pub fn of_a_stranger(itself: &str, knows: &str) -> Self {
        let stranger = Authority::new("A stranger").unwrap();
        Self::serve(signed_by(&stranger, &[itself], &[b"h2"]), knows, 0)
    }

    fn serve(tls: ServerConfig, knows: &str, ttl: u8) -> Self {
        let (asked, knows) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<str>::from(knows));
        let (hung_up, mine) = (watch::Sender::new(()), asked.clone());
        let cuts = hung_up.clone();
        let live = Live::start(tls, move |stream| {
            let (asked, knows) = (mine.clone(), knows.clone());
            let service = service_fn(move |request| {
                let (asked, knows) = (asked.clone(), knows.clone());
                async move { Ok::<_, Infallible>(answer(request, &knows, &asked, ttl).await) }
            });
            let mut cut = cuts.subscribe();
            async move {
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::select! {
                    _ = http.serve_connection(stream, service) => {}
                    _ = cut.changed() => {}
                }
            }
        });
        Doh { live, asked, hung_up }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (&self.live).into()
    }

    /// Cuts every connection, as servers do with idle ones.
    pub fn hang_up(&self) {
        self.hung_up.send_replace(());
    }

    /// `METHOD PATH NAME` of every question, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl From<&Doh> for SocketAddr {
    fn from(server: &Doh) -> Self {
        server.address()
    }
}

async fn answer(
    request: http::Request<Incoming>,
    knows: &str,
    asked: &Mutex<Vec<String>>,
    ttl: u8,
) -> http::Response<Full<Bytes>> {
    const MESSAGE: &str = "application/dns-message";
    let (head, body) = request.into_parts();
    let message = body.collect().await.unwrap().to_bytes();
    let (name, question) = question(&message);
    asked.lock().unwrap().push(format!("{} {} {name}", head.method, head.uri.path()));
    let is_message = head.headers.get("content-type").is_some_and(|kind| kind == MESSAGE);
    if head.method != http::Method::POST || !is_message {
        return http::Response::builder().status(415).body(Full::default()).unwrap();
    }
    let reply = reply(&message, question, name == knows, ttl);
    http::Response::builder().header("content-type", MESSAGE).body(Full::from(reply)).unwrap()
}

/// The name that a message asks for, and the whole question as it stands there.
fn question(message: &[u8]) -> (String, &[u8]) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while message[at] != 0 {
        let end = at + 1 + usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..end]).into_owned());
        at = end;
    }
    (labels.join("."), &message[12..at + 5])
}

/// "No such name", or the address if that is what was asked for (RFC 1035 §4.1).
fn reply(message: &[u8], question: &[u8], known: bool, ttl: u8) -> Vec<u8> {
    let wants_ipv4 = question[question.len() - 4..] == [0, 1, 0, 1];
    let (code, answers) = (if known { 0 } else { 3 }, u8::from(known && wants_ipv4));
    let head = [message[0], message[1], 0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0];
    let mut reply = [&head, question].concat();
    if answers == 1 {
        // The name of the question, type A, class IN, how long to keep it, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 127, 0, 0, 1]);
    }
    reply
}
