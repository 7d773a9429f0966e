//! The search for many strings at once.
//!
//! Wu and Manber's algorithm ("A fast algorithm for multi-pattern searching",
//! 1994): look at the last four bytes of a window as long as the shortest needle;
//! a table says how far the window may move. Values that are watched are long, so
//! most bytes of a text are never looked at. Letters match in either case.

use std::ops::ControlFlow;

use secrecy::zeroize::Zeroizing;

use super::spelling::Spelling;

/// One string that is looked for.
pub(super) struct Needle {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Which of the values it is a spelling of.
    pub(super) value: usize,
    pub(super) spelling: Spelling,
}

/// All of them, compiled. An empty set has no tables and costs nothing.
#[derive(Default)]
pub(super) struct NeedleSet {
    needles: Vec<Needle>,
    longest: usize,
    /// The length of the window.
    window: usize,
    /// How far the window may move, by the hash of its last block.
    shift: Vec<u8>,
    hash_bits: u32,
    /// Needles by the hash of the block that ends their first `window` bytes, sorted.
    by_block: Vec<(u16, usize)>,
    /// Needles by their first byte in lower case: `by_first[starts[b]..starts[b + 1]]`.
    by_first: Vec<usize>,
    starts: Vec<usize>,
    /// A byte that is in no needle and in no escape.
    separator: Option<u8>,
}

const BLOCK: usize = 4;
/// Shifts are one byte each.
const WIDEST_WINDOW: usize = 128;

impl NeedleSet {
    /// Compiles the spellings of all values. Every value has at least [`super::SHORTEST`] bytes.
    pub(super) fn new<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut needles: Vec<Needle> = Vec::new();
        for (value, text) in values.enumerate() {
            let first = needles.len();
            for spelling in Spelling::ALL {
                let bytes = spelling.of(text);
                if needles[first..].iter().all(|n| n.bytes != bytes) {
                    needles.push(Needle { bytes, value, spelling });
                }
            }
        }
        if needles.is_empty() {
            return NeedleSet::default();
        }
        let mut set = NeedleSet { needles, ..NeedleSet::default() };
        set.compile_blocks();
        set.compile_first_bytes();
        set.separator = (1..=255u8)
            .filter(|b| !b.is_ascii_graphic() && !b.is_ascii_whitespace())
            .find(|b| set.needles.iter().all(|n| !n.bytes.contains(b)));
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    pub(super) fn needle(&self, index: usize) -> &Needle {
        &self.needles[index]
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn separator(&self) -> Option<u8> {
        self.separator
    }

    /// Calls `visit` with start and needle for every occurrence, overlapping ones too.
    pub(super) fn each<B>(&self, text: &[u8], visit: &mut dyn FnMut(usize, usize) -> ControlFlow<B>) -> ControlFlow<B> {
        if self.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut block_at = self.window - BLOCK;
        while let Some(block) = text.get(block_at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
            let hash = hash(*block, self.hash_bits);
            let shift = self.shift[usize::from(hash)];
            if shift == 0 {
                self.verify(text, block_at + BLOCK - self.window, hash, visit)?;
            }
            block_at += usize::from(shift.max(1));
        }
        ControlFlow::Continue(())
    }

    /// Where the longest proper prefix of a needle starts that ends the text; the
    /// text's length if there is none.
    pub(super) fn prefix_at_end(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        (from..text.len()).find(|&at| self.some_needle_starts_with(&text[at..])).unwrap_or(text.len())
    }

    fn some_needle_starts_with(&self, text: &[u8]) -> bool {
        let first = usize::from(text[0].to_ascii_lowercase());
        self.by_first[self.starts[first]..self.starts[first + 1]].iter().any(|&needle| {
            let bytes = &self.needles[needle].bytes;
            bytes.len() > text.len() && bytes[..text.len()].eq_ignore_ascii_case(text)
        })
    }

    fn verify<B>(
        &self,
        text: &[u8],
        start: usize,
        hash: u16,
        visit: &mut dyn FnMut(usize, usize) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let first = self.by_block.partition_point(|(h, _)| *h < hash);
        for &(_, needle) in self.by_block[first..].iter().take_while(|(h, _)| *h == hash) {
            let bytes = &self.needles[needle].bytes;
            if text[start..].get(..bytes.len()).is_some_and(|found| found.eq_ignore_ascii_case(bytes)) {
                visit(start, needle)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn compile_blocks(&mut self) {
        let lengths = || self.needles.iter().map(|n| n.bytes.len());
        self.longest = lengths().max().unwrap_or(0);
        let shortest = lengths().min().unwrap_or(0);
        self.window = shortest.min(roomy_window(self.needles.len()));
        let blocks = self.window - BLOCK + 1;
        self.hash_bits = table_bits(self.needles.len(), blocks);
        let mut shift = vec![u8::try_from(blocks).unwrap_or(u8::MAX); 1 << self.hash_bits];
        for (index, needle) in self.needles.iter().enumerate() {
            for (at, block) in needle.bytes[..self.window].windows(BLOCK).enumerate() {
                let hash = hash([block[0], block[1], block[2], block[3]], self.hash_bits);
                let left = u8::try_from(blocks - 1 - at).unwrap_or(u8::MAX);
                let slot = &mut shift[usize::from(hash)];
                *slot = left.min(*slot);
                if left == 0 {
                    self.by_block.push((hash, index));
                }
            }
        }
        self.shift = shift;
        self.by_block.sort_unstable();
    }

    fn compile_first_bytes(&mut self) {
        let first = |index: &usize| self.needles[*index].bytes[0].to_ascii_lowercase();
        let mut by_first: Vec<usize> = (0..self.needles.len()).collect();
        by_first.sort_by_key(first);
        self.starts = (0..=256).map(|b| by_first.partition_point(|n| usize::from(first(n)) < b)).collect();
        self.by_first = by_first;
    }
}

/// A full table means no skipping: with many needles a narrower window is faster.
fn roomy_window(needles: usize) -> usize {
    ((1 << 13) / needles + BLOCK).clamp(super::SHORTEST, WIDEST_WINDOW)
}

/// A table in which most slots stay empty, within bounds.
fn table_bits(needles: usize, blocks: usize) -> u32 {
    (needles * blocks * 8).next_power_of_two().ilog2().clamp(10, 16)
}

/// Equal for blocks that differ only in the case of letters.
fn hash(block: [u8; BLOCK], bits: u32) -> u16 {
    let folded = u32::from_le_bytes(block) | 0x2020_2020;
    (folded.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as u16
}
