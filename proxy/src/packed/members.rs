//! Gzip (RFC 1952) and zip (APPNOTE 6.3): members one behind the other, each with a header
//! of its own before its deflate. A zip is read as it comes, by its local headers.

use miniz_oxide::DataFormat;

use super::deflate::Inflating;
use super::{Output, Unreadable};

/// A file of members under way.
pub(super) struct Members {
    format: Format,
    step: Step,
}

#[derive(Clone, Copy)]
enum Format {
    Gzip,
    Zip,
}

enum Step {
    /// The beginning of a header, or of what lies between a zip's members.
    Header(Vec<u8>),
    Deflated(Inflating),
    /// So many bytes that are not packed, or belong to nothing: they are looked at as they are.
    Skip(u64),
    /// A zip's directory: no member comes any more.
    Ended,
}

/// No header is longer: names and comments have 64 KiB each in zip.
const LONGEST_HEADER: usize = 256 << 10;
const GZIP_TRAILER: u64 = 8;
const LOCAL: &[u8] = b"PK\x03\x04";
const DIRECTORY: &[u8] = b"PK\x01\x02";

impl Members {
    pub(super) fn gzip() -> Self {
        Members { format: Format::Gzip, step: Step::Header(Vec::new()) }
    }

    pub(super) fn zip() -> Self {
        Members { format: Format::Zip, step: Step::Header(Vec::new()) }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Header(header) => {
                    let before = header.len();
                    header.extend_from_slice(bytes);
                    let read = match self.format {
                        Format::Gzip => gzip_header(header),
                        Format::Zip => zip_header(header),
                    }?;
                    let Some((length, step)) = read else {
                        return if header.len() > LONGEST_HEADER { Err(Unreadable::Broken) } else { Ok(()) };
                    };
                    // The header cannot have been whole before these bytes came.
                    bytes = &bytes[length.saturating_sub(before)..];
                    self.step = step;
                }
                Step::Deflated(stream) => {
                    let (taken, ended) = stream.push(bytes, out)?;
                    bytes = &bytes[taken..];
                    if ended {
                        self.step = match self.format {
                            Format::Gzip => Step::Skip(GZIP_TRAILER),
                            Format::Zip => Step::Header(Vec::new()),
                        };
                    } else if !bytes.is_empty() {
                        return Err(Unreadable::Broken);
                    }
                }
                Step::Skip(left) => {
                    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    bytes = &bytes[length..];
                    *left -= length as u64;
                    if *left == 0 {
                        self.step = Step::Header(Vec::new());
                    }
                }
                Step::Ended => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        match &self.step {
            Step::Header(header) => header.is_empty(),
            Step::Ended => true,
            Step::Deflated(_) | Step::Skip(_) => false,
        }
    }
}

type Read = Result<Option<(usize, Step)>, Unreadable>;

/// How long the header is, once it is whole (RFC 1952 §2.3).
fn gzip_header(bytes: &[u8]) -> Read {
    let magic = [0x1f, 0x8b, 8];
    if !bytes.starts_with(&magic[..bytes.len().min(3)]) {
        return Err(Unreadable::Broken);
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    // The name, then a comment, each up to a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    Ok((bytes.len() >= at).then(|| (at, Step::Deflated(Inflating::new(DataFormat::Raw)))))
}

/// The next local header (APPNOTE §4.3.7), behind the sums of the member before (§4.3.9),
/// which come in four lengths.
fn zip_header(bytes: &[u8]) -> Read {
    let starts = |at: usize, what: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(what));
    let Some(at) = [0, 12, 16, 20, 24].into_iter().find(|&at| starts(at, LOCAL) || starts(at, DIRECTORY)) else {
        return if bytes.len() < 28 { Ok(None) } else { Err(Unreadable::Broken) };
    };
    if starts(at, DIRECTORY) {
        return Ok(Some((at, Step::Ended)));
    }
    let Some(header) = bytes.get(at..at + 30) else { return Ok(None) };
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (flags, method) = (number(6), number(8));
    let length = at + 30 + usize::from(number(26)) + usize::from(number(28));
    let packed = u64::from(number(18)) | u64::from(number(20)) << 16;
    // Encrypted, or stored without saying how long.
    if flags & 1 != 0 || (method == 0 && (flags & 8 != 0 || packed == u64::from(u32::MAX))) {
        return Err(Unreadable::Encrypted);
    }
    let step = match method {
        0 if packed == 0 => Step::Header(Vec::new()),
        0 => Step::Skip(packed),
        8 => Step::Deflated(Inflating::new(DataFormat::Raw)),
        _ => return Err(Unreadable::Encrypted),
    };
    Ok((bytes.len() >= length).then_some((length, step)))
}
