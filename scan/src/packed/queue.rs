//! Bytes of a body that wait until they have been looked into.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Waiting bytes, in the pieces in which they came.
#[derive(Default)]
pub struct Queue {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// How many bytes were passed on.
    gone: u64,
}

/// The most that may wait; only a body made for the purpose exceeds it. Two windows, and the most
/// that one piece may bring.
const LONGEST: usize = 18 << 20;

impl Queue {
    /// Adds a piece.
    pub fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Returns the bytes up to this offset in the body.
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

    /// Returns everything.
    pub fn rest(&mut self) -> Bytes {
        self.up_to(u64::MAX)
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.length
    }

    /// Whether more waits than any ordinary body needs.
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
