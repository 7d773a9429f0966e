//! One connection through the door: plain requests, or CONNECT and TLS inside it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::{Authority, Code, Refusal, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;

use gate::audit::Protocol;
use gate::{
    Ahead, AuditedTunnel, CONNECTION_WINDOW, Case, H2, Intercepted, Limits, Patient, Record, STREAM_WINDOW, Streams,
};

use crate::answer;
use crate::beginning::{self, Beginning};
use crate::body::Body;
use crate::door::Door;
use crate::flow;
use crate::frames::{self, Refused, Told};
use crate::heard::{Heard, Said};
use crate::internal;
use crate::onward::Onward;
use crate::presence::Client;
use crate::tls;

/// How often requests in flight are checked against the policy in force.
const REVIEW: Duration = Duration::from_millis(250);

/// How often the number of connections without a request is logged.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How long to wait for a client that has ended its sending side inside TLS: clients do not do that
/// and read on, so it has most likely gone.
const AFTER_TLS: Duration = Duration::from_secs(5);

impl Door {
    /// Serves the door until dropped. Every connection is a task of this future: dropping it cuts
    /// them all, with everything they were sending. What a tightened policy no longer allows is cut
    /// within a moment, too.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let mut connections = JoinSet::new();
        let mut review = tokio::time::interval(REVIEW);
        review.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Instant::now();
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                accepted = self.accept(&listener) => {
                    let Some((stream, slot)) = accepted else { continue };
                    let door = self.clone();
                    connections.spawn(async move {
                        serve(door, stream).await;
                        drop(slot);
                    });
                }
                _ = review.tick() => {
                    self.gate.review();
                    self.pool.review();
                    if told.elapsed() >= TOLD_EVERY {
                        told = Instant::now();
                        self.tell_idle_connections();
                    }
                }
            }
        }
    }

    /// A sandbox that opens too many connections waits for itself only.
    async fn accept(&self, listener: &UnixListener) -> Option<(UnixStream, OwnedSemaphorePermit)> {
        let slot = self.slots.clone().acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(error) => {
                tracing::warn!(door.group = %self.identity().group, %error, "Door could not accept");
                // Most likely out of descriptors: gives other connections time to end.
                sleep(Duration::from_millis(50)).await;
                None
            }
        }
    }
}

/// Common to all requests of one connection.
struct Connection {
    door: Arc<Door>,
    id: u64,
    /// Set inside an opened CONNECT: what it and SNI agreed on.
    within: Option<Arc<Intercepted>>,
    onward: Onward,
    /// Whether the log mentions it: a request, or why there was none.
    recorded: AtomicBool,
    /// The bytes read so far of a possible request.
    said: Arc<Said>,
    /// Whether its CONNECT was opened with TLS inside.
    within_tls: AtomicBool,
}

impl Connection {
    fn new(door: Arc<Door>, id: u64, within: Option<Intercepted>) -> Arc<Self> {
        let (within, onward) = (within.map(Arc::new), Onward::default());
        let (recorded, said, within_tls) = (AtomicBool::new(false), Arc::default(), AtomicBool::new(false));
        Arc::new(Connection { door, id, within, onward, recorded, said, within_tls })
    }

    /// A request was read from it, which has its own record.
    fn asks(&self, request: &mut http::Request<Incoming>) {
        self.recorded.store(true, Ordering::Relaxed);
        self.said.becomes(request);
    }

    /// The case for a request that is read now.
    fn case(&self) -> Case {
        self.door.gate.case(self.id, self.within.clone())
    }

    /// The record of an event that is not a request.
    fn unread(&self, protocol: Protocol) -> Record {
        Record::unread(&self.door.gate, &self.case(), protocol)
    }

    fn limits(&self) -> &Limits {
        self.door.gate.limits()
    }

    async fn answer(&self, request: http::Request<Incoming>) -> Result<http::Response<Body>, Infallible> {
        let answer = flow::handle(&self.door, self.case(), &self.onward, request).await;
        self.said.answered(&answer);
        Ok(answer)
    }
}

/// If no request came, this is logged, however the connection ended.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.recorded.load(Ordering::Relaxed) {
            return;
        }
        if !self.said.anything() {
            return self.door.came_without_request();
        }
        let protocol = self.within.as_ref().map_or(Protocol::Unknown, |within| within.protocol());
        note(self, protocol, Some(self.door.gate.is_shut().unwrap_or_else(half_a_head)));
    }
}

/// Serves one connection until it ends or its client has gone.
async fn serve(door: Arc<Door>, stream: UnixStream) {
    let id = door.next_connection();
    let connection = Connection::new(door, id, None);
    let client = match Client::new(stream) {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "Door could not listen to a client"),
    };
    let patience = || match connection.limits().head_time {
        time if connection.within_tls.load(Ordering::Relaxed) => time.min(AFTER_TLS),
        time => time,
    };
    tokio::select! {
        () = converse(connection.clone(), client.clone()) => {}
        () = client.gone(patience) => {}
    }
}

