//! Packs texts the way senders and servers do. Checksums are zero: nothing here checks them.

use std::io::Write;

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// The codings that a header can name, with some aliases.
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
        "aws-chunked" => frames(text, &[5, 1, 16], ""),
        "gzip, aws-chunked" => frames(&gzip(text), &[7], ""),
        _ => panic!("no coding {coding}"),
    }
}

/// An upload as S3 takes it, in frames of these lengths, repeated, with a checksum after them.
/// `signature`: what each frame says about itself.
pub fn frames(text: &[u8], lengths: &[usize], signature: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    for length in lengths.iter().cycle().take_while(|_| !lengths.is_empty()) {
        let (frame, behind) = rest.split_at(rest.len().min((*length).max(1)));
        if frame.is_empty() {
            break;
        }
        out.extend([format!("{:x}{signature}\r\n", frame.len()).as_bytes(), frame, b"\r\n"].concat());
        rest = behind;
    }
    out.extend(format!("0{signature}\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").as_bytes());
    out
}

/// With a name and a comment in its header, as from `gzip -N`.
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

pub fn zlib(text: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(text, 6)
}

pub fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

pub fn xz(text: &[u8]) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(0);
    options.set_check_sum_type(lzma_rust2::CheckType::Crc32);
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

/// Files with headers of 512 bytes.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, text) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend([&header, *text, &vec![0; text.len().next_multiple_of(512) - text.len()]].concat());
    }
    out.extend([0; 1024]);
    out
}

/// The way Debian packages are made.
pub fn ar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, text) in files {
        out.extend(format!("{name:16}{:12}{:6}{:6}{:8}{:<10}`\n", 0, 0, 0, 100_644, text.len()).as_bytes());
        out.extend([*text, &b"\n"[..text.len() % 2]].concat());
    }
    out
}

/// A document with one stream. `encrypted`: its contents are not what it declares.
pub fn pdf(text: &[u8], encrypted: bool) -> Vec<u8> {
    let stream = if encrypted { text.iter().map(|byte| byte ^ 0x5c).collect() } else { zlib(text) };
    let head = format!("%PDF-1.7\n%\u{fc}\n4 0 obj\n<< /Length {} /Filter /FlateDecode >>\nstream\r\n", stream.len());
    [head.as_bytes(), &stream, b"\nendstream\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"].concat()
}

/// A form with one file, or the parts of a mail.
pub fn multipart(boundary: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"f\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

/// How a member of a zip is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflated,
    /// Deflated, with its checksum after it.
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
