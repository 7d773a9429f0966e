//! Places where a stream may be let go of because its own format ends something there.
//!
//! Elsewhere, a fixed number of last bytes is held back. Events and gRPC messages must not wait for
//! the next one, so they are let go when complete, whether or not they resemble a value (invariant
//! 16). A value written across such a border is found when it is complete, and then the stream
//! ends.

use std::ops::Range;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

/// The borders of one stream, read as it passes.
#[derive(Default)]
pub enum Borders {
    /// Only the end of the stream.
    #[default]
    End,
    /// The end of each piece, which is a complete message.
    Pieces,
    /// The ends of lines.
    Lines,
    /// The ends of lines of server-sent events.
    Events,
    /// The ends of messages with a length prefix.
    Messages(Messages),
}

/// Messages with their length in a header.
pub struct Messages {
    /// Length of the header, and where in it the four bytes of the message's length begin.
    head: usize,
    length_at: usize,
    /// Whether that length includes the header.
    counts_head: bool,
    begun: Vec<u8>,
    left: u64,
}

impl Borders {
    /// For a request's body. Its server may wait for a message before it answers, so messages have
    /// borders; on the way up, nobody waits for events or lines.
    pub fn going_up(headers: &HeaderMap) -> Self {
        messages(media_type(headers)).map_or(Borders::End, Borders::Messages)
    }

    /// For an answer's body.
    ///
    /// A value cannot continue past a line of events (WHATWG HTML, server-sent events) or of JSON
    /// (RFC 8259: no string contains a bare line break). Other text may be base64 in lines, and has
    /// no borders.
    pub fn coming_down(headers: &HeaderMap) -> Self {
        let media_type = media_type(headers);
        if let Some(messages) = messages(media_type) {
            return Borders::Messages(messages);
        }
        let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
        if is("text/event-stream") {
            return Borders::Events;
        }
        // Some APIs answer with a series of JSON texts and call it JSON.
        let json = is("application/json") || media_type.to_ascii_lowercase().ends_with(b"+json");
        let watched = json && !headers.contains_key(CONTENT_LENGTH);
        if watched || LINES.iter().any(|name| is(name)) { Borders::Lines } else { Borders::End }
    }

    /// Where in the next piece the last border is, after which something new begins.
    pub(super) fn last_in(&mut self, piece: &[u8]) -> Option<usize> {
        match self {
            Borders::End => None,
            Borders::Pieces => Some(piece.len()),
            Borders::Lines | Borders::Events => memchr::memrchr2(b'\n', b'\r', piece).map(|at| at + 1),
            Borders::Messages(messages) => messages.last_in(piece),
        }
    }
}

const LINES: [&str; 9] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/jsonlines",
    "application/x-jsonl",
    "application/x-jsonlines",
    "application/x-json-stream",
    "application/json-seq",
    "application/stream+json",
];

fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    value.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii()
}

fn messages(media_type: &[u8]) -> Option<Messages> {
    let begins = |name: &str| {
        let start = media_type.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    let of = |head, length_at, counts_head| Messages { head, length_at, counts_head, begun: Vec::new(), left: 0 };
    // gRPC over HTTP/2 ("Length-Prefixed-Message"), gRPC-Web in its binary form, and streams of the
    // Connect protocol: a byte of flags, then four of length.
    if (begins("application/grpc") && !begins("application/grpc-web-text")) || begins("application/connect+") {
        return Some(of(5, 1, false));
    }
    // AWS event streams: the total length, that of the headers, a checksum.
    begins("application/vnd.amazon.eventstream").then(|| of(4, 0, true))
}

impl Messages {
    /// The same for a stream of which nothing has been read yet.
    pub(super) fn anew(&self) -> Self {
        Messages { begun: Vec::new(), left: 0, ..*self }
    }

    fn last_in(&mut self, piece: &[u8]) -> Option<usize> {
        let mut last = None;
        self.walk(piece, &mut |said, ends| last = if ends { Some(said.end) } else { last });
        last
    }

    /// Visits the parts of a piece that are message contents, and says whether a message ends
    /// there.
    pub(super) fn walk(&mut self, piece: &[u8], visit: &mut dyn FnMut(Range<usize>, bool)) {
        let mut at = 0;
        while at < piece.len() {
            if self.left == 0 {
                self.begun.push(piece[at]);
                at += 1;
                let Some(length) = self.begun.get(self.length_at..self.head).filter(|_| self.begun.len() == self.head)
                else {
                    continue;
                };
                let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
                self.left = if self.counts_head { length.saturating_sub(self.head as u64) } else { length };
                self.begun.clear();
            }
            let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len() - at);
            self.left -= taken as u64;
            visit(at..at + taken, self.left == 0);
            at += taken;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_has_borders_and_what_has_none() {
        let down = |kind| Borders::coming_down(&headers(&[("content-type", kind)]));
        assert!(matches!(down("text/event-stream; charset=utf-8"), Borders::Events));
        assert!(matches!(down("Application/JSON"), Borders::Lines));
        for lines in ["application/x-jsonlines", "application/vnd.api+json", "application/graphql-response+JSON; a=b"] {
            assert!(matches!(down(lines), Borders::Lines), "{lines}");
        }
        assert!(matches!(down("multipart/mixed; boundary=a"), Borders::End));
        assert!(matches!(down("application/grpc+proto"), Borders::Messages(_)));
        assert!(matches!(down("application/grpc-web-text"), Borders::End));
        assert!(matches!(down("text/plain"), Borders::End));
        let sized = headers(&[("content-type", "application/json"), ("content-length", "2000")]);
        assert!(matches!(Borders::coming_down(&sized), Borders::End));
        let events = headers(&[("content-type", "text/event-stream")]);
        assert!(matches!(Borders::going_up(&events), Borders::End));
        assert!(matches!(Borders::coming_down(&HeaderMap::new()), Borders::End));
    }

    #[test]
    fn messages_end_where_they_say_however_they_are_cut() {
        let grpc = [&[0, 0, 0, 0, 3][..], b"abc", &[1, 0, 0, 0, 0], &[0, 0, 0, 1, 0], &[b'.'; 256], &[0, 0]].concat();
        let aws = [&[0, 0, 0, 16][..], &[b'.'; 12], &[0, 0, 0, 20], &[b'.'; 16], &[0]].concat();
        let cases =
            [("application/grpc", grpc, vec![8, 13, 274]), ("application/vnd.amazon.eventstream", aws, vec![16, 36])];
        for (kind, text, ends) in cases {
            for size in 1..=text.len() {
                let mut borders = Borders::coming_down(&headers(&[("content-type", kind)]));
                for (index, piece) in text.chunks(size).enumerate() {
                    let from = index * size;
                    let within = ends.iter().rev().find(|end| (from + 1..=from + piece.len()).contains(end));
                    assert_eq!(borders.last_in(piece).map(|at| from + at), within.copied(), "{kind}, {size}");
                }
            }
        }
    }
}
