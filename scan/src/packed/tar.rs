//! Tar (POSIX.1-2001 pax, ustar, GNU): a header of 512 bytes before each file, which is padded to a
//! multiple of that.

use super::{Output, Unreadable};

/// A tar archive in progress.
pub(super) struct Tar {
    header: Vec<u8>,
    /// How many bytes of the file are still to come, and then how many pad its last block.
    left: u64,
    filling: u64,
    step: Step,
}

#[derive(PartialEq, Eq)]
enum Step {
    Files,
    /// A block of zeros came: the end, unless the reader goes on (`tar --ignore-zeros`).
    Zeros,
    Ended,
}

pub(super) const BLOCK: usize = 512;

impl Tar {
    pub(super) fn new() -> Self {
        Tar { header: Vec::new(), left: 0, filling: 0, step: Step::Files }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        while !bytes.is_empty() && self.step != Step::Ended {
            if self.left > 0 {
                let file = cut(&mut bytes, &mut self.left);
                out.within(file)?;
            } else if self.filling > 0 {
                cut(&mut bytes, &mut self.filling);
            } else {
                let take = bytes.len().min(BLOCK - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if self.header.len() == BLOCK {
                    self.block(out)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.step != Step::Files || (self.left == 0 && self.header.is_empty())
    }

    fn block(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let header = std::mem::take(&mut self.header);
        if header.iter().all(|byte| *byte == 0) {
            self.step = Step::Zeros;
            return Ok(());
        }
        match size(&header) {
            Some(size) => {
                self.step = Step::Files;
                self.left = size;
                self.filling = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
                out.begins()
            }
            None if self.step == Step::Zeros => {
                self.step = Step::Ended;
                Ok(())
            }
            None => Err(Unreadable::Broken),
        }
    }
}

/// Cuts off the beginning of the bytes, at most `left` of them.
fn cut<'a>(bytes: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    let (first, rest) = bytes.split_at(length);
    *bytes = rest;
    *left -= length as u64;
    first
}

/// The length of the file after this block, if the block is a header: its checksum decides.
pub(super) fn size(block: &[u8]) -> Option<u64> {
    let block = block.get(..BLOCK)?;
    let sum = octal(&block[148..156])?;
    let counted = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    if block[0] == 0 && block[345] == 0 || counted.map(u64::from).sum::<u64>() != sum {
        return None;
    }
    // Links and folders have no content, whatever they say.
    if matches!(block[156], b'1'..=b'6') {
        return Some(0);
    }
    match &block[124..136] {
        [0x80, long @ ..] => Some(long.iter().fold(0, |size: u64, byte| size.wrapping_shl(8) | u64::from(*byte))),
        short => octal(short),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c| matches!(c, ' ' | '\0')), 8).ok()
}
