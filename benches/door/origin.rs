//! The origin: answers a kibibyte, any number of bytes, an upload, or a stream of events.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Serves on a free port of loopback and says which.
pub(crate) async fn serve(dir: &Path) {
    let chain = vec![CertificateDer::from_pem_file(dir.join("origin.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("origin.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(stream).await else { return };
            drop(http1::Builder::new().serve_connection(TokioIo::new(tls), service_fn(answer)).await);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let reply = match request.uri().path() {
        "/bulk" => Reply::Bulk(request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(0)),
        "/events" => Reply::Events(tokio::time::interval(Duration::from_millis(5)), 200),
        _ => Reply::Once(Some(Bytes::from_static(&[b'x'; 1024]))),
    };
    let mut body = request.into_body();
    while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
    let events = matches!(reply, Reply::Events(..));
    let mut response = Response::new(reply);
    if events {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    }
    Ok(response)
}

/// What an answer's body is.
pub(crate) enum Reply {
    Once(Option<Bytes>),
    Bulk(usize),
    Events(tokio::time::Interval, u32),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Reply::Once(bytes) => bytes.take(),
            Reply::Bulk(0) | Reply::Events(_, 0) => None,
            Reply::Bulk(left) => {
                static BLOCK: [u8; 64 << 10] = [b'x'; 64 << 10];
                let length = BLOCK.len().min(*left);
                *left -= length;
                Some(Bytes::from_static(&BLOCK[..length]))
            }
            Reply::Events(interval, left) => {
                std::task::ready!(interval.poll_tick(cx));
                *left -= 1;
                Some(Bytes::from(format!("data: {}\n\n", nanoseconds())))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }
}

pub(crate) fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}
