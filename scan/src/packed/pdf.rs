//! PDF (ISO 32000): its zlib streams, which hold nearly all text in today's files.
//!
//! What it is not: a reader of PDF. Streams with other filters (pictures, LZW, ASCII85 around zlib)
//! are not unpacked. A stream that declares deflate alone and is not deflate is encrypted.

use memchr::memmem;
use miniz_oxide::DataFormat;

use super::deflate::{self, Inflating};
use super::{Output, Unreadable};

/// A PDF in progress.
pub(super) struct Pdf {
    step: Step,
    /// Whether an encrypted one is refused.
    strict: bool,
}

enum Step {
    /// Outside of a stream: the last bytes, because a stream's type stands before it.
    Outside(Vec<u8>),
    /// In a stream that may be zlib: its first bytes, and whether it must be.
    Begins(Vec<u8>, bool),
    Inflating(Inflating),
}

const STREAM: &[u8] = b"stream";
/// How far back a stream's dictionary is read.
const DICTIONARY: usize = 1 << 10;

impl Pdf {
    pub(super) fn new(strict: bool) -> Self {
        Pdf { step: Step::Outside(Vec::new()), strict }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Outside(tail) => {
                    let seam = tail.len();
                    tail.extend_from_slice(bytes);
                    let Some((end, dictionary)) = stream_in(tail, seam) else {
                        let older = tail.len().saturating_sub(DICTIONARY);
                        tail.drain(..older);
                        return Ok(());
                    };
                    bytes = &bytes[end - seam..];
                    self.step = Step::Begins(Vec::new(), dictionary);
                }
                Step::Begins(first, must) => {
                    first.push(bytes[0]);
                    bytes = &bytes[1..];
                    let Some(&[a, b]) = first.get(..2) else { continue };
                    if deflate::is_zlib(a, b) {
                        out.begins()?;
                        let mut stream = Inflating::new(DataFormat::Zlib);
                        stream.push(&[a, b], out)?;
                        self.step = Step::Inflating(stream);
                    } else if *must && self.strict && !is_empty(a, b) {
                        return Err(Unreadable::Encrypted);
                    } else {
                        self.step = Step::Outside(vec![a, b]);
                    }
                }
                // Not zlib after all, or damaged: readers show what they can.
                Step::Inflating(stream) => match stream.push(bytes, out) {
                    Ok((taken, ended)) => {
                        bytes = &bytes[taken..];
                        if ended || !bytes.is_empty() {
                            self.step = Step::Outside(Vec::new());
                        }
                    }
                    Err(Unreadable::Broken) => self.step = Step::Outside(Vec::new()),
                    Err(why) => return Err(why),
                },
            }
        }
        Ok(())
    }
}

/// Whether nothing lies between `stream` and `endstream`.
fn is_empty(a: u8, b: u8) -> bool {
    matches!([a, b], [b'e', b'n'] | [b'\r' | b'\n', _])
}

/// Where a stream begins after `seam`, and whether deflate is its only filter.
fn stream_in(text: &[u8], seam: usize) -> Option<(usize, bool)> {
    let from = seam.saturating_sub(STREAM.len() + 1);
    for at in memmem::find_iter(&text[from..], STREAM).map(|at| at + from) {
        let end = at + STREAM.len();
        let behind = match &text[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [b'\n', ..] => end + 1,
            _ => continue,
        };
        if behind <= seam || text[..at].ends_with(b"end") {
            continue;
        }
        let before = &text[at.saturating_sub(DICTIONARY)..at];
        let dictionary = memmem::rfind(before, b" obj").map_or(before, |from| &before[from..]);
        let has = |name: &[u8]| memmem::find(dictionary, name).is_some();
        let others: [&[u8]; 5] = [b"/ASCII", b"/LZW", b"/RunLength", b"/DCT", b"/Crypt"];
        return Some((behind, has(b"/FlateDecode") && !others.into_iter().any(has)));
    }
    None
}