async fn converse(connection: Arc<Connection>, stream: Client) {
    let service = {
        let connection = connection.clone();
        service_fn(move |mut request| {
            let connection = connection.clone();
            async move {
                connection.asks(&mut request);
                if request.method() == Method::CONNECT {
                    return Ok(connect(&connection, request).await);
                }
                connection.answer(request).await
            }
        })
    };
    let stream = Heard::new(stream, connection.said.clone());
    let stream = Patient::new(stream, connection.limits().idle_body_time);
    let served = http(connection.limits()).serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    note_unreadable(&connection, served, Protocol::Unknown);
    connection.onward.go().await;
}

/// Answers CONNECT. A readable one always gets its tunnel: a refusal is answered inside, where
/// clients show it, and where method and path are known.
async fn connect(connection: &Arc<Connection>, mut request: http::Request<Incoming>) -> http::Response<Body> {
    let case = connection.case();
    let mut record = Record::unread(&connection.door.gate, &case, Protocol::Connect).target(&request).owed();
    match inside(&connection.door, &case, &request, &mut record).await {
        Ok(inside) => {
            record.goes_on();
            connection.said.no_more();
            let to_ourselves = internal::is_tunnel(&request);
            let (upgrade, outer) = (hyper::upgrade::on(&mut request), connection.clone());
            connection.onward.with(async move {
                let Ok(stream) = upgrade.await else { return };
                match inside {
                    Inside::Opened(authority) => opened(&outer, authority, to_ourselves, TokioIo::new(stream)).await,
                    Inside::Unopened(audited) => gate::carry(&outer.door.gate, audited, TokioIo::new(stream)).await,
                }
            });
            http::Response::new(Body::empty())
        }
        Err(refusal) => answer::refused(record.refuse(refusal), None),
    }
}

/// How the inside of a CONNECT is treated.
enum Inside {
    /// TLS, opened here, or plain HTTP, with requests that are judged one by one.
    Opened(Authority),
    /// TLS passed through to the host (`tls = "tunnel"`).
    Unopened(AuditedTunnel),
}

async fn inside(
    door: &Door,
    case: &Case,
    request: &http::Request<Incoming>,
    record: &mut Record,
) -> Result<Inside, Refusal> {
    let authority = gate::connect(request)?;
    // A host with a credential is always opened: a tunnel could not keep other keys out.
    let guarded = door.keeper.keyring.now().guards(&authority);
    match gate::judge_tunnel(case, &authority).filter(|_| !guarded) {
        None => Ok(Inside::Opened(authority)),
        Some(judged) => {
            record.connects_to(&authority);
            let entered = record.enter()?;
            let admitted = door.gate.admit_tunnel(case, &judged).await?;
            record.allow_tunnel(judged, entered, admitted).await.map(Inside::Unopened)
        }
    }
}

/// Serves the inside of a CONNECT: TLS, or plain requests.
async fn opened<S>(outer: &Connection, authority: Authority, to_ourselves: bool, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let time = outer.limits().handshake_time;
    let begun = beginning::first(stream, time, || outer.door.came_without_request()).await;
    let Some(begun) = begun else { return };
    let record = outer.unread(Protocol::Connect).authority(&authority).owed();
    let (beginning, stream) = beginning::of(begun, time).await;
    let refusal = match beginning {
        Beginning::Tls => return within_tls(outer, record, authority, stream).await,
        Beginning::Plain => {
            record.goes_on();
            let (scheme, sni) = (Scheme::Http, None);
            return in_the_clear(outer, Intercepted { authority, scheme, sni, to_ourselves }, stream).await;
        }
        Beginning::Other => beginning::neither(),
        Beginning::Late => Refusal::new(Code::Timeout, "nothing followed CONNECT in time"),
    };
    record.refuse(refusal);
}

/// Plain HTTP inside a CONNECT: each request is judged like one in absolute form.
async fn in_the_clear<S>(outer: &Connection, within: Intercepted, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let inner = Connection::new(outer.door.clone(), outer.id, Some(within));
    let service = {
        let inner = inner.clone();
        service_fn(move |mut request| {
            let inner = inner.clone();
            inner.asks(&mut request);
            let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move { inner.answer(request).await });
            answer
        })
    };
    let stream = Heard::new(stream, inner.said.clone());
    let served = http(inner.limits()).serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    note_unreadable(&inner, served, Protocol::Http);
    inner.onward.go().await;
}

