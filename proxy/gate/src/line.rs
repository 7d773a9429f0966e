//! The protocol on a connection to an upstream, and a request's turn on it. Nothing is written
//! without the proof that the request is allowed and stored, nor to a connection that leads
//! anywhere else. A pool keeps connections as [`Line`]s: there is no other way to write to them.

use std::any::Any;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::{CheckedAddress, Code, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::driver::{Arriving, Driver, drive};
use crate::exit::{Destination, Exit};
use crate::gate::Gate;
use crate::hold::Hold;
use crate::limits::STREAM_WINDOW;
use crate::outbound::{Carried, Outbound};
use crate::record::Audited;
use crate::streams::{Leash, Streams, Wait};

/// How much of one connection is buffered when its reader is slow.
const BUFFER: usize = 64 << 10;

/// At most this many requests at a time on one HTTP/2 connection; its window has room for all of
/// theirs.
const STREAMS: usize = 8;

/// The most header fields in an answer.
const ANSWER_HEADERS: usize = 256;

/// A connection to an upstream.
pub enum Line<B> {
    /// HTTP/1.1: one request at a time.
    Single(Single<B>),
    /// HTTP/2: streams of many requests.
    Shared(Shared<B>),
}

/// A connection of HTTP/1.1.
pub struct Single<B> {
    sender: http1::SendRequest<Carried<B>>,
    /// Bytes received over it.
    read: Arc<AtomicU64>,
    /// Whether the host may have left part of a body unread on it.
    spent: Arc<AtomicBool>,
    destination: Destination,
    address: CheckedAddress,
    driver: Arc<Driver>,
}

/// A connection of HTTP/2.
pub struct Shared<B> {
    sender: http2::SendRequest<Carried<B>>,
    streams: Streams,
    /// How many concurrent streams the host takes, as far as it has said so.
    most: Arc<dyn Fn() -> usize + Send + Sync>,
    destination: Destination,
    address: CheckedAddress,
    driver: Arc<Driver>,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Shared {
            sender: self.sender.clone(),
            streams: self.streams.clone(),
            most: self.most.clone(),
            destination: self.destination.clone(),
            address: self.address,
            driver: self.driver.clone(),
        }
    }
}

