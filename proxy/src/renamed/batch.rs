//! Requests in the parts of a body, as OData, Google and Azure take them in one: a part that
//! says that it is `application/http` (RFC 9112 §10.2) has a method and a path of its own, which
//! no rule judges. It counts as a field that asks for another method.

use super::IsOne;

#[derive(Default)]
pub(super) struct Batch {
    /// The line so far, in small letters and without blanks, as long as it may be a header
    /// that says so.
    line: Vec<u8>,
    other: bool,
    /// A line break that a blank may undo.
    ended: bool,
}

const HEADER: &[u8] = b"content-type:";
/// `application/http`, `message/http`.
const TYPE: &[u8] = b"/http";
/// A line that is longer is none.
const LONGEST: usize = 256;

impl Batch {
    /// Where it is known that a part is a request.
    pub(super) fn finds(&mut self, bytes: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        let at = bytes.iter().position(|byte| self.next(*byte))?;
        is_one("_method").then_some(at + 1)
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
        !self.other && self.line.starts_with(HEADER) && self.line.ends_with(TYPE)
    }

    fn take(&mut self, byte: u8) {
        if self.other {
            return;
        }
        self.line.push(byte);
        let common = self.line.len().min(HEADER.len());
        self.other = self.line[..common] != HEADER[..common] || self.line.len() > LONGEST;
    }
}
