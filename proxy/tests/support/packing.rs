//! Packs texts the way senders and servers do. Checksums are zeros: nothing here reads them.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// The ways that a header can name, and a few that say the same.
pub const CODINGS: [&str; 7] = ["gzip", "x-gzip", "deflate", "deflate, without its frame", "br", "zstd", "gzip, br"];

/// A text under a `Content-Encoding`.
pub fn packed(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" | "x-gzip" => gzip(text),
        "deflate" => compress_to_vec_zlib(text, 6),
        "deflate, without its frame" => compress_to_vec(text, 6),
        "br" => brotli(text),
        "zstd" => zstd(text),
        "gzip, br" => brotli(&gzip(text)),
        "gzip, gzip" => gzip(&gzip(text)),
        _ => panic!("no coding {coding}"),
    }
}

/// With a name and a comment in its header, like from `gzip -N`.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let header = [0x1f, 0x8b, 8, 8 | 16, 0, 0, 0, 0, 0, 255];
    [&header[..], b"a.txt\0hello\0", &compress_to_vec(text, 6), &[0; 8]].concat()
}

pub fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &text[..], &mut out, &params).unwrap();
    out
}

pub fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

/// How a member of a zip is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflated,
    /// Deflated, with its sums behind it.
    Streamed,
    Encrypted,
    Bzip2,
}

pub fn zip(members: &[(&str, &[u8], Method)]) -> Vec<u8> {
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    for (name, text, method) in members {
        let data = if *method == Method::Stored { text.to_vec() } else { compress_to_vec(text, 6) };
        let (flags, number) = match method {
            Method::Stored => (0u16, 0u16),
            Method::Deflated => (0, 8),
            Method::Streamed => (8, 8),
            Method::Encrypted => (1, 8),
            Method::Bzip2 => (0, 12),
        };
        let sums: Vec<u8> = [0, data.len() as u32, text.len() as u32].map(u32::to_le_bytes).concat();
        let early = if *method == Method::Streamed { vec![0; 12] } else { sums.clone() };
        let lengths = [(name.len() as u16).to_le_bytes(), [0, 0]].concat();
        let common = [&flags.to_le_bytes()[..], &number.to_le_bytes(), &[0; 4], &early, &lengths].concat();
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 14], name.as_bytes()].concat());
        files.extend([b"PK\x03\x04\x14\0", &common[..], name.as_bytes(), &data].concat());
        if *method == Method::Streamed {
            files.extend([b"PK\x07\x08", &sums[..]].concat());
        }
    }
    [files, directory, b"PK\x05\x06".to_vec(), vec![0; 18]].concat()
}
