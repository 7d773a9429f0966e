//! Both ends of HTTP/2: an upstream that records what it received, and a client through a door. Raw
//! enough to send what no well-behaved client sends.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use proxy::ports::Resolved;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{OpenDoor, PATIENCE, World, certificates};

/// A server that speaks HTTP/2 and nothing else.
pub struct Http2Upstream {
    state: Arc<State>,
    task: AbortHandle,
}

/// How every request is answered.
#[derive(Clone, Default)]
pub struct Reply {
    pub headers: HeaderMap,
    pub body: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    /// Sends nothing after the body, not even its end.
    pub stays: bool,
    /// Answers before it has the request's body.
    pub early: bool,
    /// Never reads the request's body: its window does not open.
    pub unread: bool,
    /// Sends GOAWAY with the answer: streams in progress end, no new ones begin.
    pub goaway: bool,
}

type Replies = dyn Fn(&Request<()>) -> Reply + Send + Sync;

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: Mutex<Vec<Got>>,
    replies: Mutex<Option<Arc<Replies>>>,
    /// Concurrent streams that it takes, per connection.
    streams: Option<u32>,
    /// Bytes of answers that could be sent.
    sent: AtomicUsize,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Got {
    pub connection: usize,
    pub head: Request<()>,
    pub body: Vec<u8>,
    /// Whether it was complete, and not reset.
    pub complete: bool,
}

impl Http2Upstream {
    /// In place of the server with this name.
    pub async fn instead_of(world: &World, name: &str) -> Self {
        Self::taking(world, name, None).await
    }

    /// The same, taking this many concurrent streams.
    pub async fn taking(world: &World, name: &str, streams: Option<u32>) -> Self {
        let ip: IpAddr = world.upstream(name).address.ip();
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback address");
        let port = Some(listener.local_addr().unwrap().port());
        world.names.set(name, vec![vec![Resolved { ip, port }]]);
        let state = Arc::new(State { streams, ..State::default() });
        let task = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Http2Upstream { state, task }
    }

    pub fn answers(&self, reply: Reply) {
        self.answers_by(move |_| reply.clone());
    }

    /// Answers each request by this function.
    pub fn answers_by(&self, reply: impl Fn(&Request<()>) -> Reply + Send + Sync + 'static) {
        *self.state.replies.lock().unwrap() = Some(Arc::new(reply));
    }

    pub fn received(&self) -> Vec<Got> {
        self.state.requests.lock().unwrap().clone()
    }

    pub fn only(&self) -> Got {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How much of its answers it could send.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Http2Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a listener");
        tokio::spawn(serve(stream, state.clone()));
    }
}

/// `None` if the client broke off, which is for the test to check.
async fn serve(stream: TcpStream, state: Arc<State>) -> Option<()> {
    let stream = TlsAcceptor::from(certificates::server(b"h2")).accept(stream).await.ok()?;
    let connection = state.connections.fetch_add(1, Ordering::SeqCst);
    let mut builder = h2::server::Builder::new();
    if let Some(streams) = state.streams {
        builder.max_concurrent_streams(streams);
    }
    let mut served = builder.handshake(stream).await.ok()?;
    while let Some(Ok((request, respond))) = served.accept().await {
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let replies = state.replies.lock().unwrap().clone();
        let reply = replies.map_or_else(Reply::default, |replies| replies(&head));
        if reply.goaway {
            served.graceful_shutdown();
        }
        let index = {
            let mut requests = state.requests.lock().unwrap();
            requests.push(Got { connection, head, body: Vec::new(), complete: false });
            requests.len() - 1
        };
        tokio::spawn(answer(state.clone(), index, body, respond, reply));
    }
    Some(())
}

async fn answer(
    state: Arc<State>,
    index: usize,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    reply: Reply,
) -> Option<()> {
    let mut waiting = Some(body);
    if reply.unread && !reply.early {
        std::future::poll_fn(|cx| respond.poll_reset(cx)).await.ok()?;
        return Some(());
    }
    if !reply.early {
        keep(&state, index, waiting.take()?).await?;
    }
    let mut response = Response::new(());
    *response.headers_mut() = reply.headers;
    let mut stream = respond.send_response(response, false).ok()?;
    if let Some(body) = waiting.take_if(|_| !reply.unread) {
        let state = state.clone();
        tokio::spawn(async move { keep(&state, index, body).await });
    }
    for piece in reply.body {
        send(&state, &mut stream, piece).await?;
    }
    if reply.stays {
        std::future::poll_fn(|cx| stream.poll_reset(cx)).await.ok()?;
        return Some(());
    }
    match reply.trailers {
        Some(trailers) => stream.send_trailers(trailers).ok(),
        None => stream.send_data(Bytes::new(), true).ok(),
    }
}

async fn keep(state: &State, index: usize, mut body: RecvStream) -> Option<()> {
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        state.requests.lock().unwrap()[index].body.extend_from_slice(&data);
    }
    state.requests.lock().unwrap()[index].complete = true;
    Some(())
}

async fn send(state: &State, stream: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let room = room.min(piece.len());
        stream.send_data(piece.split_to(room), false).ok()?;
        state.sent.fetch_add(room, Ordering::SeqCst);
    }
    Some(())
}

/// A client on one connection; many concurrent streams.
#[derive(Clone)]
pub struct Http2Client {
    sender: SendRequest<Bytes>,
}

/// One complete answer.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Why it is incomplete.
    pub broken: Option<h2::Error>,
}

impl Answered {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Http2Client {
    pub async fn connect(door: &OpenDoor, authority: &str) -> Self {
        let (stream, _) = door.connect().await.tunnel_http2(authority).await.into_parts();
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Http2Client { sender }
    }

    /// Sends a head; the caller sends the body, if any.
    pub async fn begin(&self, request: Request<()>, last: bool) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.expect("a connection");
        sender.send_request(request, last).expect("a request that h2 sends")
    }

    pub async fn get(&self, url: impl AsRef<str>) -> Answered {
        self.send(Request::get(url.as_ref()).body(()).unwrap(), None).await.expect("an answer")
    }

    pub async fn post(&self, url: impl AsRef<str>, body: impl Into<Bytes>) -> Answered {
        let request = Request::post(url.as_ref()).body(()).unwrap();
        self.send(request, Some(body.into())).await.expect("an answer")
    }

    /// A whole request.
    pub async fn send(&self, request: Request<()>, body: Option<Bytes>) -> Result<Answered, h2::Error> {
        let (answer, mut stream) = self.begin(request, body.is_none()).await;
        if let Some(body) = body {
            stream.send_data(body, true)?;
        }
        whole(answer).await
    }

    /// Whether it still takes requests.
    pub async fn is_open(&self) -> bool {
        self.sender.clone().ready().await.is_ok()
    }
}

/// A complete answer.
pub async fn whole(answer: h2::client::ResponseFuture) -> Result<Answered, h2::Error> {
    let answer = timeout(PATIENCE, answer).await.expect("the door answers or resets")?;
    let (head, mut body) = answer.into_parts();
    let mut answered = Answered {
        status: head.status.as_u16(),
        headers: head.headers,
        body: Vec::new(),
        trailers: None,
        broken: None,
    };
    while let Some(data) = timeout(PATIENCE, body.data()).await.expect("the body goes on or ends") {
        match data {
            Ok(data) => {
                body.flow_control().release_capacity(data.len())?;
                answered.body.extend_from_slice(&data);
            }
            Err(error) => {
                answered.broken = Some(error);
                return Ok(answered);
            }
        }
    }
    answered.trailers = timeout(PATIENCE, body.trailers()).await.expect("trailers or the end")?;
    Ok(answered)
}
