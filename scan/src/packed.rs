//! Packed bodies: compressed contents are looked into, within bounds.
//!
//! What it is: an [`Unpacker`] that undoes the codings of `Content-Encoding` (gzip, deflate, br, zstd and, going
//! up, aws-chunked; at most two of them nested), and a [`Look`] into everything that a body holds: its codings,
//! the parts of a multipart body, and gzip, zip, zstd, xz, bzip2, zlib, tar, ar and PDF files that no header
//! announces, and those in them. What it is not: a way to change a body. What a [`Look`] finds is inspected and
//! dropped.
//!
//! **Invariants**
//! - It is a stream: the memory in use is bounded, however long the body is.
//! - The output is at most a hundred times the input, plus some megabytes.
//! - Whatever can be unpacked from the input so far has been given out, except for the bytes that
//!   [`Look::digested`] does not count yet.

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

mod ar;
mod behind;
mod brotli;
mod bzip2;
mod declared;
mod deflate;
mod frames;
mod gzip;
mod layer;
mod look;
mod messages;
mod multipart;
mod pdf;
mod queue;
mod sniff;
mod tar;
mod xz;
mod zip;
mod zstd;

pub use declared::parameters;
pub use layer::Piece;
pub use look::{Look, Sink};
pub use queue::Queue;

use frames::Frames;
use layer::{Layer, Output};

/// How many codings may be nested.
const DEEPEST: usize = 2;
/// How many files may be nested, not counting codings: a document in a zip in a compressed tar is
/// four.
const DEEPEST_FILE: usize = 5;
/// How many bytes one packed byte may become, beyond the first [`SLACK`].
const RATIO: u64 = 100;
const SLACK: u64 = 8 << 20;
/// How much one step may make of its input if all of it is kept.
const AT_ONCE: usize = 64 << 20;
/// The widest window of zstd (RFC 9659) and xz: each takes this much memory.
const WIDEST: u64 = 8 << 20;

/// Why a packed body cannot be looked into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A coding other than those above, by its name.
    #[error("its Content-Encoding, {0}, is not one of gzip, deflate, br, zstd and aws-chunked")]
    Unknown(Box<str>),
    /// The frames of aws-chunked are wrong, or hold more or less than the head promises.
    #[error("its frames of aws-chunked are damaged, or not as long together as x-amz-decoded-content-length says")]
    Frames,
    /// Too many codings, or files within files.
    #[error("it was packed more than {DEEPEST} times over, or holds archives more than {DEEPEST_FILE} deep")]
    Nested,
    /// The bytes are not in the format that was declared.
    #[error("it is not what its Content-Encoding or its first bytes say, or it breaks off")]
    Broken,
    /// A bomb, or close to one.
    #[error("unpacked it is more than {RATIO} times as long, or {} MiB in one piece", AT_ONCE >> 20)]
    Bomb,
    /// An archive or a document with a password, or in a form of its own.
    #[error("it holds a file that is encrypted, or packed in another way than deflate")]
    Encrypted,
    /// It needs more memory than any body gets.
    #[error("it wants a window wider than {} MiB to be unpacked", WIDEST >> 20)]
    Wide,
    /// A file of a kind that cannot be unpacked here.
    #[error("it is or holds {0}, which cannot be looked into")]
    Kind(&'static str),
    /// A message of gRPC or Connect whose flags say that it is compressed.
    #[error("it holds messages of gRPC that are compressed")]
    Message,
}

impl Unreadable {
    /// For a coding of this name, as far as it can be shown.
    fn unknown(coding: &str) -> Self {
        let shown = |c: &char| c.is_ascii_alphanumeric() || "-_.+/".contains(*c);
        Unreadable::Unknown(coding.chars().filter(shown).take(32).collect())
    }

    /// What the sender of such a body can do about it.
    pub fn advice(&self) -> &'static str {
        const SWITCH: &str = "let the client send no frames: for the AWS SDKs and their command line, \
                              AWS_REQUEST_CHECKSUM_CALCULATION=when_required in the environment";
        match self {
            Unreadable::Frames => SWITCH,
            Unreadable::Unknown(coding) if NO_CODINGS.contains(&&**coding) => {
                "that word names no way of packing: leave the header out"
            }
            Unreadable::Message => "let the client compress none",
            _ => "send it as it is, or as gzip",
        }
    }
}

