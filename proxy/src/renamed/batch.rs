//! Requests in the parts of a body, as OData, Google and Azure batch them: a part declared as
//! `application/http` (RFC 9112 §10.2) has its own method and path, which no rule judges. It counts
//! as a field that asks for another method. Google's libraries repeat the request's own
//! Authorization in each part.

use super::IsOne;

#[derive(Default)]
pub(super) struct Batch {
    /// The line so far, in lower case and without blanks, as long as it may be such a header.
    line: Vec<u8>,
    other: bool,
    /// A line break that a blank may undo.
    ended: bool,
    /// Whether a part was a request, and whether it had an Authorization line.
    requests: bool,
    pub(super) authorization: bool,
}

const HEADER: &[u8] = b"content-type:";
const AUTHORIZATION: &[u8] = b"authorization:";
/// `application/http`, `message/http`.
const TYPE: &[u8] = b"/http";
/// Longer lines are not such headers.
const LONGEST: usize = 256;

impl Batch {
    /// Where it becomes known that a part is a request.
    pub(super) fn finds(&mut self, bytes: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        let found = |byte: &u8| self.next(*byte) && is_one("_method");
        let at = bytes.iter().position(found)?;
        Some(at + 1)
    }

    fn next(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' => self.ended = true,
            b' ' | b'\t' | b'\r' | b'"' => self.ended &= byte == b'\r',
            _ => {
                if std::mem::take(&mut self.ended) {
                    (self.line, self.other) = (Vec::new(), false);
                }
                self.take(byte.to_ascii_lowercase());
            }
        }
        let is = !self.other && self.line.starts_with(HEADER) && self.line.ends_with(TYPE);
        self.requests |= is;
        is
    }

    fn take(&mut self, byte: u8) {
        if self.other {
            return;
        }
        self.line.push(byte);
        self.authorization |= self.requests && self.line == AUTHORIZATION;
        let is = |header: &[u8]| self.line.iter().zip(header).all(|(a, b)| a == b);
        self.other = !(is(HEADER) || is(AUTHORIZATION)) || self.line.len() > LONGEST;
    }
}
