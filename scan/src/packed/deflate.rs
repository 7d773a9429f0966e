//! Deflate (RFC 1951), and the coding of that name: zlib (RFC 1950), but bare deflate from some
//! senders.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::{Output, Unreadable};

/// A deflate stream in progress.
pub(super) struct Inflating(Box<InflateState>);

impl Inflating {
    pub(super) fn new(format: DataFormat) -> Self {
        Inflating(InflateState::new_boxed(format))
    }

    /// Takes bytes; returns how many, and whether the stream ended after them.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(usize, bool), Unreadable> {
        // As large as the window: if the stream is damaged, everything before the damage is seen.
        let mut piece = [0; 32 << 10];
        let mut taken = 0;
        loop {
            let step = inflate(&mut self.0, &bytes[taken..], &mut piece, MZFlush::None);
            taken += step.bytes_consumed;
            out.take(&piece[..step.bytes_written])?;
            match step.status {
                Ok(MZStatus::StreamEnd) => return Ok((taken, true)),
                Ok(_) | Err(MZError::Buf) if step.bytes_consumed == 0 && step.bytes_written == 0 => {
                    return Ok((taken, false));
                }
                Ok(_) | Err(MZError::Buf) => {}
                Err(_) => return Err(Unreadable::Broken),
            }
        }
    }
}

/// The coding `deflate`.
#[derive(Default)]
pub(super) struct Deflate {
    /// The first two bytes tell which of the two it is.
    start: Vec<u8>,
    stream: Option<Inflating>,
    ended: bool,
}

impl Deflate {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut start = std::mem::take(&mut self.start);
        start.extend_from_slice(bytes);
        if self.stream.is_none() {
            let &[first, second, ..] = start.as_slice() else {
                self.start = start;
                return Ok(());
            };
            let format = if is_zlib(first, second) { DataFormat::Zlib } else { DataFormat::Raw };
            self.stream = Some(Inflating::new(format));
        }
        let Some(stream) = self.stream.as_mut().filter(|_| !self.ended) else {
            return if start.is_empty() { Ok(()) } else { Err(Unreadable::Broken) };
        };
        let (taken, ended) = stream.push(&start, out)?;
        self.ended = ended;
        if taken == start.len() { Ok(()) } else { Err(Unreadable::Broken) }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }
}

/// Whether these are the first two bytes of zlib (RFC 1950 §2.2).
pub(super) fn is_zlib(first: u8, second: u8) -> bool {
    first & 15 == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}
