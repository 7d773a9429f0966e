//! A body that its host may leave unread: an HTTP/1.1 connection that is used again brings what is left of it as the
//! next request, and has the head behind it, with its secret, read as a part of that one.

use bytes::Bytes;
use policies::Method;

/// Stands in the line of every request of HTTP/1.1.
const VERSION: &[u8] = b"HTTP/";

/// Whether the host is asked to end the connection behind this body, before it sees any of it: many
/// hosts read none behind such a method, and what is known to hold a request goes nowhere else.
pub(crate) fn ends_behind(method: &Method, known: Option<&Bytes>) -> bool {
    matches!(
        method,
        Method::Get | Method::Head | Method::Options | Method::Delete | Method::Unlock | Method::Purge | Method::List
    ) || known.is_some_and(|body| Seen::default().goes_by(body))
}

/// The end of what went by of a body.
#[derive(Default)]
pub(crate) struct Seen {
    end: Vec<u8>,
}

impl Seen {
    /// Whether a request may stand in what went by with this piece.
    pub(crate) fn goes_by(&mut self, piece: &[u8]) -> bool {
        let longest = VERSION.len() - 1;
        let border = piece.len().min(longest);
        self.end.extend_from_slice(&piece[..border]);
        let found = holds(&self.end) || holds(piece);
        self.end.extend_from_slice(&piece[border..][(piece.len() - border).saturating_sub(longest)..]);
        self.end.drain(..self.end.len().saturating_sub(longest));
        found
    }
}

fn holds(text: &[u8]) -> bool {
    memchr::memmem::find(text, VERSION).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_seen_wherever_a_body_is_cut() {
        let body = b"a=1&b=DELETE /x HTTP/1.1\r\nX: ";
        for size in 1..=body.len() {
            let mut seen = Seen::default();
            assert!(body.chunks(size).any(|piece| seen.goes_by(piece)), "{size}");
        }
        let mut seen = Seen::default();
        assert!(!b"HTTP HTT /P/ http:/".chunks(3).any(|piece| seen.goes_by(piece)));
    }
}
