//! Which of many bytes are of one kind, 64 at a time.

/// As many bytes as a result has bits.
pub(super) const BLOCK: usize = 64;

/// Bit `n` says whether byte `n` is of the kind. If `is` has no branches, the compiler vectorises
/// this.
#[inline(always)]
pub(super) fn bits(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    /// Moves the lowest bit of each byte into the highest byte, in order.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut ones = [0u8; BLOCK];
    for (one, byte) in ones.iter_mut().zip(block) {
        *one = u8::from(is(*byte));
    }
    let (eights, _) = ones.as_chunks::<8>();
    let gathered = |(n, eight): (usize, &[u8; 8])| (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56) << (8 * n);
    eights.iter().enumerate().map(gathered).fold(0, |all, eight| all | eight)
}

/// A text in blocks, each with its place; the last one is padded with `filler`.
#[inline]
pub(super) fn blocks(text: &[u8], filler: u8) -> (&[[u8; BLOCK]], [u8; BLOCK]) {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [filler; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    (blocks, last)
}

/// The positions of the set bits.
pub(super) fn set(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        at
    })
}
