//! The part of a stream that is in hand: what has not been let go, and before it what has to
//! be seen once more together with the next bytes.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::borders::Borders;
use super::search::DISGUISED;

#[derive(Default)]
pub(super) struct Window {
    text: BytesMut,
    /// Where in the stream it begins.
    at: u64,
    /// So many bytes of it were let go at a border.
    gone: usize,
    /// So many were searched.
    searched: usize,
    /// Where the last border is.
    border: usize,
    borders: Borders,
    /// In which parts of the stream files begin, but for the first.
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

    /// Whether it is time to search. What is in hand is searched again with what came, so
    /// little pieces are collected unless one of them ends at a border.
    pub(super) fn is_due(&self) -> bool {
        let came = self.text.len() - self.searched;
        self.border > self.gone || came > self.searched / 2
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// A file begins in what comes next.
    pub(super) fn begins(&mut self) {
        self.begins_next = true;
    }

    /// A file begins in this part of the stream, which is none before the last such one.
    pub(super) fn begins_within(&mut self, part: Range<u64>) {
        while self.begins.get(1).is_some_and(|next| next.start <= self.at) {
            self.begins.pop_front();
        }
        self.begins.push_back(part);
    }

    /// In how much of what is in hand, or of so many bytes that come and end it, disguises are looked for: up to so
    /// far behind where the last file in it may begin.
    pub(super) fn disguised(&self, length: usize) -> u64 {
        let end = self.at + length as u64;
        let begins = self.begins.iter().rev().find(|part| part.start <= end).map_or(0, |part| part.end);
        let begins = if self.begins_next { end } else { begins };
        (begins + DISGUISED).saturating_sub(self.at)
    }

    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// All that ends at a border and is not let go yet ends here; where there is none, what is gone.
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

    /// What is not gone up to here; what is kept to be seen again begins at `keep`.
    pub(super) fn let_go(&mut self, until: usize, keep: usize) -> Bytes {
        let keep = keep.min(until);
        self.at += keep as u64;
        let all = self.text.split_to(until).freeze();
        if keep < until {
            // Part of what goes is kept as well.
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
