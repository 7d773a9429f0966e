//! The protocol on a connection to an upstream, and a request's turn on it. Nothing is written
//! without the proof that the request is allowed and stored, nor to a connection that leads
//! anywhere else. A pool keeps connections as [`Line`]s: there is no other way to write to them.

use std::any::Any;
use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::{CheckedAddress, Code, Refusal};
use tokio::io::{join, split};
use tokio::time::timeout;

use crate::audited::Audited;
use crate::driver::{Arriving, Driver, drive_asked};
use crate::ends::Ends;
use crate::exit::{Destination, Exit};
use crate::gate::Gate;
use crate::hold::Hold;
use crate::limits::STREAM_WINDOW;
use crate::outbound::{Carried, Outbound};
use crate::streams::{Leash, Streams, Wait};
use crate::unanswered::{
    BUFFER, Unanswered, answers, broken_off, lost_alone, lost_among_others, without_second_length,
};

/// At most this many requests at a time on one HTTP/2 connection; its window has room for all of
/// theirs.
const STREAMS: usize = 8;

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

/// Checks a permit again when it is used: the connection may have been opened for another one, and
/// the policy may have been tightened since it was given. No group's policy applies to the gateway's
/// own requests.
fn still_allowed(gate: &Gate, audited: &Audited, address: SocketAddr) -> Result<(), Refusal> {
    if !audited.is_own() {
        gate.upholds(audited.permit(), address)?;
    }
    audited.permit().check_address(address).map(drop)
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
    let (reading, writing) = split(stream);
    let reading = Ends::of(reading);
    let (read, stream) = (reading.read(), join(reading, writing));
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
    let (driver, most) = drive_asked(connection, http2::Connection::current_max_send_streams);
    Ok(Shared { sender, streams, most, destination, address, driver })
}
