//! A request that is ready to go, and the two ways to write it: the authority goes where the
//! protocol wants it, and nowhere else.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use policies::{Code, Facts, Permit, Refusal};

use crate::check::Clean;
use crate::streams::Turn;
use crate::swap;
use crate::tally::Tally;
use crate::unread::{self, Seen};

/// This is the last request on its connection.
const CLOSE: HeaderValue = HeaderValue::from_static("close");

const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// The head of a stored request: made with its record, and valid for that permit only. Method,
/// authority and target come from what was judged, except for a secret that was put on. No `Debug`:
/// it may hold one.
#[derive(Clone)]
pub struct OutboundHead {
    permit: Arc<Permit>,
    headers: HeaderMap,
    target: PathAndQuery,
    /// The only body that may be sent with it, if a rule looked into the body.
    judged: Option<Bytes>,
}

/// A head with its body.
pub struct Outbound<B> {
    head: OutboundHead,
    body: B,
}

impl OutboundHead {
    pub(crate) fn new(permit: &Arc<Permit>, clean: Clean, judged: Option<Bytes>) -> Self {
        OutboundHead { permit: permit.clone(), headers: clean.headers, target: clean.target, judged }
    }

    /// For the one request that the gateway makes itself: to a token endpoint.
    pub(crate) fn own(permit: &Arc<Permit>, content_type: &'static str) -> Result<Self, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(""));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(OutboundHead { permit: permit.clone(), headers, target: swap::target(permit.facts(), None)?, judged: None })
    }

    /// The headers that go out.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Adds a body.
    pub fn with<B>(self, body: B) -> Outbound<B> {
        Outbound { head: self, body }
    }

    /// Adds the request for a WebSocket. Hop-by-hop headers were removed; these two belong to this
    /// hop. Extensions are not negotiated: compressed messages cannot be read.
    pub(crate) fn upgrading<B>(mut self, body: B) -> Outbound<B> {
        self.headers.remove(EXTENSIONS);
        self.headers.remove(CONTENT_LENGTH);
        self.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        self.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        self.with(body)
    }

    pub(crate) fn is_for(&self, permit: &Arc<Permit>) -> bool {
        Arc::ptr_eq(&self.permit, permit)
    }
}

impl<B> Outbound<B> {
    /// The same head with another body, if there is one.
    pub fn again<C>(&self, body: impl FnOnce(&B) -> Option<C>) -> Option<Outbound<C>> {
        Some(Outbound { body: body(&self.body)?, head: self.head.clone() })
    }

