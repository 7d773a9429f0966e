//! Zstandard (RFC 8878), block by block. Its decoder gives bytes out only when it no longer needs
//! them: up to a window of them is retained, and the input they came from waits.

use std::io::Read;

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Output, Unreadable, WIDEST};

/// A zstd body in progress.
pub(super) struct Zstd {
    /// Bytes that do not make a complete header or block yet.
    came: Vec<u8>,
    step: Step,
    decoder: FrameDecoder,
    /// Whether an HTTP header declares it, so that nothing else may follow it.
    declared: bool,
    frames: u64,
}

#[derive(Clone, Copy)]
enum Step {
    /// Before a frame.
    Frame,
    /// In a frame; whether it ends with a checksum, and how much of it is retained.
    Block { sums: bool, window: u64 },
    /// This many bytes of a skippable frame.
    Skip(u64),
    /// Something other than a frame followed.
    Ended,
}

/// The longest block, with its header and the checksum after the last.
const LONGEST_BLOCK: usize = (128 << 10) + 3 + 4;

impl Zstd {
    pub(super) fn new(declared: bool) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WIDEST);
        Zstd { came: Vec::new(), step: Step::Frame, decoder, declared, frames: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut came = std::mem::take(&mut self.came);
        came.extend_from_slice(bytes);
        let mut rest = came.as_slice();
        while !rest.is_empty() {
            let Some(taken) = self.step(rest, out)? else { break };
            rest = &rest[taken..];
        }
        let taken = came.len() - rest.len();
        came.drain(..taken);
        self.came = came;
        Ok(())
    }

    /// No more follows: the output of an incomplete frame is seen too.
    pub(super) fn finish(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        if let Step::Block { .. } = self.step {
            self.give_all(out)?;
        }
        if self.is_whole() { Ok(()) } else { Err(Unreadable::Broken) }
    }

    fn is_whole(&self) -> bool {
        match self.step {
            Step::Frame => self.came.is_empty() || (self.frames > 0 && !self.declared),
            Step::Ended => true,
            Step::Block { .. } | Step::Skip(_) => false,
        }
    }

    pub(super) fn lag(&self) -> u64 {
        self.came.len() as u64
    }

    /// The most bytes that are unpacked and not given out.
    pub(super) fn retained(&self) -> u64 {
        if let Step::Block { window, .. } = self.step { window } else { 0 }
    }

    /// Takes a header, a block or bytes to be skipped; `None` if it is incomplete.
    fn step(&mut self, rest: &[u8], out: &mut Output<'_, '_>) -> Result<Option<usize>, Unreadable> {
        match self.step {
            Step::Frame => self.begin(rest),
            Step::Ended => Ok(Some(rest.len())),
            Step::Skip(left) => {
                let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - taken as u64;
                self.step = if left == 0 { Step::Frame } else { Step::Skip(left) };
                Ok(Some(taken))
            }
            Step::Block { sums, .. } => match length_of_block(rest, sums)? {
                Some(length) if length <= rest.len() => self.block(&rest[..length], out).map(|()| Some(length)),
                _ => Ok(None),
            },
        }
    }

    fn begin(&mut self, rest: &[u8]) -> Result<Option<usize>, Unreadable> {
        let Some(&[a, b, c, d, flags]) = rest.get(..5) else { return Ok(None) };
        match [a, b, c, d] {
            // A skippable frame: magic number, length, anything.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                let Some(length) = rest.get(4..8).and_then(|bytes| bytes.try_into().ok()) else { return Ok(None) };
                let length = u32::from_le_bytes(length);
                self.step = if length == 0 { Step::Frame } else { Step::Skip(length.into()) };
                Ok(Some(8))
            }
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let length = length_of_header(flags);
                let Some(mut header) = rest.get(..length) else { return Ok(None) };
                let window = window(header);
                self.decoder.init(&mut header).map_err(|why| match why {
                    FrameDecoderError::WindowSizeTooBig { .. } => Unreadable::Wide,
                    _ => Unreadable::Broken,
                })?;
                self.step = Step::Block { sums: flags & 4 != 0, window };
                Ok(Some(length))
            }
            _ if self.frames > 0 && !self.declared => {
                self.step = Step::Ended;
                Ok(Some(rest.len()))
            }
            [0x04, 0x22, 0x4d, 0x18] => Err(Unreadable::Kind("an lz4 file")),
            _ => Err(Unreadable::Broken),
        }
    }

    fn block(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Ok(done) = self.decoder.decode_blocks(&mut bytes, one) else {
            self.give_all(out)?;
            return Err(Unreadable::Broken);
        };
        self.give(out)?;
        if done {
            self.step = Step::Frame;
            self.frames += 1;
        }
        Ok(())
    }

    fn give(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut piece = [0; 16 << 10];
        loop {
            let made = self.decoder.read(&mut piece).map_err(|_| Unreadable::Broken)?;
            if made == 0 {
                return Ok(());
            }
            out.take(&piece[..made])?;
        }
    }

    /// Gives out what is retained of a frame that goes no further. To end it, the decoder gets an
    /// empty last block, with a checksum that is not checked.
    fn give_all(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut end = &[1, 0, 0, 0, 0, 0, 0][..];
        // It may be too damaged for that too.
        let _ = self.decoder.decode_blocks(&mut end, BlockDecodingStrategy::UptoBlocks(1));
        self.give(out)
    }
}

/// RFC 8878 §3.1.1.1: the length, from the header's first byte.
fn length_of_header(flags: u8) -> usize {
    let single = flags & 32 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(flags & 3)];
    let content = match flags >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    5 + usize::from(!single) + dictionary + content
}

/// RFC 8878 §3.1.1.1.2: the window size from its descriptor. Without one, the window is as large as
/// the whole frame, but no larger than the widest.
fn window(header: &[u8]) -> u64 {
    if header[4] & 32 != 0 {
        return WIDEST;
    }
    let base = 1_u64 << (10 + u32::from(header[5] >> 3));
    base + base / 8 * u64::from(header[5] & 7)
}

/// RFC 8878 §3.1.1.2: with its header, and the checksum after the last block.
fn length_of_block(bytes: &[u8], sums: bool) -> Result<Option<usize>, Unreadable> {
    let Some(&[a, b, c]) = bytes.get(..3) else { return Ok(None) };
    let header = u32::from_le_bytes([a, b, c, 0]);
    let size = match header >> 1 & 3 {
        1 => 1,
        _ => (header >> 3) as usize,
    };
    let behind = if header & 1 != 0 && sums { 4 } else { 0 };
    let length = 3 + size + behind;
    if length > LONGEST_BLOCK { Err(Unreadable::Broken) } else { Ok(Some(length)) }
}
