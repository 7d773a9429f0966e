//! Which rules can be skipped for a path without a look at their texts.

use super::Segments;
use super::wide::short_name;

/// For each of the first segments, a 64-bit set with the bit of its hash, or with all bits if it
/// can be anything. A pattern and a path whose sets do not meet cannot match, so a thousand rules
/// for one host are skipped without a look at their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline([u64; 4]);

impl Segments {
    /// What the first segments can be.
    pub(crate) fn outline(&self) -> Outline {
        let mut outline = Outline::ANYTHING;
        for (place, segment) in outline.0.iter_mut().zip(&self.parts) {
            match &**segment {
                // From here on no segment has a fixed place.
                "**" => break,
                segment if segment.contains('*') => {}
                // A short name may stand for many long ones.
                segment if short_name(segment).is_some() => {}
                segment => *place = 1 << (fnv(segment) % 64),
            }
        }
        outline
    }
}

impl Outline {
    pub(crate) const ANYTHING: Outline = Outline([u64::MAX; 4]);
    const NOTHING: Outline = Outline([0; 4]);

    /// The outline of several together.
    pub(crate) fn of_all(outlines: impl Iterator<Item = Outline>) -> Outline {
        outlines.fold(Outline::NOTHING, |all, one| Outline(std::array::from_fn(|place| all.0[place] | one.0[place])))
    }

    pub(crate) fn meets(&self, other: &Outline) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one & other != 0)
    }
}

/// FNV-1a: spreads well and costs a multiplication a byte. A collision only costs a closer look.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
