//! Brotli (RFC 7932), without the large windows, which are not part of it.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Output, Unreadable};

/// A brotli stream in progress.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Brotli { state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())), ended: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        if self.ended {
            return if bytes.is_empty() { Ok(()) } else { Err(Unreadable::Broken) };
        }
        let mut piece = [0; 16 << 10];
        let (mut left, mut taken, mut total) = (bytes.len(), 0, 0);
        loop {
            let (mut room, mut made) = (piece.len(), 0);
            let state = &mut self.state;
            let result = BrotliDecompressStream(
                &mut left, &mut taken, bytes, &mut room, &mut made, &mut piece, &mut total, state,
            );
            out.take(&piece[..made])?;
            match result {
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultSuccess if left == 0 => {
                    self.ended = true;
                    return Ok(());
                }
                BrotliResult::ResultSuccess | BrotliResult::ResultFailure => return Err(Unreadable::Broken),
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }
}