/// How one request is sent.
pub enum Over<'l, B> {
    /// Over the whole connection.
    Alone(&'l mut Single<B>),
    /// Over a stream. The place it takes is kept until the request has ended completely; the last
    /// part says since when the host has taken nothing of the body.
    Among(&'l mut Shared<B>, Box<dyn Any + Send + Sync>, Arc<Wait>),
}

/// Why a request got no answer.
pub enum Unanswered<B> {
    /// Not a byte was written: it can be sent elsewhere.
    Unsent(Box<Outbound<B>>),
    /// The host said that it did not process it.
    NotDone,
    /// The connection ended before a byte of the answer.
    Ended,
    /// It may have reached the host.
    Broken,
    /// The head of the answer cannot be read.
    Unreadable,
    /// It was not sent, or the answer is no longer awaited.
    Refused(Refusal),
}

type Answer<B> = Result<http::Response<Arriving>, Unanswered<B>>;

impl<B> Single<B> {
    /// The address that was dialled.
    pub fn address(&self) -> CheckedAddress {
        self.address
    }

    /// Whether it has ended, or takes no further request.
    pub fn is_closed(&self) -> bool {
        self.driver.look();
        self.spent.load(Ordering::Acquire) || self.sender.is_closed()
    }

    /// Whether it takes a request; waits until that is known.
    pub async fn is_ready(&mut self) -> bool {
        let Single { sender, driver, .. } = self;
        poll_fn(|cx| driver.poll(cx, |cx| sender.poll_ready(cx))).await.is_ok()
    }
}

impl<B> Drop for Single<B> {
    fn drop(&mut self) {
        self.driver.is_left();
    }
}

impl<B> Shared<B> {
    /// The address that was dialled.
    pub fn address(&self) -> CheckedAddress {
        self.address
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it takes a request; waits until that is known.
    pub async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// How many concurrent requests it takes.
    pub fn most(&self) -> usize {
        STREAMS.min((self.most)())
    }
}

impl<B> Over<'_, B> {
    fn leads_to(&self) -> (&Destination, SocketAddr) {
        match self {
            Over::Alone(single) => (&single.destination, single.address.get()),
            Over::Among(shared, ..) => (&shared.destination, shared.address.get()),
        }
    }
}

/// Sends a request over a connection and waits for the head of its answer.
pub async fn exchange<B>(gate: &Gate, audited: &Audited, over: Over<'_, B>, outbound: Outbound<B>) -> Answer<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (destination, address) = over.leads_to();
    let fits = *destination == Destination::of(audited.permit()) && outbound.head().is_for(audited.shared_permit());
    if !fits {
        let why = "the request would go where it was not judged to go";
        return Err(Unanswered::Refused(Refusal::new(Code::AuthorityMismatch, why)));
    }
    still_allowed(gate, audited, address).map_err(Unanswered::Refused)?;
    let too_late = || Unanswered::Refused(Refusal::new(Code::Timeout, "the host did not answer in time"));
    let sending = timeout(gate.limits().answer_time, written(audited, over, address, outbound));
    tokio::select! {
        // First: a request that was already cut is not started.
        biased;
        // A leak in the body, or a tightened policy; the reason is in the tally.
        () = audited.tally().until_cut() => Err(Unanswered::Broken),
        answer = sending => answer.map_err(|_| too_late())?,
    }
}

/// Checks a permit again when it is used: the policy may have been tightened since it was given. No
/// group's policy applies to the gateway's own requests.
fn still_allowed(gate: &Gate, audited: &Audited, address: SocketAddr) -> Result<(), Refusal> {
    if audited.is_own() {
        return audited.permit().check_address(address).map(drop);
    }
    gate.upholds(audited.permit(), address)
}

async fn written<B>(audited: &Audited, over: Over<'_, B>, address: SocketAddr, outbound: Outbound<B>) -> Answer<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let unsent = |request| Unanswered::Unsent(Box::new(Outbound::recover(request)));
    let tally = audited.tally();
    match over {
        Over::Alone(Single { sender, read, spent, driver, .. }) => {
            tally.goes_over(Hold::Connection(driver.clone()), address);
            let before = read.load(Ordering::Acquire);
            let bodiless = outbound.body().is_end_stream();
            let request = outbound.into_http1(tally, spent).map_err(Unanswered::Refused)?;
            if request.body().size_hint().upper().is_none_or(|length| length > BUFFER as u64) {
                driver.goes_by_itself();
            }
            let mut sent = pin!(sender.try_send_request(request));
            let sent = poll_fn(|cx| driver.poll(cx, |cx| sent.as_mut().poll(cx))).await;
            if !tally.is_sent() {
                // The rest of the body must not wait for whoever reads the answer.
                driver.goes_by_itself();
            }
            let mut answer = sent.map_err(|mut error| match error.take_message() {
                Some(request) => unsent(request),
                None if error.error().is_parse() => Unanswered::Unreadable,
                None => lost_alone(read.load(Ordering::Acquire) == before),
            })?;
            without_second_length(answer.headers_mut());
            let status = answer.status();
            if !bodiless && (!tally.is_sent() || status.is_client_error() || status.is_server_error()) {
                // The host may have answered without reading the body.
                spent.store(true, Ordering::Release);
            }
            Ok(Arriving::of(answer, driver))
        }
        Over::Among(shared, place, wait) => {
            let (leash, driver) = (Leash::default(), shared.driver.clone());
            let hold = Hold::Stream { leash: leash.clone(), _place: place, _driver: driver };
            tally.goes_over(hold, address);
            let turn = shared.streams.turn(shared.driver.task(), leash, wait);
            let request = outbound.into_http2(tally, turn).map_err(Unanswered::Refused)?;
            let sent = shared.sender.try_send_request(request).await;
            let answer = sent.map_err(|mut error| match error.take_message() {
                Some(request) => unsent(request),
                None => lost_among_others(error.error()),
            })?;
            Ok(Arriving::of(answer, &shared.driver))
        }
    }
}

/// How HTTP/1.1 answers are parsed. Folded lines are joined, and blanks before a colon removed, as
/// a proxy has to do (RFC 9112 §5.1, §5.2).
pub(crate) fn answers() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(ANSWER_HEADERS)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    builder
}

