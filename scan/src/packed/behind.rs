//! Packed files that begin after other bytes: after the script of a zipapp or self-extracting archive, the header of
//! a browser extension, an empty line or a byte order mark. Readers of zip search for its end, and those of PDF allow
//! 1024 bytes of anything before it.

use memchr::memmem;

use super::gzip::Gzip;
use super::layer::Layer;
use super::pdf::Pdf;
use super::zip::Zip;

/// This much of a file is searched. Whatever begins later is not found here (SECURITY.md).
const FAR: usize = 64 << 10;
/// No reader looks for a PDF beyond this (ISO 32000-1, annex H.3.4).
const FAR_OF_PDF: usize = 1024;
/// The fixed part of a local header of zip, the longest of these headers.
const HEADER: usize = 30;

/// Searches the beginning of one file as it passes.
#[derive(Default)]
pub(super) struct Behind {
    /// How many bytes have gone by.
    gone: usize,
    /// The last of them, where a header may have begun.
    tail: Vec<u8>,
}

impl Behind {
    /// Takes the next bytes. Returns the first packed file that begins in them, with its bytes so
    /// far.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<(Layer, Vec<u8>)> {
        if self.gone >= FAR {
            return None;
        }
        let from = self.gone - self.tail.len();
        let mut all = std::mem::take(&mut self.tail);
        all.extend_from_slice(bytes);
        self.gone += bytes.len();
        if let Some((at, layer)) = first(&all, from) {
            all.drain(..at);
            return Some((layer, all));
        }
        if self.gone < FAR {
            all.drain(..all.len().saturating_sub(HEADER - 1));
            self.tail = all;
        }
        None
    }
}

fn first(bytes: &[u8], from: usize) -> Option<(usize, Layer)> {
    let find = |sign: &[u8], is_one: fn(&[u8]) -> bool| memmem::find_iter(bytes, sign).find(|at| is_one(&bytes[*at..]));
    let pdf = find(b"%PDF-", |_| true).filter(|at| from + at < FAR_OF_PDF);
    let all = [
        find(b"PK\x03\x04", is_zip).map(|at| (at, Layer::Zip(Zip::new()))),
        find(b"\x1f\x8b\x08", is_gzip).map(|at| (at, Layer::Gzip(Gzip::sniffed()))),
        pdf.map(|at| (at, Layer::Pdf(Pdf::new(false)))),
    ];
    all.into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// A local header (APPNOTE 4.3.7): a valid version, flags and method, and a name.
fn is_zip(header: &[u8]) -> bool {
    let Some(header) = header.get(..HEADER) else { return false };
    let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let method = matches!(word(8), 0 | 8 | 9 | 12 | 14 | 93 | 95 | 98 | 99);
    word(4) <= 63 && word(6) & 0xc000 == 0 && method && (1..=4096).contains(&word(26))
}

/// RFC 1952: valid flags, compression level and operating system.
fn is_gzip(header: &[u8]) -> bool {
    let Some(header) = header.get(..10) else { return false };
    header[3] & 0xe0 == 0 && matches!(header[8], 0 | 2 | 4) && (header[9] <= 13 || header[9] == 255)
}
