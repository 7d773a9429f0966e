//! A server on loopback that answers bit by bit: events, gRPC over HTTP/2 and
//! WebSocket, each going on only when the client has seen what came before.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::upstream::server_config;

type Answer = http::Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// A server, for as long as the test runs.
pub struct Live {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Live {
    /// `GET /events` counts to three, each number once `POST /seen` has said that the
    /// one before arrived.
    pub fn events(name: &str) -> Self {
        let seen = watch::Sender::new(0_u32);
        Self::start(server_config(&[name], &[b"http/1.1"]), move |stream| {
            let seen = seen.clone();
            let service = service_fn(move |request| {
                let seen = seen.clone();
                async move { Ok::<_, Infallible>(event_or_seen(&request, &seen)) }
            });
            async move {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
            }
        })
    }

    /// gRPC: every message comes back as it came, whatever the method.
    pub fn grpc(name: &str) -> Self {
        Self::start(server_config(&[name], &[b"h2"]), |stream| async move {
            let service = service_fn(|request| async { Ok::<_, Infallible>(echo(request)) });
            let _ =
                hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
        })
    }

    /// WebSocket: every message comes back as it came.
    pub fn websocket(name: &str) -> Self {
        Self::start(server_config(&[name], &[b"http/1.1"]), |stream| echoed(stream.into_inner()))
    }

    /// The same without TLS.
    pub fn plain_websocket() -> Self {
        Self::listening(|stream| async move { echoed(stream).await })
    }

    /// Serves each connection, once TLS stands.
    pub(super) fn start<F>(
        tls: ServerConfig,
        serve: impl Fn(TokioIo<tokio_rustls::server::TlsStream<TcpStream>>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (acceptor, serve) = (TlsAcceptor::from(Arc::new(tls)), Arc::new(serve));
        Self::listening(move |stream| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                // A client that breaks off is for the test to notice.
                if let Ok(tls) = acceptor.accept(stream).await {
                    serve(TokioIo::new(tls)).await;
                }
            }
        })
    }

    /// Serves each connection.
    fn listening<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Live { address, _runtime: runtime }
    }
}

impl From<&Live> for SocketAddr {
    fn from(server: &Live) -> Self {
        server.address
    }
}

async fn echoed(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if !message.is_close() && socket.send(message).await.is_err() {
            return;
        }
    }
}

fn event_or_seen(request: &http::Request<Incoming>, seen: &watch::Sender<u32>) -> Answer {
    if request.uri().path() == "/seen" {
        seen.send_modify(|count| *count += 1);
        return http::Response::new(Full::default().map_err(|never: Infallible| match never {}).boxed_unsync());
    }
    let events = futures_util::stream::unfold((0, seen.subscribe()), |(sent, mut seen)| async move {
        if sent == 3 || seen.wait_for(|count| *count >= sent).await.is_err() {
            return None;
        }
        let event = Frame::data(Bytes::from(format!("data: {}\n\n", sent + 1)));
        Some((Ok(event), (sent + 1, seen)))
    });
    let mut answer = http::Response::new(StreamBody::new(events).boxed_unsync());
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    answer
}

/// The body as it comes, and then how it ended.
fn echo(request: http::Request<Incoming>) -> Answer {
    let ended = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )]);
    let data = request.into_body().into_data_stream().map(|data| data.map(Frame::data));
    let all = data.chain(futures_util::stream::once(async { Ok(Frame::trailers(ended)) }));
    let mut answer = http::Response::new(StreamBody::new(all).boxed_unsync());
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    answer
}
