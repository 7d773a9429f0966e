//! Requests in the parts of a body, as OData, Google and Azure take them in one: a part that
//! says that it is `application/http` (RFC 9112 §10.2) has a method and a path of its own, which
//! no rule judges. It counts as a field that asks for another method. Libraries of Google's repeat the
//! request's own Authorization in each part.

use super::IsOne;

#[derive(Default)]
pub(super) struct Batch {
    /// The line so far, in small letters and without blanks, as long as it may be a header
    /// that says so.
    line: Vec<u8>,
    other: bool,
    /// A line break that a blank may undo.
    ended: bool,
    /// Whether a part was a request, and a line behind that Authorization.
    requests: bool,
    pub(super) authorization: bool,
}

const HEADER: &[u8] = b"content-type:";
const AUTHORIZATION: &[u8] = b"authorization:";
/// `application/http`, `message/http`.
const TYPE: &[u8] = b"/http";
/// A line that is longer is none.
const LONGEST: usize = 256;

impl Batch {
    /// Where it is known that a part is a request.
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
