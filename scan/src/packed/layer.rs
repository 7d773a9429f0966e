//! One way of packing, and what comes out of it.

use super::Unreadable;
use super::ar::Ar;
use super::brotli::Brotli;
use super::bzip2::Bzip2;
use super::deflate::Deflate;
use super::frames::Frames;
use super::gzip::Gzip;
use super::messages::Messages;
use super::multipart::Multipart;
use super::pdf::Pdf;
use super::tar::Tar;
use super::xz::Xz;
use super::zip::Zip;
use super::zstd::Zstd;

/// Something packed, or something that holds files, under way.
pub(super) enum Layer {
    Ar(Ar),
    Brotli(Brotli),
    Bzip2(Box<Bzip2>),
    Deflate(Deflate),
    Frames(Frames),
    Gzip(Gzip),
    Messages(Messages),
    Multipart(Multipart),
    Pdf(Pdf),
    Tar(Tar),
    Xz(Box<Xz>),
    Zip(Zip),
    Zstd(Box<Zstd>),
}

/// What comes out of a layer.
#[derive(Clone, Copy)]
pub enum Piece<'a> {
    /// Another file begins here.
    Begins,
    /// Bytes of it that did not stand like this in what was taken in.
    Unpacked(&'a [u8]),
    /// Bytes of it that did.
    Within(&'a [u8]),
}

/// Takes what comes out of a layer.
pub(super) type Onward<'a> = dyn FnMut(Piece<'_>) -> Result<(), Unreadable> + 'a;

/// Hands on what comes out of a layer, in pieces that are worth looking at.
pub(super) struct Output<'a, 'b> {
    onward: &'a mut Onward<'b>,
    unpacked: Vec<u8>,
}

/// So much is handed on at once.
const PIECE: usize = 64 << 10;

impl<'a, 'b> Output<'a, 'b> {
    pub(super) fn new(onward: &'a mut Onward<'b>) -> Self {
        Output { onward, unpacked: Vec::new() }
    }

    /// Bytes that were unpacked.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.unpacked.extend_from_slice(bytes);
        if self.unpacked.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// Bytes that stood in what was taken in.
    pub(super) fn within(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.flush()?;
        (self.onward)(Piece::Within(bytes))
    }

    /// Another file begins.
    pub(super) fn begins(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        (self.onward)(Piece::Begins)
    }

    pub(super) fn flush(&mut self) -> Result<(), Unreadable> {
        if self.unpacked.is_empty() {
            return Ok(());
        }
        let handed = (self.onward)(Piece::Unpacked(&self.unpacked));
        self.unpacked.clear();
        handed
    }
}

impl Layer {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        match self {
            Layer::Ar(layer) => layer.push(bytes, out),
            Layer::Brotli(layer) => layer.push(bytes, out),
            Layer::Bzip2(layer) => layer.push(bytes, out),
            Layer::Deflate(layer) => layer.push(bytes, out),
            Layer::Frames(layer) => layer.push(bytes, out),
            Layer::Gzip(layer) => layer.push(bytes, out),
            Layer::Messages(layer) => layer.push(bytes),
            Layer::Multipart(layer) => layer.push(bytes, out),
            Layer::Pdf(layer) => layer.push(bytes, out),
            Layer::Tar(layer) => layer.push(bytes, out),
            Layer::Xz(layer) => layer.push(bytes, out),
            Layer::Zip(layer) => layer.push(bytes, out),
            Layer::Zstd(layer) => layer.push(bytes, out),
        }
    }

    /// No more bytes come. Wrong if it is not whole.
    pub(super) fn finish(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let whole = match self {
            Layer::Frames(layer) => return layer.finish(),
            Layer::Multipart(layer) => return layer.finish(out),
            Layer::Zstd(layer) => return layer.finish(out),
            Layer::Ar(layer) => layer.is_whole(),
            Layer::Brotli(layer) => layer.is_whole(),
            Layer::Bzip2(layer) => layer.is_whole(),
            Layer::Deflate(layer) => layer.is_whole(),
            Layer::Gzip(layer) => layer.is_whole(),
            Layer::Tar(layer) => layer.is_whole(),
            Layer::Xz(layer) => layer.is_whole(),
            Layer::Zip(layer) => layer.is_whole(),
            // What is cut short here hides nothing.
            Layer::Messages(_) | Layer::Pdf(_) => true,
        };
        if whole { Ok(()) } else { Err(Unreadable::Broken) }
    }

    /// How many of the bytes that were taken in were not looked at yet.
    pub(super) fn lag(&self) -> u64 {
        match self {
            Layer::Multipart(layer) => layer.lag(),
            Layer::Xz(layer) => layer.lag(),
            Layer::Zstd(layer) => layer.lag(),
            _ => 0,
        }
    }

    /// How many bytes were unpacked at most and not given out yet.
    pub(super) fn retained(&self) -> u64 {
        match self {
            Layer::Zstd(layer) => layer.retained(),
            _ => 0,
        }
    }

    /// Whether something is compressed here, and not just kept.
    pub(super) fn unpacks(&self) -> bool {
        !matches!(self, Layer::Ar(_) | Layer::Frames(_) | Layer::Messages(_) | Layer::Multipart(_) | Layer::Tar(_))
    }

    /// Whether it takes megabytes however little comes.
    pub(super) fn is_large(&self) -> bool {
        matches!(self, Layer::Brotli(_) | Layer::Bzip2(_) | Layer::Xz(_) | Layer::Zstd(_))
    }
}

/// What undoes a coding of HTTP.
pub(super) fn of_coding(coding: &str) -> Result<Layer, Unreadable> {
    Ok(match coding {
        "gzip" | "x-gzip" => Layer::Gzip(Gzip::declared()),
        "deflate" => Layer::Deflate(Deflate::default()),
        "br" => Layer::Brotli(Brotli::new()),
        "zstd" => Layer::Zstd(Box::new(Zstd::new(true))),
        _ => return Err(Unreadable::unknown(coding)),
    })
}
