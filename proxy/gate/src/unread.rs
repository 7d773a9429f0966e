//! A body that its host may leave unread: on a reused HTTP/1.1 connection, the rest of it is parsed
//! as the next request, and the next real head, with its secret, as part of that one.

use bytes::Bytes;
use policies::Method;

/// Occurs in every HTTP/1.1 request line.
const VERSION: &[u8] = b"HTTP/";

/// Whether the host is asked to close the connection after this body, before it sees any of it:
/// many hosts read no body with such a method, and a body that contains a request is never sent otherwise.
pub(crate) fn ends_behind(method: &Method, known: Option<&Bytes>) -> bool {
    matches!(
        method,
        Method::Get | Method::Head | Method::Options | Method::Delete | Method::Unlock | Method::Purge | Method::List
    ) || known.is_some_and(|body| Seen::default().goes_by(body))
}

/// The last bytes of a body that passed.
#[derive(Default)]
pub(crate) struct Seen {
    end: Vec<u8>,
}

impl Seen {
    /// Whether what has passed, with this piece, may contain a request.
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
