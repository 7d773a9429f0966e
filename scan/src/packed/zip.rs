//! Zip (APPNOTE 6.3), read front to back by its local headers, wherever they are: bytes between
//! members (checksums, an Android signature, a directory, another zip) hide none.

use memchr::memmem;
use miniz_oxide::DataFormat;

use super::deflate::Inflating;
use super::{Output, Unreadable};

/// A zip archive in progress.
pub(super) struct Zip {
    step: Step,
}

enum Step {
    /// Between members, or in one that is stored without a length: the last bytes, which may begin
    /// a header.
    Between {
        tail: Vec<u8>,
        loose: bool,
    },
    /// The beginning of a local header.
    Header(Vec<u8>),
    Deflated(Inflating),
    /// This many bytes of a stored member.
    Stored(u64),
}

const BETWEEN: Step = Step::Between { tail: Vec::new(), loose: false };
const LOCAL: &[u8] = b"PK\x03\x04";
/// A local header without its name and extra field.
const HEADER: usize = 30;

impl Zip {
    pub(super) fn new() -> Self {
        Zip { step: BETWEEN }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Between { tail, loose } => {
                    let (before, behind) = header_in(tail, bytes);
                    if *loose {
                        out.within(&before)?;
                    }
                    match behind {
                        Some(behind) => {
                            bytes = &bytes[behind..];
                            self.step = Step::Header(LOCAL.to_vec());
                        }
                        None => return Ok(()),
                    }
                }
                Step::Header(header) => {
                    // One byte at a time would be enough; this is short.
                    let wanted = length_of_header(header).unwrap_or(HEADER);
                    let take = bytes.len().min(wanted.saturating_sub(header.len()));
                    header.extend_from_slice(&bytes[..take]);
                    bytes = &bytes[take..];
                    if length_of_header(header) == Some(header.len()) {
                        let step = member(header)?;
                        out.begins()?;
                        self.step = step;
                    }
                }
                Step::Deflated(stream) => match stream.push(bytes, out) {
                    Ok((taken, ended)) => {
                        bytes = &bytes[taken..];
                        if ended || !bytes.is_empty() {
                            self.step = BETWEEN;
                        }
                    }
                    // One member is damaged, and the others are read all the same.
                    Err(Unreadable::Broken) => self.step = BETWEEN,
                    Err(why) => return Err(why),
                },
                Step::Stored(left) => {
                    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    out.within(&bytes[..length])?;
                    bytes = &bytes[length..];
                    *left -= length as u64;
                    if *left == 0 {
                        self.step = BETWEEN;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(&self.step, Step::Between { .. })
    }
}

/// The bytes before a header's signature, and where in `bytes` the signature ends, if there is one.
/// If not, the last bytes that may begin one stay in the tail.
fn header_in(tail: &mut Vec<u8>, bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let seam = tail.len();
    tail.extend_from_slice(bytes);
    if let Some(at) = memmem::find(tail, LOCAL) {
        return (tail[..at].to_vec(), Some(at + LOCAL.len() - seam));
    }
    let last = tail.len().saturating_sub(LOCAL.len() - 1);
    let before = tail.drain(..last).collect();
    (before, None)
}

/// Length of the header with name and extra field, once both lengths are known.
fn length_of_header(header: &[u8]) -> Option<usize> {
    header.get(..HEADER).map(|header| HEADER + usize::from(number(header, 26)) + usize::from(number(header, 28)))
}

fn number(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
}

/// The contents after a local header (APPNOTE §4.3.7).
fn member(header: &[u8]) -> Result<Step, Unreadable> {
    let (flags, method) = (number(header, 6), number(header, 8));
    let (name, extra) = header[HEADER..].split_at_checked(number(header, 26).into()).ok_or(Unreadable::Broken)?;
    let mut packed = u64::from(number(header, 18)) | u64::from(number(header, 20)) << 16;
    if packed == u64::from(u32::MAX) {
        packed = long(extra).ok_or(Unreadable::Encrypted)?;
    }
    if flags & 1 != 0 {
        return Err(Unreadable::Encrypted);
    }
    match method {
        0 if flags & 8 == 0 && packed > 0 => Ok(Step::Stored(packed)),
        0 if flags & 8 == 0 || name.ends_with(b"/") => Ok(BETWEEN),
        // Stored without a length: up to the next header.
        0 => Ok(Step::Between { tail: Vec::new(), loose: true }),
        8 => Ok(Step::Deflated(Inflating::new(DataFormat::Raw))),
        // Another compression method.
        _ => Err(Unreadable::Encrypted),
    }
}

/// The packed length of a zip64 member (APPNOTE §4.5.3): the second number in its field.
fn long(mut extra: &[u8]) -> Option<u64> {
    loop {
        let (head, rest) = extra.split_at_checked(4)?;
        let (field, rest) = rest.split_at_checked(number(head, 2).into())?;
        if number(head, 0) == 1 {
            return field.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        }
        extra = rest;
    }
}
