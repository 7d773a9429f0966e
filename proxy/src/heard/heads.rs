//! Finds the heads of requests in the bytes of a connection, as far as is needed to see each
//! target: which bytes are a body, and where the next head begins.

use http::Uri;
use memchr::memchr;

/// More than one head that may be read (`Limits::head_bytes`) plus what the library reads at once
/// after it. Anything longer is not a head.
const LONGEST: usize = 128 << 10;

/// The bytes of heads that are not requests yet.
#[derive(Debug, Default)]
pub(super) struct Heads {
    head: Vec<u8>,
    comes: Comes,
}

/// What the next byte belongs to.
#[derive(Debug, Default)]
enum Comes {
    #[default]
    Head,
    /// A body, with this many bytes left.
    Length(u64),
    Chunks(Chunks),
    /// Not HTTP.
    Other,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    Length(u64),
    Chunks,
}

/// The position in a chunked body (RFC 9112 §7.1).
#[derive(Debug, Default)]
enum Chunks {
    /// In a line with a chunk's size; anything after the number is an extension.
    #[default]
    Size,
    /// The same, with the number read so far.
    Sized {
        size: u64,
        extended: bool,
    },
    /// This many bytes are left of a chunk, including the end of its line.
    Data(u64),
    /// In a trailer, or at the empty line that ends them.
    Trailer {
        is_empty: bool,
    },
    Done,
}

impl Heads {
    pub(super) fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.comes {
                Comes::Head => self.head(bytes),
                Comes::Length(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    taken
                }
                Comes::Chunks(chunks) => chunks.feed(bytes),
                Comes::Other => return,
            };
            bytes = &bytes[taken..];
            if matches!(self.comes, Comes::Length(0) | Comes::Chunks(Chunks::Done)) {
                self.comes = Comes::Head;
            }
        }
    }

    /// The bytes with characters that are not allowed in a target encoded; nothing if there are none.
    pub(super) fn encoded(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let before = self.head.trim_ascii_start();
        if !matches!(self.comes, Comes::Head) || memchr(b'\n', before).is_some() {
            return None;
        }
        let start = if before.is_empty() { bytes.len() - bytes.trim_ascii_start().len() } else { 0 };
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let line = &bytes[start..end];
        let target = if memchr(b' ', before).is_some() { 0 } else { memchr(b' ', line)? };
        if !line[target..].iter().any(|byte| is_refused(*byte)) {
            return None;
        }
        let mut encoded = bytes[..start + target].to_vec();
        for byte in &line[target..] {
            if is_refused(*byte) {
                encoded.extend(format!("%{byte:02X}").bytes());
            } else {
                encoded.push(*byte);
            }
        }
        encoded.extend_from_slice(&bytes[end..]);
        Some(encoded)
    }

    fn head(&mut self, bytes: &[u8]) -> usize {
        self.head.extend_from_slice(bytes);
        if self.head.len() > LONGEST {
            self.no_more();
        }
        bytes.len()
    }

    /// A request was read: returns whether its target was cut off at a fragment. Later bytes are kept.
    pub(super) fn becomes(&mut self, read: &Uri, body: Framing) -> bool {
        let all = std::mem::take(&mut self.head);
        let head = all.trim_ascii_start();
        let rest = end(head).map_or(&[][..], |end| &head[end..]);
        if !matches!(self.comes, Comes::Other) {
            self.comes = match body {
                Framing::Length(0) => Comes::Head,
                Framing::Length(length) => Comes::Length(length),
                Framing::Chunks => Comes::Chunks(Chunks::default()),
            };
            self.hear(rest);
        }
        has_fragment(head, read)
    }

    /// What follows is another protocol.
    pub(super) fn no_more(&mut self) {
        (self.head, self.comes) = (Vec::new(), Comes::Other);
    }
}

impl Chunks {
    /// How many of the bytes belong to the body.
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !matches!(self, Chunks::Done) {
            if let Chunks::Data(left) = self {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= taken as u64;
                at += taken;
                if *left == 0 {
                    *self = Chunks::default();
                }
                continue;
            }
            self.byte(bytes[at]);
            at += 1;
        }
        at
    }

    fn byte(&mut self, byte: u8) {
        *self = match (std::mem::take(self), byte) {
            (Chunks::Size, byte) => Chunks::Sized { size: 0, extended: false }.then(byte),
            (sized @ Chunks::Sized { .. }, byte) => sized.then(byte),
            (Chunks::Trailer { is_empty: true }, b'\n') => Chunks::Done,
            (Chunks::Trailer { .. }, b'\n') => Chunks::Trailer { is_empty: true },
            (Chunks::Trailer { is_empty: true }, b'\r') => Chunks::Trailer { is_empty: true },
            (Chunks::Trailer { .. }, _) => Chunks::Trailer { is_empty: false },
            (other, _) => other,
        }
    }

    /// Reads one byte of the line with the number.
    fn then(self, byte: u8) -> Self {
        let Chunks::Sized { size, extended } = self else { return self };
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if size == 0 => Chunks::Trailer { is_empty: true },
            // Plus the CRLF after the chunk.
            (b'\n', _) => Chunks::Data(size.saturating_add(2)),
            (_, Some(digit)) if !extended => {
                Chunks::Sized { size: size.saturating_mul(16).saturating_add(digit.into()), extended }
            }
            _ => Chunks::Sized { size, extended: true },
        }
    }
}