/// Chunks decide where an answer ends, whatever its `Content-Length` says (RFC 9112 §6.3).
fn without_second_length(headers: &mut HeaderMap) {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|codings| codings.rsplit(',').next());
    if last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked")) {
        headers.remove(CONTENT_LENGTH);
    }
}

/// What the end of a connection with a single request means. `nothing_came`: not a byte arrived.
fn lost_alone<B>(nothing_came: bool) -> Unanswered<B> {
    if nothing_came { Unanswered::Ended } else { Unanswered::Broken }
}

/// What the end of a stream, or of its connection, means.
fn lost_among_others<B>(error: &hyper::Error) -> Unanswered<B> {
    let source = error.source();
    if source.is_some_and(|source| source.is::<io::Error>()) {
        return Unanswered::Ended;
    }
    match source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(error) if error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            Unanswered::NotDone
        }
        // The library reports this for streams above the last one that the host took.
        Some(error) if error.is_go_away() && error.is_remote() => Unanswered::NotDone,
        // Ended on this side, because of what arrived.
        Some(error) if error.is_library() => Unanswered::Unreadable,
        _ => Unanswered::Broken,
    }
}

/// Makes an exit into a line of the protocol that was negotiated.
pub async fn speak<B>(exit: Exit) -> Result<Line<B>, Refusal>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if exit.is_http2() { http2(exit).await.map(Line::Shared) } else { http1(exit).await.map(Line::Single) }
}

async fn http1<B>(exit: Exit) -> Result<Single<B>, Refusal>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stream, destination, address) = exit.into_parts();
    let read = Arc::<AtomicU64>::default();
    let stream = Counted { stream, read: read.clone() };
    let (sender, connection) =
        answers().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    let spent = Arc::default();
    Ok(Single { sender, read, spent, destination, address, driver: Driver::here(connection) })
}

async fn http2<B>(exit: Exit) -> Result<Shared<B>, Refusal>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stream, destination, address) = exit.into_parts();
    let streams = Streams::default();
    let (sender, connection): (http2::SendRequest<Carried<B>>, _) = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        // As at the door: how much may wait here for a client that does not read. The connection's window has room for
        // as many streams as are let onto it, so that no stream waits for another's reader.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * u32::try_from(STREAMS).unwrap_or(1))
        // Until the host has said how many it takes.
        .initial_max_send_streams(1)
        .max_send_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| broken_off())?;
    // Only the connection knows the host's current setting.
    let driven = Driven(Arc::new(Mutex::new(Some(connection))));
    let (asked, last) = (driven.0.clone(), AtomicUsize::new(1));
    let most = move || {
        // While the connection is being polled, the last known value.
        if let Ok(connection) = asked.try_lock() {
            last.store(connection.as_ref().map_or(0, |one| one.current_max_send_streams()), Ordering::Relaxed);
        }
        last.load(Ordering::Relaxed)
    };
    Ok(Shared { sender, streams, most: Arc::new(most), destination, address, driver: drive(driven) })
}

/// A connection that is driven here and inspected elsewhere. When it ends it is dropped at once,
/// even if others still hold it, so that everything waiting in it is answered.
struct Driven<C>(Arc<Mutex<Option<C>>>);

impl<C: Future<Output = hyper::Result<()>> + Unpin> Future for Driven<C> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let mut driven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        driven.as_mut().map_or(Poll::Ready(Ok(())), |connection| Pin::new(connection).poll(cx))
    }
}

impl<C> Drop for Driven<C> {
    fn drop(&mut self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    }
}

/// Counts what is read: tells an answer that never began from one that broke off.
struct Counted<S> {
    stream: S,
    read: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::AcqRel);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A connection ended, and it is unknown what became of its request.
pub fn broken_off() -> Refusal {
    let why = "the host broke the connection off before it answered; the request may have been carried out";
    Refusal::new(Code::UpstreamFailed, why)
}

/// The head of an answer cannot be parsed as HTTP.
pub fn unreadable() -> Refusal {
    let why = format!(
        "the head of the host's answer cannot be read: it is not well-formed, its lengths contradict each other, it is longer than {} KiB, or it has more \
         than {ANSWER_HEADERS} headers; the request may have been carried out",
        BUFFER >> 10
    );
    Refusal::new(Code::UpstreamUnreadable, why)
}
