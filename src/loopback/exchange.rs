//! Reads one request as far as it goes, and answers it. A server this simple only has to speak with `curl` and the
//! door.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::heard::Heard;
use super::listener::Answers;

/// More than any request of the tour or the drill.
const MOST: usize = 1 << 20;

/// A request as it arrived.
pub struct Request<'a> {
    /// `GET`.
    pub method: &'a str,
    /// `/balance`.
    pub target: &'a str,
    head: &'a str,
}

impl Request<'_> {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// Parses what [`Heard`] holds.
    pub fn read(head: &str) -> Option<Request<'_>> {
        let mut words = head.lines().next()?.split(' ');
        Some(Request { method: words.next()?, target: words.next()?, head })
    }
}

/// Serves one connection: reads until a request is complete or the other side ends, recording every byte as it arrives,
/// then answers.
pub(super) async fn serve<S>(mut stream: S, heard: &Heard, number: usize, answers: &Answers)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while read.len() < MOST {
        let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
        heard.add(number, &buffer[..count]);
        read.extend_from_slice(&buffer[..count]);
        if is_whole(&read) {
            let answer = answer(&read, answers);
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            // Waits until the other side has read it: closing with unread bytes would cut off the answer.
            while let Ok(1..) = stream.read(&mut buffer).await {}
            return;
        }
    }
}

fn answer(read: &[u8], answers: &Answers) -> String {
    let text = String::from_utf8_lossy(read);
    let (status, body) = match Request::read(&text) {
        Some(request) => answers(&request),
        None => (200, String::new()),
    };
    let reason = if status < 400 { "OK" } else { "Refused" };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Whether the head and its announced body have arrived. Anything that is no request (SSH says hello in one line) is
/// complete with its first line.
fn is_whole(read: &[u8]) -> bool {
    if read.starts_with(b"SSH-") {
        return true;
    }
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        return read.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    read.len() >= end + 4 + length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        for (read, whole) in [
            ("GET / HTTP/1.1\r\nHost: a", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", false),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true),
            ("SSH-2.0-x", true),
        ] {
            assert_eq!(is_whole(read.as_bytes()), whole, "{read:?}");
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let request = Request::read("GET /a HTTP/1.1\r\nauthorization: Bearer x:y\r\n\r\n").unwrap();
        assert_eq!((request.method, request.target), ("GET", "/a"));
        assert_eq!(request.header("Authorization"), Some("Bearer x:y"));
        assert_eq!(request.header("cookie"), None);
    }
}