    /// The same head with its body mapped.
    pub fn with_body<C>(self, body: impl FnOnce(B) -> C) -> Outbound<C> {
        Outbound { head: self.head, body: body(self.body) }
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    pub(crate) fn head(&self) -> &OutboundHead {
        &self.head
    }

    /// `:authority` and no `Host` (RFC 9113 §8.3.1). `te` is what gRPC servers look for.
    pub(crate) fn into_http2(mut self, tally: &Arc<Tally>, turn: Turn) -> Result<http::Request<Carried<B>>, Refusal> {
        let facts = self.head.permit.facts();
        let uri = Uri::builder()
            .scheme(facts.scheme.as_str())
            .authority(facts.authority.host_header(facts.scheme))
            .path_and_query(self.head.target.clone())
            .build()
            .map_err(|_| unwritable())?;
        self.head.headers.remove(HOST);
        self.head.headers.insert(TE, HeaderValue::from_static("trailers"));
        self.written(tally, uri, Version::HTTP_2, (Some(turn), None))
    }

    /// Takes back a request of which the connection wrote nothing.
    pub(crate) fn recover(unsent: http::Request<Carried<B>>) -> Self {
        let (mut head, Carried { body, permit, judged, .. }) = unsent.into_parts();
        head.headers.insert(HOST, HeaderValue::from_static(""));
        head.headers.remove(TE);
        head.headers.remove(TRANSFER_ENCODING);
        if head.headers.get(CONNECTION).is_some_and(|value| value == CLOSE) {
            head.headers.remove(CONNECTION);
        }
        let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Outbound { head: OutboundHead { permit, headers: head.headers, target, judged: judged.body }, body }
    }

    fn written(
        self,
        tally: &Arc<Tally>,
        uri: Uri,
        version: Version,
        (turn, alone): (Option<Turn>, Option<Alone>),
    ) -> Result<http::Request<Carried<B>>, Refusal> {
        let Outbound { head: OutboundHead { permit, headers, judged, .. }, body } = self;
        let judged = AsJudged { body: judged, sent: 0 };
        let method = method(permit.facts())?;
        let mut request = http::Request::new(Carried { body, permit, tally: tally.clone(), turn, alone, judged });
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl<B: Body> Outbound<B> {
    /// Origin form, and `Host` (RFC 9112 §3.2). `spent` is set if the connection can serve no further request.
    pub(crate) fn into_http1(
        mut self,
        tally: &Arc<Tally>,
        spent: &Arc<AtomicBool>,
    ) -> Result<http::Request<Carried<B>>, Refusal> {
        let facts = self.head.permit.facts();
        let uri = Uri::from(self.head.target.clone());
        let host = HeaderValue::try_from(facts.authority.host_header(facts.scheme)).map_err(|_| unwritable())?;
        self.head.headers.insert(HOST, host);
        if self.body.size_hint().exact().is_none() {
            // Without it, hyper drops the body of a GET.
            self.head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let alone = (!self.body.is_end_stream()).then(|| Alone { spent: spent.clone(), seen: Seen::default() });
        if alone.is_some() && unread::ends_behind(&facts.method, self.head.judged.as_ref()) {
            self.head.headers.insert(CONNECTION, CLOSE);
            spent.store(true, Ordering::Release);
        }
        self.written(tally, uri, Version::HTTP_11, (None, alone))
    }
}

fn method(facts: &Facts) -> Result<http::Method, Refusal> {
    http::Method::from_bytes(facts.method.as_str().as_bytes()).map_err(|_| unwritable())
}

/// A body on a connection: it stops once its request is cut.
pub(crate) struct Carried<B> {
    body: B,
    permit: Arc<Permit>,
    tally: Arc<Tally>,
    /// On a shared connection.
    turn: Option<Turn>,
    /// On a connection of its own.
    alone: Option<Alone>,
    judged: AsJudged,
}

/// What passes on an HTTP/1.1 connection, and whether it could take another request afterwards.
struct Alone {
    spent: Arc<AtomicBool>,
    seen: Seen,
}

impl Alone {
    fn goes_by(&mut self, data: &[u8]) {
        if self.seen.goes_by(data) {
            self.spent.store(true, Ordering::Release);
        }
    }
}

/// A body that was judged, and how much of it was sent: no other bytes go in its place.
struct AsJudged {
    /// Nothing if no rule looks into it.
    body: Option<Bytes>,
    sent: usize,
}

impl AsJudged {
    /// Whether these are its next bytes.
    fn goes_on(&mut self, data: &[u8]) -> bool {
        let Some(body) = &self.body else { return true };
        let is_next = body[self.sent..].starts_with(data);
        self.sent += if is_next { data.len() } else { 0 };
        is_next
    }

    /// Whether all of it was sent.
    fn is_over(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.len() == self.sent)
    }
}

impl<B> Body for Carried<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.turn.iter().for_each(Turn::asked);
        let frame = Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into);
        // Trailers would be headers that were not judged.
        let as_judged = match &frame {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().is_some_and(|data| self.judged.goes_on(data)),
            Poll::Ready(None) => self.judged.is_over(),
            _ => true,
        };
        if !as_judged {
            return Poll::Ready(Some(Err("not the body that was judged".into())));
        }
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            if self.tally.is_cut() {
                return Poll::Ready(Some(Err("cut by the door".into())));
            }
            if let (Some(alone), Poll::Ready(Some(Ok(frame)))) = (&mut self.alone, &frame) {
                frame.data_ref().into_iter().for_each(|data| alone.goes_by(data));
            }
            if !self.body.is_end_stream() {
                self.turn.iter().for_each(Turn::handed);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.turn.iter().for_each(Turn::comes);
        self.body.is_end_stream() && self.judged.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn unwritable() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_body_goes_out_than_was_judged() {
        let judged = |body: &'static str| AsJudged { body: Some(Bytes::from_static(body.as_bytes())), sent: 0 };
        let mut whole = judged("{\"a\":1}");
        assert!(whole.goes_on(b"{\"a\"") && !whole.is_over() && whole.goes_on(b":1}") && whole.is_over());
        assert!(!whole.goes_on(b" "), "more than was judged");
        assert!(!judged("{\"a\":1}").goes_on(b"{\"a\":2}"));
        assert!(judged("").is_over() && !judged("").goes_on(b"x"));
        let mut unread = AsJudged { body: None, sent: 0 };
        assert!(unread.goes_on(b"anything") && unread.is_over(), "no rule looks into it");
    }
}
