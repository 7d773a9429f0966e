//! A text with one layer of escapes undone, and the map back to where each byte came from.
//!
//! Undoing covers every mixture of escaped and plain characters: each ends up as the same text.
//! Only the text around escapes is kept: anything further away than a needle can reach is found
//! without the view.
//! What each layer undoes is in `escapes.rs`, `folded.rs`, `spaced.rs`, `wide.rs` and
//! `joined.rs` (`undo.rs` chooses).

use std::ops::Range;

use super::needles::NeedleSet;

/// One place where the view differs from the text below.
pub(super) struct Change {
    pub(super) at: usize,
    pub(super) count: usize,
    pub(super) below: usize,
    pub(super) length: usize,
    /// If present, each byte of the change has a place of its own below.
    pub(super) every: Option<Box<Every>>,
}

/// Evenly spread places: after the first `skip` bytes come `group` characters of `width` bytes
/// each, and the next group begins `period` bytes further on.
#[derive(Clone, Copy)]
pub(super) struct Every {
    pub(super) skip: usize,
    pub(super) group: usize,
    pub(super) period: usize,
    pub(super) width: usize,
}

/// The text with a layer undone.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: Vec<u8>,
    changes: Vec<Change>,
    /// A place, and how many bytes below it stand for nothing.
    nothing: (usize, usize),
    /// The place after the last gap.
    apart: usize,
}

/// A longer run of bytes that stand for nothing is no disguise; it separates the text around it.
/// The amount held back of a stream is counted in bytes of a view, so there has to be a bound.
const MOST_NOTHING: usize = 64;

impl View {
    /// The view, unless it equals the text. Copies the rest of the text: after the last change as
    /// far as a value reaches, and at the end as much as a stream holds back.
    pub(super) fn finish(mut self, text: &[u8], rest: Range<usize>, reach: usize, needles: &NeedleSet) -> Option<View> {
        if self.changes.is_empty() {
            return None;
        }
        self.take_near(text, rest, (reach, needles.held()), needles.separator());
        Some(self)
    }

    /// Nothing before this place connects to what follows it: much was left out there.
    pub(super) fn apart(&self) -> usize {
        self.apart
    }

    /// Where the byte at `at` begins in the text below.
    pub(super) fn start_below(&self, at: usize) -> usize {
        match self.change_up_to(at) {
            None => at,
            Some(change) if at < change.at + change.count => change.start_of(at),
            Some(change) => change.below + change.length + (at - change.at - change.count),
        }
    }

    /// Where the text before `end` ends in the text below.
    pub(super) fn end_below(&self, end: usize) -> usize {
        let Some(at) = end.checked_sub(1) else { return 0 };
        match self.change_up_to(at) {
            Some(change) if at < change.at + change.count => change.end_of(at),
            _ => self.start_below(at) + 1,
        }
    }

    fn change_up_to(&self, at: usize) -> Option<&Change> {
        self.changes[..self.changes.partition_point(|change| change.at <= at)].last()
    }

    /// Adds `bytes` for `length` bytes below.
    pub(super) fn change(&mut self, bytes: &[u8], below: usize, length: usize) {
        let at = self.text.len();
        self.nothing = if self.nothing.0 == at { (at, self.nothing.1 + length) } else { (at, length) };
        let bytes = if bytes.is_empty() && self.nothing.1 > MOST_NOTHING { &[0][..] } else { bytes };
        self.changes.push(Change { at, count: bytes.len(), below, length, every: None });
        self.text.extend_from_slice(bytes);
    }

    /// The same if each byte has its own place below.
    pub(super) fn change_every<'t>(
        &mut self,
        groups: impl Iterator<Item = &'t [u8]>,
        below: usize,
        length: usize,
        every: Every,
    ) {
        let at = self.text.len();
        groups.for_each(|group| self.text.extend_from_slice(group));
        self.changes.push(Change { at, count: self.text.len() - at, below, length, every: Some(Box::new(every)) });
    }

    /// Adds `bytes` as they stand from `start` on, and nothing for what lies between `end` and
    /// `start`.
    pub(super) fn join(&mut self, bytes: &[u8], end: usize, start: usize) {
        self.changes.push(Change { at: self.text.len(), count: 0, below: end, length: start - end, every: None });
        self.text.extend_from_slice(bytes);
    }

    /// Copies the plain text between two changes: all of it, or only what is within reach of them,
    /// `behind` the first and `before` the second.
    pub(super) fn take_near(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        (behind, before): (usize, usize),
        separator: Option<u8>,
    ) {
        let behind = if self.changes.is_empty() { 0 } else { behind };
        // Leaving out the middle must save something.
        let Some(separator) = separator.filter(|_| range.len() > behind + before) else {
            self.text.extend_from_slice(&text[range]);
            return;
        };
        let resumes = range.end - before;
        self.text.extend_from_slice(&text[range.start..range.start + behind]);
        let below = range.start + behind;
        self.change(&[separator], below, resumes - below);
        self.apart = self.text.len();
        self.text.extend_from_slice(&text[resumes..range.end]);
    }
}

impl Change {
    fn start_of(&self, at: usize) -> usize {
        let index = at - self.at;
        self.every.as_deref().map_or(self.below, |&Every { skip, group, period, width }| {
            self.below + skip + index / group * period + index % group * width
        })
    }

    fn end_of(&self, at: usize) -> usize {
        self.every.as_ref().map_or(self.below + self.length, |every| self.start_of(at) + every.width)
    }
}
