//! The search for many strings at once.
//!
//! Every so many bytes a block of the text is looked up among the blocks of the needles
//! ("fingerprints": Manber, "Finding similar files in a large file system", 1994). A needle
//! that stands in the text covers at least one of those blocks whole, wherever it begins.
//! So all of a text is read in the same steps: a search that skips further the less a text
//! resembles a needle would tell by its time, four bytes at a time, what is looked for
//! (invariant 16). Only a block that is a needle's costs more than another. It is one from the
//! needle's end, which no vendor's prefix and no known header of a token makes easier to guess.
//! Letters match in either case.

use std::ops::{ControlFlow, Range};

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
    /// How long the longest may be, without telling how long it is.
    held: usize,
    /// By their lengths, so that one short needle does not slow the search for all.
    classes: Vec<Class>,
    /// A byte that is in no needle and in no escape.
    separator: Option<u8>,
}

/// Needles of about the same length.
#[derive(Default)]
struct Class {
    /// How many bytes a block has: [`WIDE`] or [`NARROW`].
    block: usize,
    /// How far one block of the text is from the next.
    stride: usize,
    /// One bit for each hash that a needle's block has.
    blocks: Vec<u64>,
    shift: u32,
    /// Hash, needle, and where in the needle the block stands; sorted.
    places: Vec<(u32, usize, usize)>,
}

const WIDE: usize = 16;
const NARROW: usize = 8;
/// The lengths of the classes, and the size of their blocks.
const LENGTHS: [(Range<usize>, usize); 4] =
    [(super::SHORTEST..15, NARROW), (15..23, NARROW), (23..31, WIDE), (31..usize::MAX, WIDE)];
/// Blocks are from so many more bytes at a needle's end: further apart, they would reach into
/// what is known of it.
const WIDEST_STRIDE: usize = 16;
/// What is held back of a stream is at least so long, and twice as long for longer needles,
/// so that no sandbox learns how long a value is.
const SHORTEST_HELD: usize = 512;

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
        let longest = needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(0);
        let classes = LENGTHS.iter().filter_map(|(lengths, block)| Class::of(&needles, lengths, *block)).collect();
        let separator = (1..=255u8)
            .filter(|b| !b.is_ascii_graphic() && !b.is_ascii_whitespace())
            .find(|b| needles.iter().all(|n| !n.bytes.contains(b)));
        let held = longest.next_power_of_two().max(SHORTEST_HELD);
        NeedleSet { needles, longest, held, classes, separator }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    pub(super) fn needle(&self, index: usize) -> &Needle {
        &self.needles[index]
    }

    /// No needle is longer. (It shows in the time of a search alone.)
    pub(super) fn longest(&self) -> usize {
        self.longest.max(self.held / 4)
    }

    /// No needle is longer, and nobody learns how long it is.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn separator(&self) -> Option<u8> {
        self.separator
    }

    /// Calls `visit` with start and needle for every occurrence, overlapping ones too.
    pub(super) fn each<B>(&self, text: &[u8], visit: &mut dyn FnMut(usize, usize) -> ControlFlow<B>) -> ControlFlow<B> {
        self.classes.iter().try_for_each(|class| match class.block {
            WIDE => class.each::<WIDE, B>(&self.needles, text, visit),
            _ => class.each::<NARROW, B>(&self.needles, text, visit),
        })
    }
}

impl Class {
    fn of(needles: &[Needle], lengths: &Range<usize>, block: usize) -> Option<Self> {
        let members = || needles.iter().enumerate().filter(|(_, needle)| lengths.contains(&needle.bytes.len()));
        let shortest = members().map(|(_, needle)| needle.bytes.len()).min()?;
        let stride = (shortest + 1).saturating_sub(block).clamp(1, WIDEST_STRIDE);
        let bits = (members().count() * stride * 16).next_power_of_two().ilog2().clamp(12, 20);
        let mut class = Class { block, stride, blocks: vec![0; 1 << (bits - 6)], shift: 32 - bits, places: Vec::new() };
        for (index, needle) in members() {
            for (at, bytes) in needle.bytes.windows(block).enumerate().skip(needle.bytes.len() + 1 - block - stride) {
                let hash = if block == WIDE { hash_at::<WIDE>(bytes) } else { hash_at::<NARROW>(bytes) };
                class.places.extend(hash.map(|hash| (hash, index, at)));
            }
        }
        class.places.sort_unstable();
        for (hash, ..) in &class.places {
            let bit = hash >> class.shift;
            class.blocks[bit as usize / 64] |= 1 << (bit % 64);
        }
        Some(class)
    }

    fn each<const BLOCK: usize, B>(
        &self,
        needles: &[Needle],
        text: &[u8],
        visit: &mut dyn FnMut(usize, usize) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut at = 0;
        while let Some(hash) = text.get(at..).and_then(hash_at::<BLOCK>) {
            let bit = hash >> self.shift;
            if self.blocks[bit as usize / 64] >> (bit % 64) & 1 == 1 {
                self.verify(needles, text, at, hash, visit)?;
            }
            at += self.stride;
        }
        ControlFlow::Continue(())
    }

    #[cold]
    fn verify<B>(
        &self,
        needles: &[Needle],
        text: &[u8],
        at: usize,
        hash: u32,
        visit: &mut dyn FnMut(usize, usize) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let first = self.places.partition_point(|(other, ..)| *other < hash);
        for &(_, index, before) in self.places[first..].iter().take_while(|(other, ..)| *other == hash) {
            let bytes = &needles[index].bytes;
            let found = at.checked_sub(before).and_then(|start| text.get(start..start + bytes.len()));
            if found.is_some_and(|found| found.eq_ignore_ascii_case(bytes)) {
                visit(at - before, index)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Equal for blocks that differ only in the case of letters.
#[inline]
fn hash_at<const BLOCK: usize>(text: &[u8]) -> Option<u32> {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];
    let low = (u64::from_le_bytes(*text.first_chunk::<8>()?) | FOLD).wrapping_mul(ODD[0]);
    if BLOCK == NARROW {
        return Some((low >> 32) as u32);
    }
    let high = u64::from_le_bytes(*text.get(8..)?.first_chunk::<8>()?) | FOLD;
    Some(((low.rotate_left(29) ^ high).wrapping_mul(ODD[1]) >> 32) as u32)
}
