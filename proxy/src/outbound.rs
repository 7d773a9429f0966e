//! A request that is ready to go, and the two ways to write it: the authority goes
//! where the protocol wants it, and into one place only.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use policies::{Code, Facts, Refusal};

use crate::streams::Turn;

/// Headers, target and body; method and authority come from what was judged, and so
/// does the target, but for a secret that was put on. No `Debug`: it may hold one.
pub(crate) struct Outbound<B> {
    headers: HeaderMap,
    target: PathAndQuery,
    body: B,
}

impl<B> Outbound<B> {
    /// `Host` is a place among the headers that is still empty.
    pub(crate) fn new(headers: HeaderMap, target: PathAndQuery, body: B) -> Self {
        Outbound { headers, target, body }
    }

    /// The same head with another body, where there is one.
    pub(crate) fn again<C>(&self, body: impl FnOnce(&B) -> Option<C>) -> Option<Outbound<C>> {
        Some(Outbound { headers: self.headers.clone(), target: self.target.clone(), body: body(&self.body)? })
    }

    pub(crate) fn with_body<C>(self, body: impl FnOnce(B) -> C) -> Outbound<C> {
        Outbound { headers: self.headers, target: self.target, body: body(self.body) }
    }

    pub(crate) fn body(&self) -> &B {
        &self.body
    }

    /// `:authority` and no `Host` (RFC 9113 §8.3.1). `te` is what gRPC servers look for.
    pub(crate) fn into_http2(mut self, facts: &Facts, turn: Turn) -> Result<http::Request<Carried<B>>, Refusal> {
        let uri = Uri::builder()
            .scheme(facts.scheme.as_str())
            .authority(facts.authority.host_header(facts.scheme))
            .path_and_query(self.target.clone())
            .build()
            .map_err(|_| unwritable())?;
        self.headers.remove(HOST);
        self.headers.insert(TE, HeaderValue::from_static("trailers"));
        self.written(facts, uri, Version::HTTP_2, Some(turn))
    }

    /// Back from a connection that wrote nothing of it.
    pub(crate) fn recover(unsent: http::Request<Carried<B>>) -> Self {
        let (mut head, body) = unsent.into_parts();
        head.headers.insert(HOST, HeaderValue::from_static(""));
        head.headers.remove(TE);
        head.headers.remove(TRANSFER_ENCODING);
        let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Outbound { headers: head.headers, target, body: body.body }
    }

    fn written(
        self,
        facts: &Facts,
        uri: Uri,
        version: Version,
        turn: Option<Turn>,
    ) -> Result<http::Request<Carried<B>>, Refusal> {
        let mut request = http::Request::new(Carried { body: self.body, turn });
        *request.method_mut() = http::Method::from_bytes(facts.method.as_str().as_bytes()).map_err(|_| unwritable())?;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = self.headers;
        Ok(request)
    }
}

impl<B: Body> Outbound<B> {
    /// Origin form, and `Host` (RFC 9112 §3.2).
    pub(crate) fn into_http1(mut self, facts: &Facts) -> Result<http::Request<Carried<B>>, Refusal> {
        let uri = Uri::from(self.target.clone());
        let host = HeaderValue::try_from(facts.authority.host_header(facts.scheme)).map_err(|_| unwritable())?;
        self.headers.insert(HOST, host);
        if self.body.size_hint().exact().is_none() {
            // Left unsaid, hyper drops the body of a GET.
            self.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        self.written(facts, uri, Version::HTTP_11, None)
    }
}

/// A body on a connection.
pub(crate) struct Carried<B> {
    body: B,
    /// Where the connection has others.
    turn: Option<Turn>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Carried<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.turn.iter().for_each(Turn::asked);
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) && !self.body.is_end_stream() {
            self.turn.iter().for_each(Turn::handed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.turn.iter().for_each(Turn::comes);
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn unwritable() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}
