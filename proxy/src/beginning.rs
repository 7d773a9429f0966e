//! What follows CONNECT: TLS, or plain HTTP from clients that open a tunnel for every scheme (fetch
//! of Node.js, undici, `curl --proxytunnel`). The first bytes decide; the wait for them is bounded,
//! and they are returned to the stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use policies::{Code, Method, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// The first byte of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// The longest name of a method that we carry, and the blank after it.
const LONGEST: usize = 24;

/// How a client begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// May be TLS: the handshake will show.
    Tls,
    /// A method and a blank.
    Plain,
    /// Neither.
    Other,
    /// Nothing in time.
    Late,
}

/// Waits for the first bytes. `None` if the client closes before it has sent any: it opened the
/// connection for later use, and `unused` counts it.
pub(crate) async fn first<S: AsyncRead + Unpin>(
    mut stream: S,
    time: Duration,
    unused: impl Fn(),
) -> Option<Rewound<S>> {
    let unused = Unused(Some(unused));
    let mut piece = [0; LONGEST];
    let length = match timeout(time, stream.read(&mut piece)).await {
        Ok(Err(_) | Ok(0)) => return None,
        Ok(Ok(length)) => length,
        // Late.
        Err(_) => 0,
    };
    unused.used();
    Some(Rewound { read: piece[..length].to_vec(), given: 0, stream })
}

/// Calls its function when it is dropped.
struct Unused<F: Fn()>(Option<F>);

impl<F: Fn()> Unused<F> {
    fn used(mut self) {
        self.0 = None;
    }
}

impl<F: Fn()> Drop for Unused<F> {
    fn drop(&mut self) {
        self.0.iter().for_each(|unused| unused());
    }
}

/// Reads as much as is needed to decide, and returns the stream with those bytes in it.
pub(crate) async fn of<S: AsyncRead + Unpin>(begun: Rewound<S>, time: Duration) -> (Beginning, Rewound<S>) {
    let Rewound { mut read, mut stream, .. } = begun;
    if read.is_empty() {
        return (Beginning::Late, Rewound { read, given: 0, stream });
    }
    let telling = async {
        loop {
            if let Some(told) = told(&read) {
                return told;
            }
            let mut piece = [0; LONGEST];
            let room = LONGEST - read.len();
            match stream.read(&mut piece[..room]).await {
                Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
                _ => return Beginning::Other,
            }
        }
    };
    let told = timeout(time, telling).await.unwrap_or(Beginning::Late);
    (told, Rewound { read, given: 0, stream })
}

/// The refusal for bytes that are neither.
pub(crate) fn neither() -> Refusal {
    Refusal::new(Code::NotTls, "what followed CONNECT is neither a TLS handshake nor HTTP/1.1")
}

/// Why the handshake failed: the client has gone, or `otherwise`.
pub(crate) fn no_handshake(error: &io::Error, otherwise: Refusal) -> Refusal {
    if error.kind() == io::ErrorKind::InvalidData {
        return otherwise;
    }
    let why = "the client closed the connection in the middle of the TLS handshake; some that do not trust the door's \
               CA do so without a word";
    Refusal::new(Code::NotTls, why)
}

/// What the bytes show; nothing while more are needed.
fn told(read: &[u8]) -> Option<Beginning> {
    match read.first()? {
        &HANDSHAKE => return Some(Beginning::Tls),
        first if !first.is_ascii_uppercase() => return Some(Beginning::Other),
        _ => {}
    }
    match read.iter().position(|byte| !byte.is_ascii_uppercase()) {
        None if read.len() < LONGEST => None,
        Some(blank) if read[blank] == b' ' => {
            // Neither PRI, which begins HTTP/2, nor CONNECT: tunnels do not nest.
            let method = std::str::from_utf8(&read[..blank]).ok().and_then(Method::parse);
            Some(method.map_or(Beginning::Other, |_| Beginning::Plain))
        }
        _ => Some(Beginning::Other),
    }
}

/// A stream with its first bytes put back.
pub(crate) struct Rewound<S> {
    read: Vec<u8>,
    given: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let waiting = &self.read[self.given..];
        if waiting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = waiting.len().min(buf.remaining());
        buf.put_slice(&waiting[..length]);
        self.given += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Every method that a rule can name, and near misses.
    #[test]
    fn a_method_and_a_blank_is_http_and_nothing_else_is() {
        for plain in ["GET /x HTTP/1.1", "GET ", "PROPFIND /", "POST http://a.test/"] {
            assert_eq!(told(plain.as_bytes()), Some(Beginning::Plain), "{plain}");
        }
        for other in [
            "PRI * HTTP/2.0\r\n",
            "CONNECT a.test:443 HTTP/1.1",
            "get / HTTP/1.1",
            "GET\t/x HTTP/1.1",
            "GET\r\n",
            "GETX /x",
            " GET /x",
            "\r\nGET /x",
            "SSH-2.0-x",
            "EHLO x",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "\0",
            "\u{80}\x2e\x01",
        ] {
            assert_eq!(told(other.as_bytes()), Some(Beginning::Other), "{other:?}");
        }
        for more in ["", "G", "GET", "CONNEC"] {
            assert_eq!(told(more.as_bytes()), None, "{more:?}");
        }
        assert_eq!(told(&[0x16]), Some(Beginning::Tls));
    }

    /// In one piece or in many, and with whatever follows.
    #[tokio::test]
    async fn nothing_of_it_is_lost() {
        for piece in [1, 3, 64] {
            let (mut client, door) = tokio::io::duplex(piece);
            let sent = b"DELETE /a/long/path HTTP/1.1\r\nHost: a.test\r\n\r\n";
            let writing = tokio::spawn(async move {
                tokio::io::AsyncWriteExt::write_all(&mut client, sent).await.unwrap();
            });
            let (told, mut stream) = of(begun(door).await.unwrap(), Duration::from_secs(10)).await;
            let mut came = Vec::new();
            stream.read_to_end(&mut came).await.unwrap();
            writing.await.unwrap();
            assert_eq!((told, &*came), (Beginning::Plain, &sent[..]), "{piece}");
        }
    }

    async fn begun(door: tokio::io::DuplexStream) -> Option<Rewound<tokio::io::DuplexStream>> {
        first(door, Duration::from_secs(10), || panic!("it is used")).await
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        let (mut client, door) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GE").await.unwrap();
        assert_eq!(of(begun(door).await.unwrap(), Duration::from_millis(10)).await.0, Beginning::Late);
        let (_client, door) = tokio::io::duplex(64);
        let nothing = first(door, Duration::from_millis(10), || panic!("it is late")).await.unwrap();
        assert_eq!(of(nothing, Duration::from_secs(10)).await.0, Beginning::Late);
    }

    /// Whether the client closes it, or the wait is given up.
    #[tokio::test]
    async fn what_is_never_used_is_counted() {
        let count = std::cell::Cell::new(0);
        let count_it = || count.set(count.get() + 1);
        let (client, door) = tokio::io::duplex(64);
        drop(client);
        assert!(first(door, Duration::from_secs(10), count_it).await.is_none());
        let (_client, door) = tokio::io::duplex(64);
        assert!(first(door, Duration::from_secs(10), count_it).now_or_never().is_none());
        assert_eq!(count.get(), 2);
    }
}
