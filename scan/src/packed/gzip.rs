//! Gzip (RFC 1952): consecutive members, each with its own header.

use miniz_oxide::DataFormat;

use super::deflate::Inflating;
use super::{Output, Unreadable};

/// A gzip file in progress.
pub(super) struct Gzip {
    step: Step,
    /// Whether an HTTP header declares it, so that nothing else may follow it.
    declared: bool,
    members: u64,
}

enum Step {
    /// The beginning of a header.
    Header(Vec<u8>),
    Deflated(Inflating),
    /// This many bytes of the checksum and length after a member.
    Sums(usize),
    /// Something other than a member followed, which `gzip` ignores too.
    Ended,
}

/// The longest header.
const LONGEST_HEADER: usize = 256 << 10;
const SUMS: usize = 8;

impl Gzip {
    pub(super) fn sniffed() -> Self {
        Gzip { step: Step::Header(Vec::new()), declared: false, members: 0 }
    }

    pub(super) fn declared() -> Self {
        Gzip { declared: true, ..Gzip::sniffed() }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Header(header) => {
                    if header.is_empty() && self.members > 0 && !self.declared {
                        // Tapes are padded with zeros.
                        bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
                    }
                    let before = header.len();
                    header.extend_from_slice(bytes);
                    match length_of_header(header) {
                        Ok(Some(length)) => {
                            // The header cannot have been complete before these bytes.
                            bytes = &bytes[length.saturating_sub(before)..];
                            self.step = Step::Deflated(Inflating::new(DataFormat::Raw));
                        }
                        Ok(None) if header.len() > LONGEST_HEADER => return Err(Unreadable::Broken),
                        Ok(None) => return Ok(()),
                        Err(_) if self.members > 0 && !self.declared => self.step = Step::Ended,
                        Err(why) => return Err(why),
                    }
                }
                Step::Deflated(stream) => {
                    let (taken, ended) = stream.push(bytes, out)?;
                    bytes = &bytes[taken..];
                    if ended {
                        self.step = Step::Sums(SUMS);
                        self.members += 1;
                    } else if !bytes.is_empty() {
                        return Err(Unreadable::Broken);
                    }
                }
                Step::Sums(left) => {
                    let length = bytes.len().min(*left);
                    bytes = &bytes[length..];
                    *left -= length;
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
            Step::Header(header) => header.is_empty() || (self.members > 0 && !self.declared),
            Step::Ended => true,
            Step::Deflated(_) | Step::Sums(_) => false,
        }
    }
}

/// The length of the header, once it is complete (RFC 1952 §2.3).
fn length_of_header(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
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
    // The name, then a comment, each ended by a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    Ok((bytes.len() >= at).then_some(at))
}
