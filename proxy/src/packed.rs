//! Packed bodies: what was compressed is looked into, within bounds.
//!
//! What it is: the codings that `Content-Encoding` names (gzip, deflate, br, zstd, up to
//! two of them one in the other), and gzip, zip and zstd files that come without a word
//! about it. What it is not: a way to change a body. Going up the bytes stay as they
//! came, and what is unpacked is looked at and dropped.
//!
//! **Invariants**
//! - Whatever can be unpacked from the bytes that were taken in has been given out,
//!   unless [`Unpacker::is_behind`] says otherwise.
//! - What is given out is at most a hundred times what was taken in, and some megabytes;
//!   what is in memory at once is bounded by itself, however long the body is.

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

mod brotli;
mod deflate;
mod members;
mod zstd;

use brotli::Brotli;
use deflate::Deflate;
use members::Members;
use zstd::Zstd;

/// How many codings may lie in each other.
const DEEPEST: usize = 2;
/// How many bytes one packed byte may become, beyond the first [`SLACK`].
const RATIO: u64 = 100;
const SLACK: u64 = 8 << 20;
/// How long an unpacked body may be in all.
const LONGEST: u64 = 1 << 30;
/// How much one step may make of the bytes that it was given: it is in memory at once.
const AT_ONCE: u64 = 64 << 20;

/// Why a packed body cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Another coding than those above.
    #[error("its Content-Encoding is not one of gzip, deflate, br and zstd")]
    Unknown,
    /// Too many codings.
    #[error("it was compressed more than {DEEPEST} times over")]
    Nested,
    /// The bytes are not what the coding says.
    #[error("it is not what its Content-Encoding says, or it breaks off")]
    Broken,
    /// A bomb, or as good as one.
    #[error(
        "unpacked it is more than {RATIO} times as long, longer than {} MiB, or {} MiB in one piece",
        LONGEST >> 20,
        AT_ONCE >> 20
    )]
    Bomb,
    /// An archive with a password, or in a form of its own.
    #[error("it is an archive that is encrypted, or packed in another way than deflate")]
    Encrypted,
    /// Zstd is only unpacked whole.
    #[error("it is zstd, and longer than {} MiB", zstd::LONGEST >> 20)]
    TooLong,
    /// It would wait in memory, beside others.
    #[error("it is zstd, and too many of the sandbox's bodies wait to be unpacked; let some of them end")]
    Crowded,
}

/// Unpacks one body as it goes by.
pub struct Unpacker {
    /// The outermost first.
    layers: Vec<Layer>,
    /// Whether somebody said so. Where nobody did, bytes that are no archive after all are none.
    declared: bool,
    came: u64,
    made: u64,
}

enum Layer {
    Members(Members),
    Deflate(Deflate),
    Brotli(Brotli),
    Zstd(Zstd),
}

/// What comes out of a layer, as far as there is room.
struct Output {
    bytes: Vec<u8>,
    room: u64,
}

impl Output {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.room = self.room.checked_sub(bytes.len() as u64).ok_or(Unreadable::Bomb)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Unpacker {
    /// For what the headers say; `None` where they name no coding.
    pub fn declared(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        let codings = |name| headers.get_all(name).iter().flat_map(each).filter(|coding| coding != "identity");
        // Its messages are compressed one by one, each behind a prefix of its own.
        if codings("grpc-encoding").next().is_some() {
            return Err(Unreadable::Unknown);
        }
        let mut layers =
            codings(CONTENT_ENCODING.as_str()).map(|coding| layer(&coding)).collect::<Result<Vec<_>, _>>()?;
        if layers.len() > DEEPEST {
            return Err(Unreadable::Nested);
        }
        layers.reverse();
        Ok((!layers.is_empty()).then_some(Unpacker { layers, declared: true, came: 0, made: 0 }))
    }

    /// For a body that begins like an archive.
    pub fn sniffed(start: &[u8]) -> Option<Self> {
        let layer = match start {
            [0x1f, 0x8b, 8, ..] => Layer::Members(Members::gzip()),
            [b'P', b'K', 3, 4, ..] => Layer::Members(Members::zip()),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Layer::Zstd(Zstd::default()),
            _ => return None,
        };
        Some(Unpacker { layers: vec![layer], declared: false, came: 0, made: 0 })
    }

    /// What these bytes unpack to.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Unreadable> {
        self.came += chunk.len() as u64;
        self.through(0, chunk.to_vec(), false)
    }

    /// The body is at its end: what else it unpacks to.
    pub fn finish(&mut self) -> Result<Vec<u8>, Unreadable> {
        if self.came == 0 {
            return Ok(Vec::new());
        }
        self.through(0, Vec::new(), true)
    }

    /// Whether something was taken in that has not been unpacked yet.
    pub fn is_behind(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Zstd(zstd) if zstd.is_behind()))
    }

    fn through(&mut self, from: usize, mut bytes: Vec<u8>, last: bool) -> Result<Vec<u8>, Unreadable> {
        let most = LONGEST.min(SLACK + RATIO * self.came);
        for layer in &mut self.layers[from..] {
            let mut out = Output { bytes: Vec::new(), room: most.saturating_sub(self.made).min(AT_ONCE) };
            match layer.push(&bytes, last, &mut out) {
                Err(Unreadable::Broken) if !self.declared => {
                    self.layers.clear();
                    self.made += out.bytes.len() as u64;
                    return Ok(out.bytes);
                }
                pushed => pushed?,
            }
            bytes = out.bytes;
        }
        self.made += bytes.len() as u64;
        Ok(if self.layers.is_empty() { Vec::new() } else { bytes })
    }
}

impl Layer {
    fn push(&mut self, bytes: &[u8], last: bool, out: &mut Output) -> Result<(), Unreadable> {
        match self {
            Layer::Members(members) => members.push(bytes, out)?,
            Layer::Deflate(deflate) => deflate.push(bytes, out)?,
            Layer::Brotli(brotli) => brotli.push(bytes, out)?,
            Layer::Zstd(zstd) => zstd.push(bytes)?,
        }
        let whole = match self {
            _ if !last => return Ok(()),
            Layer::Members(members) => members.is_whole(),
            Layer::Deflate(deflate) => deflate.is_whole(),
            Layer::Brotli(brotli) => brotli.is_whole(),
            Layer::Zstd(zstd) => return zstd.unpack(out),
        };
        if whole { Ok(()) } else { Err(Unreadable::Broken) }
    }
}

/// The codings in one header value.
fn each(value: &HeaderValue) -> impl Iterator<Item = String> {
    let parts = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    parts.filter(|part| !part.is_empty()).map(|part| String::from_utf8_lossy(part).to_ascii_lowercase())
}

fn layer(coding: &str) -> Result<Layer, Unreadable> {
    Ok(match coding {
        "gzip" | "x-gzip" => Layer::Members(Members::gzip()),
        "deflate" => Layer::Deflate(Deflate::default()),
        "br" => Layer::Brotli(Brotli::new()),
        "zstd" => Layer::Zstd(Zstd::default()),
        _ => return Err(Unreadable::Unknown),
    })
}

#[cfg(test)]
mod tests;
