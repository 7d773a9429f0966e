//! Bytes of a body that wait until they were looked into.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What waits, in the pieces that it came in.
#[derive(Default)]
pub struct Queue {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// How many bytes have gone on.
    gone: u64,
}

/// No more waits: what keeps more than that waiting was made for it. Two windows, and what a
/// piece may bring at once.
const LONGEST: usize = 18 << 20;

impl Queue {
    /// Takes more in.
    pub fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Gives out what came before that many bytes of the whole body.
    pub fn up_to(&mut self, place: u64) -> Bytes {
        let goes = usize::try_from(place.saturating_sub(self.gone)).unwrap_or(usize::MAX).min(self.length);
        self.gone += goes as u64;
        self.length -= goes;
        match self.pieces.pop_front() {
            Some(mut first) if first.len() >= goes => {
                let out = first.split_to(goes);
                if !first.is_empty() {
                    self.pieces.push_front(first);
                }
                out
            }
            Some(first) => self.joined(first, goes),
            None => Bytes::new(),
        }
    }

    /// Gives out all of it.
    pub fn rest(&mut self) -> Bytes {
        self.up_to(u64::MAX)
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.length
    }

    /// Whether more waits than ever has to.
    pub fn is_too_long(&self) -> bool {
        self.length > LONGEST
    }

    fn joined(&mut self, first: Bytes, goes: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(goes);
        let mut next = Some(first);
        while let Some(mut piece) = next.take() {
            out.extend_from_slice(&piece.split_to(piece.len().min(goes - out.len())));
            if piece.is_empty() {
                next = self.pieces.pop_front();
            } else {
                self.pieces.push_front(piece);
            }
        }
        out.freeze()
    }
}
