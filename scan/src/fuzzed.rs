//! What must hold for any input: the `fuzz/` target for framed uploads, and a replay of its
//! committed corpus as a test. Not part of what ships.

#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;

use crate::packed::{Look, Unreadable};
use crate::{LeakFilter, Stop, Watched, WatchedKind, Watchlist};

/// What must not leave in an upload in the target `frames`.
pub const NEEDLE: &str = "needle-in-the-haystack";

/// The bytes of an aws-chunked upload, read in one go by a reader that shares no code with the
/// door. If they are frames, the verdict equals that on the unframed bytes, and what passes goes
/// out unchanged; otherwise it is refused.
pub fn frames(bytes: &[u8]) {
    let coding = http::HeaderMap::from_iter([(CONTENT_ENCODING, http::HeaderValue::from_static("aws-chunked"))]);
    let size = bytes.first().map_or(1, |first| usize::from(*first) + 1);
    let look = || Look::declared(&coding).unwrap();
    let framed = let_out(watching().looking(Some(look())), bytes, size);
    if bytes.is_empty() {
        return assert_eq!(framed, Ok(Vec::new()));
    }
    let found = |verdict: &Result<_, Stop>| matches!(verdict, Err(Stop::Found(_)));
    match unframed(bytes) {
        None => assert!(
            found(&framed) || framed == Err(Stop::Unreadable(Unreadable::Frames)),
            "{:?} went through",
            String::from_utf8_lossy(bytes)
        ),
        Some(payload) => {
            let plain = let_out(watching(), &payload, size);
            // A needle in the frames' own lines, or across them, is found as well.
            let raw = found(&let_out(watching().as_it_comes(), bytes, size));
            match plain {
                Ok(_) if !raw => assert_eq!(framed.as_deref(), Ok(bytes)),
                plain if raw || found(&plain) => assert!(found(&framed), "{framed:?}"),
                plain => assert_eq!(framed, plain),
            }
        }
    }
}

fn watching() -> LeakFilter {
    let what = WatchedKind::Secret { credential: "store".into() };
    let watchlist = Watchlist::build([Watched { what, value: NEEDLE.as_bytes().to_vec().into() }]).unwrap();
    Arc::new(watchlist).filter().with_lookalikes()
}

fn let_out(mut filter: LeakFilter, bytes: &[u8], size: usize) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        out.extend(filter.push(Bytes::copy_from_slice(piece))?.unwrap_or_default());
    }
    out.extend(filter.finish()?.unwrap_or_default());
    Ok(out)
}

/// The payload, if all of it is in frames.
fn unframed(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let line = |bytes: &mut &[u8]| {
        let end = bytes.iter().position(|byte| *byte == b'\n').filter(|end| *end < 512)? + 1;
        let (line, rest) = bytes.split_at(end);
        *bytes = rest;
        std::str::from_utf8(line).ok().map(str::to_owned)
    };
    let mut payload = Vec::new();
    loop {
        let head = line(&mut bytes)?;
        let head = head.strip_suffix("\r\n")?;
        let (size, signature) = head.split_once(';').unwrap_or((head, "chunk-signature=0"));
        let letters = signature.strip_prefix("chunk-signature=").filter(|letters| !letters.is_empty())?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex(&letters.replace('*', "0")) || size.len() > 16 || !is_hex(size) {
            return None;
        }
        let size = usize::try_from(u64::from_str_radix(size, 16).ok()?).ok()?;
        if size == 0 {
            break;
        }
        payload.extend(bytes.get(..size)?);
        bytes = bytes[size..].strip_prefix(b"\r\n")?;
    }
    let sums = std::str::from_utf8(bytes).ok().filter(|sums| sums.len() <= 4096)?;
    let is_sum = |line: &str| {
        let Some((name, value)) = line.split_once(':') else { return false };
        let name = name.to_ascii_lowercase();
        let kind =
            name.strip_prefix("x-amz-checksum-").unwrap_or(if name == "x-amz-trailer-signature" { "s" } else { "" });
        let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) && value.bytes().all(plain)
    };
    let mut lines = sums.split_inclusive('\n').map(|line| (line.len(), line.strip_suffix('\n')));
    let right = lines.all(|(length, line)| {
        let Some(line) = line else { return false };
        let line = line.strip_suffix('\r').unwrap_or(line);
        length <= 512 && (line.is_empty() || is_sum(line))
    });
    right.then_some(payload)
}

/// Past findings and seeds still hold.
#[test]
fn the_corpus_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/frames");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(entries.len() > 5, "nothing to begin with");
    for entry in entries {
        frames(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}
