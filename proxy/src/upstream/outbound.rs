//! A request that is ready to go, and the two ways to write it: the authority goes
//! where the protocol wants it, and into one place only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use policies::{Code, Facts, Refusal};

use super::Unanswered;
use crate::body::{Cut, Outgoing, Spare};
use crate::streams::Turn;
use crate::tally::Tally;

/// Headers, target and body; method and authority come from what was judged, and so
/// does the target, but for a secret that was put on. No `Debug`: it may hold one.
pub(crate) struct Outbound {
    headers: HeaderMap,
    target: PathAndQuery,
    body: Outgoing,
}

impl Outbound {
    /// `Host` is a place among the headers that is still empty.
    pub(crate) fn new(headers: HeaderMap, target: PathAndQuery, body: Outgoing) -> Self {
        Outbound { headers, target, body }
    }

    /// Origin form, and `Host` (RFC 9112 §3.2).
    pub(super) fn into_http1(mut self, facts: &Facts) -> Result<http::Request<Carried>, Unanswered> {
        let uri = Uri::from(self.target.clone());
        let host = HeaderValue::try_from(facts.authority.host_header(facts.scheme)).map_err(|_| unwritable())?;
        self.headers.insert(HOST, host);
        if self.body.size_hint().exact().is_none() {
            // Left unsaid, hyper drops the body of a GET.
            self.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        self.written(facts, uri, Version::HTTP_11, None)
    }

    /// `:authority` and no `Host` (RFC 9113 §8.3.1). `te` is what gRPC servers look for.
    pub(super) fn into_http2(mut self, facts: &Facts, turn: Turn) -> Result<http::Request<Carried>, Unanswered> {
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
    pub(super) fn recover(unsent: http::Request<Carried>) -> Self {
        let (mut head, body) = unsent.into_parts();
        head.headers.insert(HOST, HeaderValue::from_static(""));
        head.headers.remove(TE);
        head.headers.remove(TRANSFER_ENCODING);
        let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Outbound { headers: head.headers, target, body: body.body }
    }

    /// The same once more, where its body is all there.
    pub(super) fn again(&self) -> Option<Again> {
        Some(Again { headers: self.headers.clone(), target: self.target.clone(), body: self.body.spare()? })
    }

    fn written(
        self,
        facts: &Facts,
        uri: Uri,
        version: Version,
        turn: Option<Turn>,
    ) -> Result<http::Request<Carried>, Unanswered> {
        let mut request = http::Request::new(Carried { body: self.body, turn });
        *request.method_mut() = http::Method::from_bytes(facts.method.as_str().as_bytes()).map_err(|_| unwritable())?;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = self.headers;
        Ok(request)
    }
}

/// What may have to be sent once more. No `Debug`: it may hold a secret.
pub(super) struct Again {
    headers: HeaderMap,
    target: PathAndQuery,
    body: Spare,
}

impl Again {
    pub(super) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// Whether all of it was looked into that has to be.
    pub(super) fn is_checked(&self, first: &Tally) -> bool {
        self.body.is_checked(first)
    }

    pub(super) fn outbound(self, tally: &Arc<Tally>) -> Outbound {
        Outbound { headers: self.headers, target: self.target, body: self.body.outgoing(tally.clone()) }
    }
}

/// A body on a connection.
pub(super) struct Carried {
    body: Outgoing,
    /// Where the connection has others.
    turn: Option<Turn>,
}

impl Body for Carried {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
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

fn unwritable() -> Unanswered {
    Unanswered::Refused(Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged"))
}
