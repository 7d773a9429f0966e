//! Upstream servers that record exactly what they received, over TLS or in the clear, and canaries
//! that must never be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::certificates;

/// How many bytes of one body are kept; the rest is only counted.
const KEPT: usize = 1 << 20;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Handler = dyn for<'a> Fn(&'a mut Exchange) -> BoxFuture<'a, io::Result<()>> + Send + Sync;

/// Both directions of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A server on an address of its own.
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: Mutex<Vec<Received>>,
    handler: Mutex<Option<Arc<Handler>>>,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub connection: usize,
    /// Request line and headers, with the empty line.
    pub head: Vec<u8>,
    /// The body as it was on the wire, chunk sizes included.
    pub body: Vec<u8>,
    pub body_bytes: usize,
    /// Whether the complete request arrived.
    pub complete: bool,
}

impl Upstream {
    pub async fn start(ip: IpAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback address");
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Upstream { address, state, task }
    }

    /// How requests are answered from now on.
    pub fn on<F>(&self, handler: F)
    where
        F: for<'a> Fn(&'a mut Exchange) -> BoxFuture<'a, io::Result<()>> + Send + Sync + 'static,
    {
        *self.state.handler.lock().unwrap() = Some(Arc::new(handler));
    }

    /// The same bytes for every request.
    pub fn answers(&self, bytes: impl Into<Vec<u8>>) {
        self.answers_in_pieces(vec![bytes.into()]);
    }

    /// The same bytes for every request, in separate writes.
    pub fn answers_in_pieces(&self, pieces: Vec<Vec<u8>>) {
        self.on(move |exchange| {
            let pieces = pieces.clone();
            Box::pin(async move {
                exchange.body().await?;
                for piece in &pieces {
                    exchange.send(piece).await?;
                }
                // An answer without a length ends with the connection.
                let head = String::from_utf8_lossy(&pieces.concat()).to_ascii_lowercase();
                let framed = ["content-length:", "transfer-encoding:", "http/1.1 101"];
                exchange.closed = !framed.iter().any(|one| head.contains(one));
                Ok(())
            })
        });
    }

    /// Accepts requests and never answers.
    pub fn never_answers(&self) {
        self.on(|exchange| {
            Box::pin(async {
                exchange.body().await?;
                std::future::pending().await
            })
        });
    }

    /// `200 ok` again.
    pub fn answers_as_usual(&self) {
        *self.state.handler.lock().unwrap() = None;
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.requests.lock().unwrap().clone()
    }

    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&[&self.head[..], &self.body[..]].concat()).into_owned()
    }

    pub fn request_line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }
}

/// The value of a header in a head.
pub fn header(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head).into_owned();
    let found = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut found = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().to_owned())
}

/// One request in progress.
pub struct Exchange {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    state: Arc<State>,
    index: usize,
    pub head: Vec<u8>,
    /// How many preceded it on its connection.
    pub number: usize,
    /// Set to end the connection after this exchange.
    pub closed: bool,
}

impl Exchange {
    /// Reads the body to its end.
    pub async fn body(&mut self) -> io::Result<()> {
        let chunked = header(&self.head, "transfer-encoding").is_some();
        let length = header(&self.head, "content-length").map_or(0, |length| length.parse().unwrap());
        let (mut taken, mut tail) = (0, Vec::new());
        loop {
            let end = if chunked { ends_chunked(&tail) } else { taken == length };
            if end {
                self.note(|request| request.complete = true);
                return Ok(());
            }
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let most = if chunked { 1 } else { length - taken };
            let piece: Vec<u8> = self.buffer.drain(..most.min(self.buffer.len())).collect();
            taken += piece.len();
            tail.extend_from_slice(&piece[piece.len().saturating_sub(8)..]);
            tail.drain(..tail.len().saturating_sub(8));
            self.keep(&piece);
        }
    }

    /// Reads some bytes of the body as they are on the wire; 0 at the end.
    pub async fn some(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let piece = std::mem::take(&mut self.buffer);
        self.keep(&piece);
        Ok(piece.len())
    }

    /// The connection itself, and the bytes that were received but not read.
    pub fn over(&mut self) -> (&mut Box<dyn Stream>, Vec<u8>) {
        (&mut self.stream, std::mem::take(&mut self.buffer))
    }

    /// Sends bytes at once.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    fn keep(&self, piece: &[u8]) {
        self.note(|request| {
            request.body_bytes += piece.len();
            let room = KEPT.saturating_sub(request.body.len());
            request.body.extend_from_slice(&piece[..room.min(piece.len())]);
        });
    }

    fn note(&self, change: impl FnOnce(&mut Received)) {
        change(&mut self.state.requests.lock().unwrap()[self.index]);
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 << 10];
        let count = self.stream.read(&mut chunk).await?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// Waits for the head of the next request; anything that arrives counts as one.
    async fn next(&mut self, connection: usize) -> io::Result<bool> {
        while !self.buffer.windows(4).any(|four| four == b"\r\n\r\n") {
            if self.fill().await? == 0 {
                if !self.buffer.is_empty() {
                    self.begin(connection, self.buffer.len());
                }
                return Ok(false);
            }
        }
        let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        self.begin(connection, end);
        Ok(true)
    }

    fn begin(&mut self, connection: usize, end: usize) {
        self.head = self.buffer.drain(..end).collect();
        let mut requests = self.state.requests.lock().unwrap();
        self.index = requests.len();
        requests.push(Received { connection, head: self.head.clone(), ..Received::default() });
    }
}

fn ends_chunked(tail: &[u8]) -> bool {
    tail.ends_with(b"\r\n0\r\n\r\n") || tail == b"0\r\n\r\n"
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a listener");
        let connection = state.connections.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        // If a client breaks off, the test sees it in what was received.
        tokio::spawn(async move { serve(stream, connection, state).await.ok() });
    }
}

async fn serve(stream: TcpStream, connection: usize, state: Arc<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    let stream: Box<dyn Stream> = if first == [0x16] {
        Box::new(TlsAcceptor::from(certificates::server(b"http/1.1")).accept(stream).await?)
    } else {
        Box::new(stream)
    };
    let (buffer, head) = (Vec::new(), Vec::new());
    let mut exchange = Exchange { stream, buffer, state: state.clone(), index: 0, head, number: 0, closed: false };
    while !exchange.closed && exchange.next(connection).await? {
        let handler = state.handler.lock().unwrap().clone();
        match handler {
            Some(handler) => handler(&mut exchange).await?,
            None => {
                exchange.body().await?;
                exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
            }
        }
        exchange.number += 1;
    }
    exchange.stream.shutdown().await
}

/// A listener that must not be connected to.
pub struct Canary {
    pub address: SocketAddr,
    hits: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Canary {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.66", 0)).await.expect("a loopback address");
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = hits.clone();
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Canary { address, hits, task: task.abort_handle() }
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.task.abort();
    }
}
