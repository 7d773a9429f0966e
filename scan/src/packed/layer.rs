//! One way of packing, and its output.

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

/// Something packed, or a container of files, in progress.
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

/// The output of a layer.
#[derive(Clone, Copy)]
pub enum Piece<'a> {
    /// Another file begins.
    Begins,
    /// Bytes of it that did not stand like this in the input.
    Unpacked(&'a [u8]),
    /// Bytes of it that stood like this in the input.
    Within(&'a [u8]),
}

/// Receives the output of a layer.
pub(super) type Onward<'a> = dyn FnMut(Piece<'_>) -> Result<(), Unreadable> + 'a;

/// Passes on the output of a layer, in pieces of a useful size.
pub(super) struct Output<'a, 'b> {
    onward: &'a mut Onward<'b>,
    unpacked: Vec<u8>,
}

/// The size of a piece.
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

    /// Bytes that stood in the input.
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

    /// No more bytes follow. An error if the layer is incomplete.
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
            // Truncation hides nothing here.
            Layer::Messages(_) | Layer::Pdf(_) => true,
        };
        if whole { Ok(()) } else { Err(Unreadable::Broken) }
    }

    /// How many bytes of the input were not looked at yet.
    pub(super) fn lag(&self) -> u64 {
        match self {
            Layer::Multipart(layer) => layer.lag(),
            Layer::Xz(layer) => layer.lag(),
            Layer::Zstd(layer) => layer.lag(),
            _ => 0,
        }
    }

    /// The most bytes that were unpacked but not given out yet.
    pub(super) fn retained(&self) -> u64 {
        match self {
            Layer::Zstd(layer) => layer.retained(),
            _ => 0,
        }
    }

    /// Whether it decompresses, rather than only contains.
    pub(super) fn unpacks(&self) -> bool {
        !matches!(self, Layer::Ar(_) | Layer::Frames(_) | Layer::Messages(_) | Layer::Multipart(_) | Layer::Tar(_))
    }

    /// Whether it takes megabytes however little comes.
    pub(super) fn is_large(&self) -> bool {
        matches!(self, Layer::Brotli(_) | Layer::Bzip2(_) | Layer::Xz(_) | Layer::Zstd(_))
    }
}

/// The layer that undoes an HTTP coding.
pub(super) fn of_coding(coding: &str) -> Result<Layer, Unreadable> {
    Ok(match coding {
        "gzip" | "x-gzip" => Layer::Gzip(Gzip::declared()),
        "deflate" => Layer::Deflate(Deflate::default()),
        "br" => Layer::Brotli(Brotli::new()),
        "zstd" => Layer::Zstd(Box::new(Zstd::new(true))),
        _ => return Err(Unreadable::unknown(coding)),
    })
}
