//! What a file is by its first bytes.

use super::ar::{self, Ar};
use super::bzip2::Bzip2;
use super::deflate::{self, Deflate};
use super::gzip::Gzip;
use super::layer::Layer;
use super::multipart::Multipart;
use super::pdf::Pdf;
use super::tar::{self, Tar};
use super::xz::Xz;
use super::zip::Zip;
use super::zstd::Zstd;

/// So many bytes say what a file is; all but a tar and a multipart body need fewer.
pub(super) const ENOUGH: usize = tar::BLOCK;
/// No sign at the beginning of a file is longer.
const SIGN: usize = 10;

/// What it is.
pub(super) enum Kind {
    /// Something that can be looked into, and how sure that is.
    Layer(Layer, Trust),
    /// Something packed that cannot be looked into.
    Closed(&'static str),
    /// Nothing packed.
    Plain,
    /// More bytes are needed.
    Unknown,
}

/// What follows where bytes are not what they seemed to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// A header of HTTP says so: they are wrong.
    Declared,
    /// Nothing else begins like this: they are damaged.
    Sure,
    /// They were something else.
    Perhaps,
}

/// Packed files of other kinds, by how they begin.
const CLOSED: [(&[u8], &str); 16] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"\x02\x21\x4c\x18", "an lz4 file"),
    (b"\x5d\0\0\x80\0\xff", "an lzma file"),
    (b"\x5d\0\0\0\x04\xff", "an lzma file"),
    (b"\x5d\0\0\0\x01\xff", "an lzma file"),
    (b"LZIP\x01", "an lzip file"),
    (b"\x89LZO\0\r\n\x1a\n", "an lzo file"),
    (b"\xff\x06\0\0sNaPpY", "a snappy file"),
    (b"\x1f\x9d", "a file of compress"),
    (b"\x1f\xa0", "a file of compress"),
    (b"MSCF\0\0\0\0", "a cabinet"),
    (b"\xed\xab\xee\xdb", "an rpm package"),
    (b"hsqs", "a squashfs"),
    (b"xar!", "a xar archive"),
];

/// `last`: nothing comes behind these bytes. `strict`: what is encrypted is refused.
pub(super) fn sniff(start: &[u8], last: bool, strict: bool) -> Kind {
    let sure = |layer| Kind::Layer(layer, Trust::Sure);
    match start {
        [0x1f, 0x8b, 8, ..] => return sure(Layer::Gzip(Gzip::sniffed())),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 7, 8, b'P', b'K', 3, 4, ..] => return sure(Layer::Zip(Zip::new())),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            return sure(Layer::Zstd(Box::new(Zstd::new(false))));
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return sure(Layer::Xz(Box::new(Xz::new()))),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
            return sure(Layer::Bzip2(Box::new(Bzip2::new())));
        }
        [b'%', b'P', b'D', b'F', b'-', ..] => return sure(Layer::Pdf(Pdf::new(strict))),
        _ if start.starts_with(ar::MAGIC) => return sure(Layer::Ar(Ar::new())),
        _ => {}
    }
    if let Some((_, kind)) = CLOSED.into_iter().find(|(sign, _)| start.starts_with(sign)) {
        return Kind::Closed(kind);
    }
    if start.len() < SIGN && !last {
        return Kind::Unknown;
    }
    if let [first, second, ..] = *start
        && deflate::is_zlib(first, second)
    {
        return Kind::Layer(Layer::Deflate(Deflate::default()), Trust::Perhaps);
    }
    if tar::size(start).is_some() {
        return sure(Layer::Tar(Tar::new()));
    }
    if start.len() < ENOUGH && !last {
        return Kind::Unknown;
    }
    match multipart(start) {
        Some(layer) => Kind::Layer(Layer::Multipart(layer), Trust::Perhaps),
        None => Kind::Plain,
    }
}

/// A body of parts without a word about it, or in another: a boundary, then a header.
fn multipart(start: &[u8]) -> Option<Multipart> {
    let mut lines = start.strip_prefix(b"--")?.split(|byte| *byte == b'\n');
    let boundary = lines.next()?.trim_ascii_end();
    let header = lines.next()?.get(..8)?;
    header.eq_ignore_ascii_case(b"content-").then(|| Multipart::new(boundary)).flatten()
}