/// The TLS inside a CONNECT, and the requests inside that.
async fn within_tls<S>(outer: &Connection, record: Record, authority: Authority, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (tls, sni) = match handshake(outer, &authority, Ahead::new(stream)).await {
        Ok(done) => done,
        Err((refusal, sni)) => {
            record.sni(sni).refuse(refusal);
            return;
        }
    };
    record.goes_on();
    outer.within_tls.store(true, Ordering::Relaxed);
    let within = Intercepted { authority, scheme: Scheme::Https, sni, to_ourselves: false };
    let inner = Connection::new(outer.door.clone(), outer.id, Some(within));
    let is_h2 = tls.get_ref().1.alpn_protocol() == Some(H2);
    // The streams' tasks live as long as this future, so a door that shuts ends them.
    let streams = Streams::default();
    let service = {
        let (inner, streams) = (inner.clone(), streams.clone());
        service_fn(move |mut request: http::Request<Incoming>| {
            let inner = inner.clone();
            inner.asks(&mut request);
            if is_h2 {
                request.extensions_mut().insert(streams.leash());
            }
            // Boxed: a request's future is large, and a tunnel idles between requests.
            let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move { inner.answer(request).await });
            answer
        })
    };
    let served = if is_h2 {
        // Its first bytes are not a request: browsers open connections for later.
        let told = inner.clone();
        let stream = Told::new(tls, move |refused: Refused| note(&told, Protocol::Https, refused.refusal()));
        h2(&inner, streams).serve_connection(TokioIo::new(stream), service).await
    } else {
        http(inner.limits())
            .serve_connection(TokioIo::new(Heard::new(tls, inner.said.clone())), service)
            .with_upgrades()
            .await
    };
    note_unreadable(&inner, served, Protocol::Https);
    inner.onward.go().await;
}

type Handshaken<S> = (tokio_rustls::server::TlsStream<S>, Option<String>);

/// Finishes the handshake if the client names the host that CONNECT named, or no host; a client
/// that names another is cut off.
async fn handshake<S>(
    connection: &Connection,
    authority: &Authority,
    stream: S,
) -> Result<Handshaken<S>, (Refusal, Option<String>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let time = connection.limits().handshake_time;
    let too_slow = |_| (Refusal::new(Code::Timeout, "the TLS handshake took too long"), None);
    let hello = timeout(time, LazyConfigAcceptor::new(Acceptor::default(), stream)).await.map_err(too_slow)?;
    let hello = hello.map_err(|error| (beginning::no_handshake(&error, beginning::neither()), None))?;
    let sni = hello.client_hello().server_name().map(str::to_owned);
    if let Some(name) = &sni
        && policies::Host::parse(name).ok().as_ref() != Some(&authority.host)
    {
        let why = format!("CONNECT named {}, the TLS handshake another host", authority.host);
        return Err((Refusal::new(Code::AuthorityMismatch, why), sni));
    }
    let Some(wait) = connection.door.ca.turn(&authority.host, time) else {
        let why = "the sandbox asks for more new hosts than certificates can be made for; let it try again later";
        return Err((Refusal::new(Code::GroupLimit, why), sni));
    };
    sleep(wait).await;
    let config = connection.door.ca.server_config(&authority.host).map_err(|error| {
        tracing::error!(%error, "Leaf certificate could not be made");
        (Refusal::new(Code::Unsupported, "no certificate can be made for this host"), sni.clone())
    })?;
    let config = tls::fitting(config, &hello.client_hello());
    let tls = timeout(time, hello.into_stream(config)).await.map_err(too_slow)?;
    let tls = tls.map_err(|error| {
        let failed = Refusal::new(Code::NotTls, "the TLS handshake failed; does the program trust the door's CA?");
        (beginning::no_handshake(&error, failed), sni.clone())
    })?;
    Ok((tls, sni))
}

pub(crate) fn http(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .half_close(true);
    builder
}

fn h2(connection: &Connection, streams: Streams) -> http2::Builder<Streams> {
    let limits = *connection.limits();
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        // A client that breaks the rules this often means it.
        .max_local_error_reset_streams(limits.streams as usize)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        // How much may be buffered here for upstreams that do not read, per connection.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(64 << 10)
        .keep_alive_interval(limits.head_time)
        .keep_alive_timeout(limits.handshake_time);
    builder
}

/// hyper itself answers what it cannot parse; this makes the log mention it.
fn note_unreadable(connection: &Connection, served: hyper::Result<()>, protocol: Protocol) {
    let Err(error) = served else { return };
    let refusal = if error.is_parse_too_large() {
        Some(Refusal::new(Code::TooLarge, "the request's head is too large"))
    } else if error.is_parse() {
        Some(Refusal::new(Code::Framing, "the bytes are not well-formed HTTP"))
    } else if error.is_incomplete_message() {
        Some(half_a_head())
    } else if error.is_timeout() && !connection.recorded.load(Ordering::Relaxed) {
        Some(Refusal::new(Code::Timeout, "the request's head did not arrive in time"))
    } else {
        // Most often the client went away, an answer was cut (which its own record says), or a
        // kept-alive connection idled for too long: that is not a refusal.
        frames::ended_for(&error)
    };
    note(connection, protocol, refusal);
}

fn note(connection: &Connection, protocol: Protocol, refusal: Option<Refusal>) {
    if let Some(refusal) = refusal {
        connection.recorded.store(true, Ordering::Relaxed);
        connection.unread(protocol).refuse(refusal);
    }
}

fn half_a_head() -> Refusal {
    Refusal::new(Code::Framing, "the connection ended in the middle of a request's head")
}