/// What clients put there although it packs nothing: charsets, protocols, or an empty value.
const NO_CODINGS: [&str; 13] = [
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "iso-8859-1",
    "amz-1.0",
    "none",
    "null",
    "plain",
    "binary",
    "7bit",
    "8bit",
    "base64",
];

/// Undoes the codings of one body as it passes.
pub struct Unpacker {
    look: Look,
    /// The number of codings.
    codings: usize,
    is_large: bool,
}

impl Unpacker {
    /// For the headers of an answer; `None` if they name no coding.
    pub fn declared(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        Ok(Self::through(codings(headers)?))
    }

    /// The same for a request, which may come in frames.
    pub fn of_request(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        Ok(Self::through(codings_of_request(headers)?))
    }

    fn through(layers: Vec<Layer>) -> Option<Self> {
        let (codings, is_large) = (layers.len(), layers.iter().any(Layer::is_large));
        (codings > 0).then(|| Unpacker { look: Look::through(layers), codings, is_large })
    }

    /// Unpacks these bytes.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Unreadable> {
        self.all(|look, sink| look.push(chunk, sink))
    }

    /// Ends the body, and returns whatever else it unpacks to.
    pub fn finish(&mut self) -> Result<Vec<u8>, Unreadable> {
        self.all(Look::finish)
    }

    /// Whether it takes megabytes however little comes: the sender chooses the window size.
    pub fn is_large(&self) -> bool {
        self.is_large
    }

    fn all(
        &mut self,
        step: impl FnOnce(&mut Look, &mut Sink<'_>) -> Result<(), Unreadable>,
    ) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::new();
        let innermost = self.codings;
        step(&mut self.look, &mut |depth, piece| {
            let Piece::Unpacked(bytes) = piece else { return Ok(()) };
            if depth < innermost {
                return Ok(());
            }
            if out.len() + bytes.len() > AT_ONCE {
                return Err(Unreadable::Bomb);
            }
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }
}

/// The codings of an answer, outermost first.
fn codings(headers: &HeaderMap) -> Result<Vec<Layer>, Unreadable> {
    let mut names = named(headers)?;
    // A reader of the answer unpacks nothing for these either.
    names.retain(|name| !NO_CODINGS.contains(&&**name) || name == "base64");
    layers(&names)
}

/// The codings of a request, outermost first: frames come first, if there are any.
fn codings_of_request(headers: &HeaderMap) -> Result<Vec<Layer>, Unreadable> {
    let mut names = named(headers)?;
    let before = names.len();
    names.retain(|name| name != frames::NAME);
    match before - names.len() {
        0 if !Frames::are_meant(headers) => layers(&names),
        0 | 1 if names.len() < DEEPEST => {
            let frames = Layer::Frames(Frames::of(headers)?);
            Ok(std::iter::once(frames).chain(layers(&names)?).collect())
        }
        _ => Err(Unreadable::Nested),
    }
}

/// The codings that the headers name, in their order.
fn named(headers: &HeaderMap) -> Result<Vec<String>, Unreadable> {
    let named = |name| headers.get_all(name).iter().flat_map(each).filter(|coding| coding != "identity");
    // Their messages are compressed one by one, each with its own prefix.
    if ["grpc-encoding", "connect-content-encoding"].into_iter().any(|name| named(name).next().is_some()) {
        return Err(Unreadable::Message);
    }
    Ok(named(CONTENT_ENCODING.as_str()).collect())
}

fn layers(names: &[String]) -> Result<Vec<Layer>, Unreadable> {
    let mut layers = names.iter().map(|name| layer::of_coding(name)).collect::<Result<Vec<_>, _>>()?;
    if layers.len() > DEEPEST {
        return Err(Unreadable::Nested);
    }
    layers.reverse();
    Ok(layers)
}

/// The codings in one header value.
fn each(value: &HeaderValue) -> impl Iterator<Item = String> {
    let parts = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    parts.filter(|part| !part.is_empty()).map(|part| String::from_utf8_lossy(part).to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
