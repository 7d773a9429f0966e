//! What a host answers: how it is parsed, and what it means that no answer came. What it is not: a
//! connection. Nothing is written here, and nothing is sent again.

use std::error::Error;
use std::io;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::client::conn::http1;
use policies::{Code, Refusal};

use crate::outbound::Outbound;

/// How much of one connection is buffered when its reader is slow.
pub(crate) const BUFFER: usize = 64 << 10;

/// The most header fields in an answer.
const ANSWER_HEADERS: usize = 256;

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
pub(crate) fn without_second_length(headers: &mut HeaderMap) {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|codings| codings.rsplit(',').next());
    if last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked")) {
        headers.remove(CONTENT_LENGTH);
    }
}

/// What the end of a connection with a single request means. `nothing_came`: not a byte arrived.
pub(crate) fn lost_alone<B>(nothing_came: bool) -> Unanswered<B> {
    if nothing_came { Unanswered::Ended } else { Unanswered::Broken }
}

/// What the end of a stream, or of its connection, means.
pub(crate) fn lost_among_others<B>(error: &hyper::Error) -> Unanswered<B> {
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
