//! The client: closed loop, each worker sends its next request after the last answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::origin::nanoseconds;
use crate::processes::Setup;

const KIBIBYTE: Bytes = Bytes::from_static(&[b'y'; 1024]);

pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// How the client gets to the origin.
#[derive(Clone)]
pub(crate) enum Via {
    Direct,
    Door { role: &'static str, host: &'static str },
}

impl Via {
    /// Which door it is.
    pub(crate) fn role(&self) -> &'static str {
        match self {
            Via::Direct => "none",
            Via::Door { role, .. } => role,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) via: Via,
    tls: TlsConnector,
    socket: std::path::PathBuf,
    port: u16,
    surrogate: String,
}

/// Latencies in milliseconds, sorted, of a measured time.
pub(crate) struct Run {
    latencies: Vec<f64>,
    seconds: f64,
    all: usize,
}

impl Run {
    pub(crate) fn p50(&self) -> f64 {
        self.latencies[self.latencies.len() / 2]
    }

    pub(crate) fn p99(&self) -> f64 {
        self.latencies[self.latencies.len() * 99 / 100]
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// Requests, those of the warm-up included.
    pub(crate) fn all(&self) -> usize {
        self.all
    }
}

impl Client {
    pub(crate) fn new(setup: &Setup, via: Via) -> Self {
        let ca = match via {
            Via::Direct => "origin-ca.pem".to_owned(),
            Via::Door { role, .. } => format!("{role}-ca.pem"),
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(setup.path(&ca)).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Client {
            socket: setup.path(&format!("{}.sock", via.role())),
            via,
            tls: TlsConnector::from(Arc::new(config)),
            port: setup.origin_port,
            surrogate: setup.surrogate.clone(),
        }
    }

    fn host(&self) -> &'static str {
        match self.via {
            Via::Direct => "plain.bench",
            Via::Door { host, .. } => host,
        }
    }

    pub(crate) async fn connect(&self) -> Sender {
        match self.via {
            Via::Direct => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
                stream.set_nodelay(true).unwrap();
                self.handshake(stream).await
            }
            Via::Door { host, .. } => {
                let mut stream = UnixStream::connect(&self.socket).await.unwrap();
                let ask = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n");
                stream.write_all(ask.as_bytes()).await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                self.handshake(stream).await
            }
        }
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S) -> Sender {
        let tls = self.tls.connect(ServerName::try_from(self.host()).unwrap(), stream).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn send(&self, sender: &mut Sender, path: &str, body: Bytes) -> Response<Incoming> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let mut request = Request::builder().method(method).uri(path).header("host", self.host());
        if self.host() == "keyed.bench" {
            request = request.header("authorization", format!("Bearer {}", self.surrogate));
        }
        sender.ready().await.unwrap();
        let answer = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    async fn ask(&self, sender: &mut Sender, body: Bytes) {
        let answer = self.send(sender, "/", body).await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 1024);
    }

    pub(crate) async fn keep_alive(&self, workers: usize, warm_up: Duration, measured: Duration) -> Run {
        self.load(workers, warm_up, measured, true, false).await
    }

    /// `keep`: connections are used again; `sends`: requests have a KiB of body too.
    pub(crate) async fn load(
        &self,
        workers: usize,
        warm_up: Duration,
        measured: Duration,
        keep: bool,
        sends: bool,
    ) -> Run {
        let start = Instant::now();
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let client = self.clone();
                tokio::spawn(async move {
                    let (mut latencies, mut all) = (Vec::new(), 0);
                    let mut sender = client.connect().await;
                    while start.elapsed() < warm_up + measured {
                        let began = Instant::now();
                        if !keep {
                            sender = client.connect().await;
                        }
                        client.ask(&mut sender, if sends { KIBIBYTE } else { Bytes::new() }).await;
                        all += 1;
                        if start.elapsed() > warm_up {
                            latencies.push(began.elapsed().as_secs_f64() * 1000.0);
                        }
                    }
                    (latencies, all)
                })
            })
            .collect();
        let (mut latencies, mut all) = (Vec::new(), 0);
        for task in tasks {
            let (some, count) = task.await.unwrap();
            latencies.extend(some);
            all += count;
        }
        latencies.sort_by(f64::total_cmp);
        Run { latencies, seconds: measured.as_secs_f64(), all }
    }

    pub(crate) async fn download(&self, bytes: usize) -> f64 {
        let mut sender = self.connect().await;
        let start = Instant::now();
        let mut body = self.send(&mut sender, &format!("/bulk?{bytes}"), Bytes::new()).await.into_body();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame.unwrap().into_data().map_or(0, |data| data.len());
        }
        assert_eq!(received, bytes);
        bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
    }

    pub(crate) async fn upload(&self, bytes: usize) -> f64 {
        let mut sender = self.connect().await;
        let body = Bytes::from(b"The quick brown fox jumps over the lazy dog, twice. ".repeat(bytes / 52));
        let (start, length) = (Instant::now(), body.len());
        self.send(&mut sender, "/", body).await;
        length as f64 / 1e6 / start.elapsed().as_secs_f64()
    }

    pub(crate) async fn events(&self, count: usize) -> Run {
        let mut sender = self.connect().await;
        let start = Instant::now();
        let mut body = self.send(&mut sender, "/events", Bytes::new()).await.into_body();
        let mut latencies = Vec::new();
        while let Some(frame) = body.frame().await {
            let now = nanoseconds();
            let data = frame.unwrap().into_data().unwrap_or_default();
            let text = String::from_utf8(data.to_vec()).unwrap();
            for sent in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                latencies.push((now - sent.parse::<u128>().unwrap()) as f64 / 1e6);
            }
        }
        assert_eq!(latencies.len(), count);
        latencies.sort_by(f64::total_cmp);
        Run { latencies, seconds: start.elapsed().as_secs_f64(), all: count }
    }

    pub(crate) async fn idle_tunnels(&self, count: usize) -> Vec<Sender> {
        let mut tunnels = Vec::new();
        for _ in 0..count {
            let mut sender = self.connect().await;
            self.ask(&mut sender, Bytes::new()).await;
            tunnels.push(sender);
        }
        tunnels
    }
}
