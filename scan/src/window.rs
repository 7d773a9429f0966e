//! The part of a stream that is in hand: what has not been let go, and before it what has to be
//! searched again with the next bytes.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::borders::Borders;
use super::search::DISGUISED;

#[derive(Default)]
pub(super) struct Window {
    text: BytesMut,
    /// Its offset in the stream.
    at: u64,
    /// How many bytes of it were let go at a border.
    gone: usize,
    /// How many were searched.
    searched: usize,
    /// Where the last border is.
    border: usize,
    borders: Borders,
    /// The parts of the stream in which files begin, except for the first file.
    begins: VecDeque<Range<u64>>,
    begins_next: bool,
}

impl Window {
    pub(super) fn with(borders: Borders) -> Self {
        Window { borders, ..Window::default() }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        if let Some(at) = self.borders.last_in(piece) {
            self.border = self.text.len() + at;
        }
        let before = self.at + self.text.len() as u64;
        self.text.extend_from_slice(piece);
        if std::mem::take(&mut self.begins_next) {
            self.begins_within(before..before + piece.len() as u64);
        }
    }

    /// Whether it is time to search. Everything in hand is searched again with new bytes, so small
    /// pieces are collected unless one of them ends at a border.
    pub(super) fn is_due(&self) -> bool {
        let came = self.text.len() - self.searched;
        self.border > self.gone || came > self.searched / 2
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// A file begins with the next bytes.
    pub(super) fn begins(&mut self) {
        self.begins_next = true;
    }

    /// A file begins in this part of the stream, which lies after the last such part.
    pub(super) fn begins_within(&mut self, part: Range<u64>) {
        while self.begins.get(1).is_some_and(|next| next.start <= self.at) {
            self.begins.pop_front();
        }
        self.begins.push_back(part);
    }

    /// How far disguises are searched for in the bytes in hand, or in a last piece of this length: up to
    /// [`DISGUISED`] bytes after the last place where a file may begin.
    pub(super) fn disguised(&self, length: usize) -> u64 {
        let end = self.at + length as u64;
        let begins = self.begins.iter().rev().find(|part| part.start <= end).map_or(0, |part| part.end);
        let begins = if self.begins_next { end } else { begins };
        (begins + DISGUISED).saturating_sub(self.at)
    }

    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// The last border that was not let go yet; without one, the end of what was let go.
    pub(super) fn border(&self) -> usize {
        self.border.max(self.gone)
    }

    /// How many bytes are held back.
    pub(super) fn held(&self) -> usize {
        self.text.len() - self.gone
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns what was not let go up to here; the part to be searched again begins at `keep`.
    pub(super) fn let_go(&mut self, until: usize, keep: usize) -> Bytes {
        let keep = keep.min(until);
        self.at += keep as u64;
        let all = self.text.split_to(until).freeze();
        if keep < until {
            // Part of what is let go is kept as well.
            let rest = std::mem::replace(&mut self.text, BytesMut::from(&all[keep..]));
            self.text.extend_from_slice(&rest);
        }
        self.searched = self.text.len();
        let out = all.slice(self.gone..);
        self.gone = until - keep;
        self.border = self.gone;
        out
    }
}