/// Characters that the library refuses in a target.
fn is_refused(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

/// The position after the empty line that ends a head. Like the library, accepts lines that end with LF only.
fn end(head: &[u8]) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', head);
    ends.map(|at| at + 1).find_map(|at| match head[at..] {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    })
}

fn has_fragment(head: &[u8], read: &Uri) -> bool {
    if memchr(b'#', head).is_none() {
        return false;
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(target) = line.split(|byte| *byte == b' ').nth(1) else { return false };
    memchr(b'#', target).is_some_and(|at| Uri::try_from(&target[..at]).is_ok_and(|cut| cut == *read))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOTHING: Framing = Framing::Length(0);

    fn uri(target: &str) -> Uri {
        Uri::try_from(target).unwrap()
    }

    #[test]
    fn a_fragment_is_seen_in_the_target_and_nowhere_else() {
        for (line, target, wanted) in [
            ("GET /x#f HTTP/1.1", "/x", true),
            ("GET /x?a=1#f HTTP/1.1", "/x?a=1", true),
            ("GET /x# HTTP/1.1", "/x", true),
            ("GET http://a.test#f HTTP/1.1", "http://a.test", true),
            ("\r\nGET /x#f HTTP/1.1", "/x", true),
            ("GET /x HTTP/1.1\r\nCookie: a#b", "/x", false),
            ("GET /x%23f HTTP/1.1", "/x%23f", false),
            // Not what was read.
            ("GET /y#f HTTP/1.1", "/x", false),
        ] {
            let mut heads = Heads::default();
            let text = format!("{line}\r\nHost: a.test\r\n\r\n");
            text.as_bytes().chunks(3).for_each(|piece| heads.hear(piece));
            assert_eq!(heads.becomes(&uri(target), NOTHING), wanted, "{line}");
            assert!(heads.head.is_empty(), "{line}");
        }
    }

    /// Only in the target, however the bytes arrive.
    #[test]
    fn what_may_not_stand_in_a_target_is_encoded_there() {
        let head = |target: &str| format!("\r\nPOST {target} HTTP/1.1\r\nX: \"<`>\"\r\nContent-Length: 9\r\n\r\n");
        let body = "GET \"<a> ";
        let came = [head("/a?q=\"<x>\"&y=`z`"), body.to_owned(), head("/\"b\"")].concat();
        let wanted = [head("/a?q=%22%3Cx%3E%22&y=%60z%60"), body.to_owned(), head("/%22b%22")].concat();
        let first = head("/a?q=%22%3Cx%3E%22&y=%60z%60").len();
        for size in 1..=came.len() {
            let (mut heads, mut read, mut becomes) = (Heads::default(), Vec::new(), true);
            for piece in came.as_bytes().chunks(size) {
                let encoded = heads.encoded(piece).unwrap_or_else(|| piece.to_vec());
                heads.hear(&encoded);
                read.extend(encoded);
                if becomes && read.len() >= first {
                    heads.becomes(&uri("/a?q=%22%3Cx%3E%22&y=%60z%60"), Framing::Length(9));
                    becomes = false;
                }
            }
            // What arrives together with the previous request stays as it is, and the library refuses it.
            assert!(size >= 9 || read == wanted.as_bytes(), "{size}: {}", String::from_utf8_lossy(&read));
            assert!(read.starts_with(&wanted.as_bytes()[..first + body.len()]), "{size}");
        }
    }

    /// However a body is split: exactly its own bytes are skipped.
    #[test]
    fn the_next_head_begins_where_a_body_ends() {
        let chunks = ["", "5\r\nGET /\r\n", "00a;x=\"1#2\"\r\n0123456789\r\n", "1 ; y\r\n\n\r\n", "2\r\n\r\n\r\n"];
        let ends = ["0\r\n\r\n", "000;a=b\r\n\r\n", "0\r\nx: #1\r\ny:\r\n\r\n"];
        for (body, framing) in chunks
            .iter()
            .flat_map(|chunk| ends.iter().map(move |end| (format!("{chunk}{chunk}{end}"), Framing::Chunks)))
            .chain([("GET /2#".to_owned(), Framing::Length(7)), (String::new(), NOTHING)])
        {
            for line_end in ["\r\n", "\n"] {
                let head = |target: &str| format!("POST {target} HTTP/1.1{line_end}Host: a{line_end}{line_end}");
                let all = [head("/1"), body.clone(), head("/2#f"), head("/3")].concat();
                for size in 1..all.len() {
                    let mut heads = Heads::default();
                    let (first, behind) = all.split_at(head("/1").len().max(size));
                    heads.hear(first.as_bytes());
                    let mut cut = vec![heads.becomes(&uri("/1"), framing)];
                    behind.as_bytes().chunks(size).for_each(|piece| heads.hear(piece));
                    cut.extend(["/2", "/3"].map(|target| heads.becomes(&uri(target), NOTHING)));
                    assert_eq!(cut, [false, true, false], "{size} {all:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_head_is_not_kept() {
        let mut heads = Heads::default();
        heads.hear(b"GET /1 HTTP/1.1\r\n\r\nframes");
        assert!(!heads.becomes(&uri("/1"), NOTHING));
        heads.no_more();
        heads.hear(b"more");
        assert!(heads.head.is_empty());
        let mut heads = Heads::default();
        (0..200).for_each(|_| heads.hear(&[b'x'; 1024]));
        assert!(heads.head.is_empty() && matches!(heads.comes, Comes::Other));
    }
}
