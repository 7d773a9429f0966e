//! Zstandard (RFC 8878). Its decoder gives bytes out only when it needs them no more, so a
//! body is unpacked whole, block by block.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Output, Unreadable};

/// The longest that is kept for it: so much for each body that is under way.
pub(super) const LONGEST: usize = 1 << 20;
/// The widest window (RFC 9659).
const WIDEST: u64 = 8 << 20;

/// A body of zstd under way.
#[derive(Default)]
pub(super) struct Zstd {
    came: Vec<u8>,
}

impl Zstd {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if self.came.len() + bytes.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        self.came.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.came.is_empty()
    }

    /// Every frame there is.
    pub(super) fn unpack(&mut self, out: &mut Output) -> Result<(), Unreadable> {
        let came = std::mem::take(&mut self.came);
        let mut rest = came.as_slice();
        while !rest.is_empty() {
            rest = match rest {
                // A frame to be skipped: magic, length, anything.
                [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, behind @ ..] => {
                    let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
                    behind.get(length..).ok_or(Unreadable::Broken)?
                }
                _ => frame(rest, out)?,
            };
        }
        Ok(())
    }
}

/// Unpacks the first frame; gives back what is behind it.
fn frame<'a>(mut rest: &'a [u8], out: &mut Output) -> Result<&'a [u8], Unreadable> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WIDEST);
    decoder.init(&mut rest).map_err(|_| Unreadable::Broken)?;
    let mut piece = [0; 16 << 10];
    loop {
        let done =
            decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1)).map_err(|_| Unreadable::Broken)?;
        loop {
            let made = decoder.read(&mut piece).map_err(|_| Unreadable::Broken)?;
            if made == 0 {
                break;
            }
            out.take(&piece[..made])?;
        }
        if done {
            return Ok(rest);
        }
    }
}
