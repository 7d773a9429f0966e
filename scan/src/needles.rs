//! The search for many strings at once.
//!
//! At a fixed stride, a block of the text is looked up among the blocks of the needles
//! ("fingerprints": Manber, "Finding similar files in a large file system", 1994). A needle in the
//! text covers at least one of those blocks completely, wherever it begins. So every text is read
//! in the same steps. A search that skips further the less a text resembles a needle would reveal
//! by its timing, four bytes at a time, what is searched for (invariant 16). Here only a block that
//! is a needle's costs more than others. The blocks are taken from the needle's end, which no
//! vendor's prefix and no known header of a token makes easier to guess. Letters match in either
//! case.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::spelling::Spelling;

/// One string to search for.
pub(super) struct Needle {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) spelling: Spelling,
    /// The hashes of the blocks by which it may be found, from the last one on.
    hashes: Zeroizing<Vec<u32>>,
}

/// All spellings of a value, starting with the value itself.
type Spelt = Arc<[Needle]>;

/// Which needle of which value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) value: u32,
    spelling: u32,
}

/// All needles, compiled. An empty set has no tables and costs nothing.
#[derive(Default)]
pub(super) struct NeedleSet {
    values: Vec<Spelt>,
    longest: usize,
    /// An upper bound on their length that does not reveal it.
    held: usize,
    /// By length, so that one short needle does not slow the search for all.
    classes: Vec<Class>,
    /// A byte that is in no needle and in no escape.
    separator: Option<u8>,
}

/// Needles of about the same length.
struct Class {
    /// Block size in bytes: [`WIDE`] or [`NARROW`].
    block: usize,
    /// Distance between two blocks of the text.
    stride: usize,
    /// Two bits of one word for each hash of a needle's block (Putze, Sanders and Singler, "Cache-,
    /// Hash- and Space-Efficient Bloom Filters", 2007).
    words: Vec<u64>,
    word: u32,
    /// By a part of the hash: the index of its first spot, which links to the next one.
    first: Vec<u32>,
    part: u32,
    places: Vec<Spot>,
}

/// Where in a needle a block is.
struct Spot {
    hash: u32,
    which: Which,
    at: u32,
    next: u32,
}

/// The fewest bytes of a value that can be watched: a shorter one would be found by chance.
pub const SHORTEST: usize = 8;

const NONE: u32 = u32::MAX;

const WIDE: usize = 16;
const NARROW: usize = 8;
/// The lengths of the classes, and their block sizes.
const LENGTHS: [(Range<usize>, usize); 4] =
    [(SHORTEST..15, NARROW), (15..23, NARROW), (23..31, WIDE), (31..usize::MAX, WIDE)];
/// With a wider stride, blocks would reach back into the part of a needle that is known.
const WIDEST_STRIDE: usize = 16;
/// At least this much of a stream is held back, and the next power of two for longer needles, so
/// that no sandbox learns how long a value is.
const SHORTEST_HELD: usize = 512;

impl NeedleSet {
    /// Compiles the spellings of all values. Every value has at least [`SHORTEST`] bytes.
    pub(super) fn new<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        NeedleSet::default().with_values(values)
    }

    /// The same for other values; reuses what was compiled for those that stay.
    pub(super) fn with_values<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> Self {
        let known: HashMap<&[u8], &Spelt> = self.values.iter().map(|spelt| (&spelt[0].bytes[..], spelt)).collect();
        let spelt = |value: &[u8]| known.get(value).map_or_else(|| spelt(value), |spelt| Arc::clone(spelt));
        let values: Vec<Spelt> = values.map(spelt).collect();
        if values.is_empty() {
            return NeedleSet::default();
        }
        let needles = || values.iter().flat_map(|spelt| spelt.iter());
        let longest = needles().map(|needle| needle.bytes.len()).max().unwrap_or(0);
        let classes = LENGTHS.iter().filter_map(|(lengths, block)| Class::of(&values, lengths, *block)).collect();
        let mut used = [false; 256];
        needles().for_each(|needle| needle.bytes.iter().for_each(|byte| used[usize::from(*byte)] = true));
        let separator =
            (1..=255u8).filter(|b| !b.is_ascii_graphic() && !b.is_ascii_whitespace()).find(|b| !used[usize::from(*b)]);
        let held = longest.next_power_of_two().max(SHORTEST_HELD);
        NeedleSet { values, longest, held, classes, separator }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn needle(&self, which: Which) -> &Needle {
        &self.values[which.value as usize][which.spelling as usize]
    }

    /// An upper bound on the length of a needle. (It shows only in the time that a search takes.)
    pub(super) fn longest(&self) -> usize {
        self.longest.max(self.held / 4)
    }

    /// An upper bound on the length of a needle that does not reveal it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn separator(&self) -> Option<u8> {
        self.separator
    }

    /// Calls `visit` with start and needle for every occurrence, overlapping ones too.
    pub(super) fn each<B>(&self, text: &[u8], visit: &mut dyn FnMut(usize, Which) -> ControlFlow<B>) -> ControlFlow<B> {
        self.classes.iter().try_for_each(|class| match class.block {
            WIDE => class.each::<WIDE, B>(self, text, visit),
            _ => class.each::<NARROW, B>(self, text, visit),
        })
    }
}

