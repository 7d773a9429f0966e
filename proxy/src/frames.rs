//! What the door's own frames show about an HTTP/2 client: the library resets a stream that breaks
//! the rules before there is a request, and reports it nowhere else.
//!
//! What it is not: a parser of what clients send. It reads our own bytes only.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::Reason;
use policies::{Code, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// The refusal of a client for which an HTTP/2 connection was ended.
pub(crate) fn ended_for(error: &hyper::Error) -> Option<Refusal> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    match error.reason().filter(|_| !error.is_io())? {
        Reason::NO_ERROR => None,
        Reason::ENHANCE_YOUR_CALM => {
            Some(Refusal::new(Code::Http2Abuse, format!("the client wears HTTP/2 out ({error})")))
        }
        reason => Some(Refusal::new(Code::Framing, format!("the bytes are not well-formed HTTP/2 ({reason:?})"))),
    }
}

/// An HTTP/2 connection that reports the streams that are reset on it.
pub(crate) struct Told<S, F> {
    stream: S,
    frames: Frames,
    tell: F,
}

/// Reads frames as they pass, in pieces of any size.
#[derive(Default)]
struct Frames {
    /// The beginning of a frame, as far as it is needed.
    frame: Vec<u8>,
    /// How much of a payload is still to come.
    rest: usize,
    /// The stream that the library last answered.
    answered: [u8; 4],
}

/// What the library did to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Answered with a status only: the head is over the limit.
    TooLarge,
    Reset(Reason),
}

impl<S, F: FnMut(Refused)> Told<S, F> {
    pub(crate) fn new(stream: S, tell: F) -> Self {
        Told { stream, frames: Frames::default(), tell }
    }
}

impl Refused {
    /// The refusal; `None` if the stream belonged to a request that was read, which has its own
    /// record.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        Some(match self {
            Refused::TooLarge => Refusal::new(Code::TooLarge, "the request's head is too large"),
            // The library gives no other reason for a head that it cannot make into a request.
            Refused::Reset(Reason::PROTOCOL_ERROR) => Refusal::new(
                Code::Framing,
                "a stream broke the rules of HTTP/2 (PROTOCOL_ERROR), as a URL does that holds a quote or an angle bracket \
                 (they are %22, %3C and %3E)",
            ),
            Refused::Reset(reason @ (Reason::FLOW_CONTROL_ERROR | Reason::FRAME_SIZE_ERROR)) => {
                Refusal::new(Code::Framing, format!("a stream broke the rules of HTTP/2 ({reason:?})"))
            }
            Refused::Reset(Reason::REFUSED_STREAM) => {
                Refusal::new(Code::GroupLimit, "too many streams at once on one connection")
            }
            Refused::Reset(_) => return None,
        })
    }
}

impl Frames {
    /// RFC 9113 §4.1: nine bytes, then the payload.
    fn feed(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(Refused)) {
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(self.wanted() - self.frame.len());
            self.frame.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.frame.len() == self.wanted() {
                self.whole(tell);
            }
        }
    }

    /// How much of the frame is needed: its head, and the payload of a reset or of a short answer
    /// without a body.
    fn wanted(&self) -> usize {
        match self.frame[..] {
            [_, _, _, RST_STREAM, ..] => 13,
            [0, 0, length, HEADERS, flags, ..] if flags & END_STREAM != 0 && length < 16 => 9 + usize::from(length),
            _ => 9,
        }
    }

    fn whole(&mut self, tell: &mut impl FnMut(Refused)) {
        match self.frame[..] {
            [_, _, _, RST_STREAM, _, s, t, r, m, a, b, c, d] if self.answered != [s, t, r, m] => {
                tell(Refused::Reset(Reason::from(u32::from_be_bytes([a, b, c, d]))));
            }
            [_, _, _, HEADERS, _, s, t, r, m, ref fields @ ..] if is_status_alone(fields) => {
                self.answered = [s, t, r, m];
                tell(Refused::TooLarge);
            }
            [a, b, c, ..] => self.rest = u32::from_be_bytes([0, a, b, c]) as usize + 9 - self.frame.len(),
            _ => {}
        }
        self.frame.clear();
    }
}

/// Whether nothing follows `:status`; every answer of ours has a date. `:status` is in the static
/// table, so its name is not spelt out (RFC 7541 §6, appendix A).
fn is_status_alone(fields: &[u8]) -> bool {
    let is_update = |byte: &u8| byte & 0xe0 == 0x20;
    let updates = fields.iter().take_while(|byte| is_update(byte)).count();
    match fields[updates..] {
        [indexed] => indexed & 0x80 != 0,
        [name, length, ref value @ ..] => name & 0x80 == 0 && value.len() == usize::from(length & 0x7f),
        [] => false,
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for Told<S, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, F: FnMut(Refused) + Unpin> AsyncWrite for Told<S, F> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let told = self.get_mut();
        let written = ready!(Pin::new(&mut told.stream).poll_write_vectored(cx, pieces))?;
        let mut left = written;
        for piece in pieces {
            let some = left.min(piece.len());
            told.frames.feed(&piece[..some], &mut told.tell);
            left -= some;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        [&[0, 0, u8::try_from(payload.len()).unwrap_or(0), kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// However the bytes are split, the result is the same.
    #[test]
    fn what_the_library_refuses_is_told_and_nothing_else() {
        let bytes = [
            frame(4, 0, 0, &[0; 12]),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 1]),
            frame(HEADERS, 4, 3, &[0x88]),
            // A payload that looks like a reset.
            frame(0, 1, 3, &frame(RST_STREAM, 0, 3, &[0, 0, 0, 1])),
            frame(HEADERS, 5, 5, &[0x20, 0x48, 0x82, 0x68, 0x21]),
            frame(RST_STREAM, 0, 5, &[0, 0, 0, 1]),
            frame(HEADERS, 5, 7, &[0x89, 0xbe]),
            frame(HEADERS, 5, 9, &[0x89; 40]),
            frame(HEADERS, 5, 11, &[0xbe]),
            frame(RST_STREAM, 0, 13, &[0, 0, 0, 8]),
            frame(4, 1, 0, &[]),
        ]
        .concat();
        let wanted = [
            Refused::Reset(Reason::PROTOCOL_ERROR),
            Refused::TooLarge,
            Refused::TooLarge,
            Refused::Reset(Reason::CANCEL),
        ];
        for size in 1..bytes.len() {
            let (mut frames, mut told) = (Frames::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| frames.feed(piece, &mut |refused| told.push(refused)));
            assert_eq!(told, wanted, "{size}");
        }
    }

    #[test]
    fn what_the_client_did_has_a_code() {
        let code = |refused: Refused| refused.refusal().map(|refusal| refusal.code);
        assert_eq!(code(Refused::TooLarge), Some(Code::TooLarge));
        assert_eq!(code(Refused::Reset(Reason::PROTOCOL_ERROR)), Some(Code::Framing));
        assert_eq!(code(Refused::Reset(Reason::REFUSED_STREAM)), Some(Code::GroupLimit));
        for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::STREAM_CLOSED] {
            assert_eq!(code(Refused::Reset(reason)), None, "{reason:?}");
        }
    }
}
