//! The part of a stream that is in hand: what has not been let go, and before it what has to
//! be seen once more together with the next bytes.

use bytes::{Bytes, BytesMut};

use super::borders::Borders;

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
}

impl Window {
    pub(super) fn with(borders: Borders) -> Self {
        Window { borders, ..Window::default() }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        if let Some(at) = self.borders.last_in(piece) {
            self.border = self.text.len() + at;
        }
        self.text.extend_from_slice(piece);
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

    pub(super) fn at(&self) -> u64 {
        self.at
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
