//! Tells what a file is by its first bytes.

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

/// This many bytes decide; all but tar and multipart need fewer.
pub(super) const ENOUGH: usize = tar::BLOCK;
/// The longest signature at the beginning of a file.
const SIGN: usize = LZMA;
/// The header of an lzma file, and the byte after it.
const LZMA: usize = 14;

/// What a file is.
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

/// What it means if the bytes turn out not to be the format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// An HTTP header declared the format: they are wrong.
    Declared,
    /// Nothing else begins like this: they are damaged.
    Sure,
    /// They were something else.
    Perhaps,
}

/// Packed files of other kinds, by their first bytes.
const CLOSED: [(&[u8], &str); 12] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"\x02\x21\x4c\x18", "an lz4 file"),
    (b"LZIP\x01", "an lzip file"),
    (b"\x89LZO\0\r\n\x1a\n", "an lzo file"),
    (b"\xff\x06\0\0sNaPpY", "a snappy file"),
    (b"\x1f\x9d", "a file of compress"),
    (b"\x1f\xa0", "a file of compress"),
    (b"MSCF\0\0\0\0", "a cabinet"),
    (b"\xed\xab\xee\xdb", "an rpm package"),
    (b"xar!\0", "a xar archive"),
];

/// `last`: nothing follows these bytes. `strict`: encrypted files are refused.
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
    // After the signature stands the number of inodes, never very large.
    if start.starts_with(b"hsqs") && start.get(7) == Some(&0) {
        return Kind::Closed("a squashfs");
    }
    if is_lzma(start) {
        return Kind::Closed("an lzma file");
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

/// As liblzma recognises one (`lzma_alone_decoder`): lc, lp and pb in one byte, the size of the dictionary, the
/// length or -1; then the zero that every range coder begins with. No encoder makes a dictionary below 4 KiB.
fn is_lzma(start: &[u8]) -> bool {
    let Some((&[properties, d0, d1, d2, d3, ref length @ .., first], _)) = start.split_first_chunk::<LZMA>() else {
        return false;
    };
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let is_round = dictionary.is_power_of_two() || (dictionary % 3 == 0 && (dictionary / 3).is_power_of_two());
    let is_unknown = *length == [0xff; 8];
    let is_short = length[5..] == [0; 3] && length[4] < 1 << 6 && length[..5] != [0; 5];
    properties < 225
        && properties % 9 + properties / 9 % 5 <= 4
        && (dictionary == u32::MAX || (dictionary >= 4 << 10 && is_round))
        // Big-endian numbers look like a file in which all three are zero.
        && (is_unknown || (is_short && properties > 0))
        && first == 0
}

/// A multipart body that is not declared, or is inside another: a boundary, then a header.
fn multipart(start: &[u8]) -> Option<Multipart> {
    let mut lines = start.strip_prefix(b"--")?.split(|byte| *byte == b'\n');
    let boundary = lines.next()?.trim_ascii_end();
    let header = lines.next()?.get(..8)?;
    header.eq_ignore_ascii_case(b"content-").then(|| Multipart::new(boundary)).flatten()
}