fn spelt(value: &[u8]) -> Spelt {
    let mut needles: Vec<Needle> = Vec::new();
    for spelling in Spelling::ALL {
        let bytes = spelling.of(value);
        if needles.iter().all(|needle| needle.bytes != bytes) {
            let block =
                LENGTHS.iter().find(|(lengths, _)| lengths.contains(&bytes.len())).map_or(WIDE, |(_, block)| *block);
            let hash = |bytes: &[u8]| match block {
                WIDE => bytes.first_chunk().map(hash_of::<WIDE>),
                _ => bytes.first_chunk().map(hash_of::<NARROW>),
            };
            let hashes = bytes.windows(block).rev().take(WIDEST_STRIDE).filter_map(hash).collect();
            needles.push(Needle { bytes, spelling, hashes: Zeroizing::new(hashes) });
        }
    }
    needles.into()
}

impl Class {
    fn of(values: &[Spelt], lengths: &Range<usize>, block: usize) -> Option<Self> {
        let is_member = |needle: &&Needle| lengths.contains(&needle.bytes.len());
        let members = || values.iter().flat_map(|spelt| spelt.iter()).filter(is_member);
        let shortest = members().map(|needle| needle.bytes.len()).min()?;
        let stride = (shortest + 1).saturating_sub(block).clamp(1, WIDEST_STRIDE);
        let places = members().count() * stride;
        let bits = (places * 32).next_power_of_two().ilog2().clamp(12, 20);
        let parts = places.next_power_of_two().ilog2().max(1);
        let mut class = Class {
            block,
            stride,
            words: vec![0; 1 << (bits - 6)],
            word: 32 - (bits - 6),
            first: vec![NONE; 1 << parts],
            part: 32 - parts,
            places: Vec::with_capacity(places),
        };
        // The last one added is found first.
        for (value, spelt) in values.iter().enumerate().rev() {
            let value = value as u32;
            for (spelling, needle) in (0..).zip(spelt.iter()).filter(|(_, needle)| is_member(needle)) {
                let last = needle.bytes.len() - block;
                for (back, hash) in needle.hashes.iter().take(stride).enumerate() {
                    class.add(*hash, Which { value, spelling }, last - back);
                }
            }
        }
        Some(class)
    }

    fn add(&mut self, hash: u32, which: Which, at: usize) {
        self.words[(hash >> self.word) as usize] |= two_bits(hash);
        let first = &mut self.first[(hash >> self.part) as usize];
        let next = std::mem::replace(first, self.places.len() as u32);
        self.places.push(Spot { hash, which, at: at as u32, next });
    }

    fn each<const BLOCK: usize, B>(
        &self,
        needles: &NeedleSet,
        text: &[u8],
        visit: &mut dyn FnMut(usize, Which) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut look = |at: usize, block: &[u8; BLOCK]| {
            let hash = hash_of(block);
            let bits = two_bits(hash);
            if self.words[(hash >> self.word) as usize] & bits == bits {
                return self.verify(needles, text, at, hash, visit);
            }
            ControlFlow::Continue(())
        };
        if self.stride == BLOCK {
            let (blocks, _) = text.as_chunks::<BLOCK>();
            return blocks.iter().enumerate().try_for_each(|(n, block)| look(n * BLOCK, block));
        }
        let mut at = 0;
        while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk) {
            look(at, block)?;
            at += self.stride;
        }
        ControlFlow::Continue(())
    }

    #[cold]
    fn verify<B>(
        &self,
        needles: &NeedleSet,
        text: &[u8],
        at: usize,
        hash: u32,
        visit: &mut dyn FnMut(usize, Which) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut next = self.first[(hash >> self.part) as usize];
        while let Some(place) = self.places.get(next as usize) {
            if place.hash == hash {
                let bytes = &needles.needle(place.which).bytes;
                let start = at.checked_sub(place.at as usize);
                let found = start.and_then(|start| Some((start, text.get(start..start + bytes.len())?)));
                if let Some((start, _)) = found.filter(|(_, found)| found.eq_ignore_ascii_case(bytes)) {
                    visit(start, place.which)?;
                }
            }
            next = place.next;
        }
        ControlFlow::Continue(())
    }
}

/// Two of the bits of a word, by the lower part of a hash.
#[inline(always)]
fn two_bits(hash: u32) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

/// Equal for blocks that differ only in case.
#[inline(always)]
fn hash_of<const BLOCK: usize>(block: &[u8; BLOCK]) -> u32 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];
    let eight = |n: usize| block.as_chunks::<8>().0.get(n).map_or(0, |eight| u64::from_le_bytes(*eight));
    let low = (eight(0) | FOLD).wrapping_mul(ODD[0]);
    if BLOCK == NARROW {
        return (low >> 32) as u32;
    }
    ((low.rotate_left(29) ^ (eight(1) | FOLD)).wrapping_mul(ODD[1]) >> 32) as u32
}
