//! Characters, or groups of a few, with the same separator between them: `s k - r e`, `73:6b:2d`,
//! `0x73, 0x6b`, `["s","k"]`, `sk-r eal1 -d3c`.
//!
//! Ordinary text has separators everywhere, but seldom the same one at the same distance many times
//! over. So groups are put together only where that is so, and nothing around them is.

use super::bits::{BLOCK, bits, blocks, set};
use super::needles::NeedleSet;
use super::view::{Every, View};

/// The most bytes from one separator to the next.
const LONGEST_PERIOD: usize = 9;
/// Fewer separators prove nothing: for single characters, for pairs, and for longer groups.
const FEWEST: [usize; 3] = [7, 6, 5];
/// From this length on, groups may be words of prose.
const WORDS: usize = 4;

/// Groups of one length, divided by the same separator.
struct Run {
    /// Where the first separator begins, and how long each is.
    first: usize,
    skip: usize,
    group: usize,
    period: usize,
    /// How many separators there are.
    count: usize,
    /// The last character of a separator, before a `0x`.
    separator: u8,
}

/// A run that was followed to its end and rejected: how far it reached, and how much had been taken
/// by then.
#[derive(Clone, Copy, Default)]
struct Tried {
    end: usize,
    copied: usize,
}

/// The last one for each period and each offset of the separators in it.
type AllTried = [[Tried; LONGEST_PERIOD]; LONGEST_PERIOD + 1];

pub(super) fn undo(text: &[u8], needles: &NeedleSet) -> Option<View> {
    let mut view = View::default();
    let mut copied = 0;
    let mut tried = AllTried::default();
    let (blocks, last) = blocks(text, b'x');
    let mut separators = blocks.iter().chain([&last]).map(|block| bits(block, is_separator)).peekable();
    let (mut before, mut start) = (0, 0);
    while let Some(here) = separators.next() {
        let around = Around { before, here, behind: separators.peek().copied().unwrap_or(0) };
        before = here;
        // The last character of each: a group follows.
        let ends = here & !around.at(1);
        let shortest = (2..WORDS).fold(0, |all, distance| all | three(ends, distance));
        let longer = (WORDS..=LONGEST_PERIOD).fold(0, |all, distance| all | three(ends, distance));
        if shortest | longer != 0 {
            copied = take_runs(text, start, (ends, &around), copied, &mut tried, needles, &mut view);
        }
        start += BLOCK;
    }
    view.finish(text, copied..text.len(), 0, needles)
}

/// The separators in a block and in its neighbours.
struct Around {
    before: u64,
    here: u64,
    behind: u64,
}

impl Around {
    /// Places with a separator at this distance after them.
    #[inline(always)]
    fn at(&self, distance: usize) -> u64 {
        self.here >> distance | self.behind << (BLOCK - distance)
    }

    /// Places with a separator at this distance before them.
    #[inline(always)]
    fn back(&self, distance: usize) -> u64 {
        self.here << distance | self.before >> (BLOCK - distance)
    }

    /// Among those with three in a row, the ones that are part of five.
    #[inline(always)]
    fn five(&self, three: u64, distance: usize) -> u64 {
        let (fourth, back) = (self.at(3 * distance), self.back(distance));
        // Few have a fourth.
        if three & (fourth | back) == 0 {
            return 0;
        }
        three & (fourth & self.at(4 * distance) | back & fourth | back & self.back(2 * distance))
    }
}

/// Positions with one of these in the next two groups.
#[inline(always)]
fn near(these: u64) -> u64 {
    let two = these >> 1 | these >> 2;
    let four = two | two >> 2;
    let eight = four | four >> 4;
    let sixteen = eight | eight >> 8;
    sixteen | sixteen >> 1
}

/// Those followed by two more, each at this distance.
#[inline(always)]
fn three(ends: u64, distance: usize) -> u64 {
    let pairs = ends & ends >> distance;
    pairs & pairs >> distance
}

/// Copies the runs that appear in a block into the view; returns up to where the text is copied.
#[inline(never)]
fn take_runs(
    text: &[u8],
    block: usize,
    (ends, around): (u64, &Around),
    from: usize,
    tried: &mut AllTried,
    needles: &NeedleSet,
    view: &mut View,
) -> usize {
    let mut copied = from;
    let mut no_words = None;
    for period in 2..=LONGEST_PERIOD {
        let three = three(ends, period);
        if three == 0 {
            continue;
        }
        let mut runs = around.five(three, period);
        if runs != 0 && period >= WORDS {
            runs &= *no_words.get_or_insert_with(|| match text[block..].first_chunk() {
                Some(block) => near(bits(block, is_no_word)) | around.here << 1,
                None => u64::MAX,
            });
        }
        for place in set(runs) {
            let at = block + place;
            // A run that continues one just tried adds nothing.
            let carries_on = place >= period && runs >> (place - period) & 1 == 1 && text[at - period] == text[at];
            // Nor does one in a later block: a run may be as long as the text.
            let known = &mut tried[period][at % period];
            let is_known = at < known.end && copied == known.copied;
            if at < copied || carries_on || is_known || !shows(text, at, period, copied) {
                continue;
            }
            let Some(run) = Run::around(text, at, period, copied) else {
                let same = (1..).take_while(|n| text.get(at + n * period) == Some(&text[at])).count();
                *known = Tried { end: at + same * period + 1, copied };
                continue;
            };
            let start = run.first.saturating_sub(run.group).max(copied);
            view.take_near(text, copied..start, (0, 0), needles.separator());
            copied = run.take_into(text, start, view);
        }
    }
    copied
}

/// Whether four equal separators follow each other at this distance, this one the first or second.
#[inline(always)]
fn shows(text: &[u8], place: usize, period: usize, from: usize) -> bool {
    let one = text[place];
    let same = |at: usize| text.get(at) == Some(&one);
    same(place + 2 * period)
        && same(place + period)
        && (same(place + 3 * period) || place >= from + period && same(place - period))
        && !same(place + 1)
}

#[inline(always)]
fn is_separator(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    let digit = b.wrapping_sub(b'0') < 10;
    (b.wrapping_sub(b'\t') < 5) | (b.wrapping_sub(b' ') < 0x5F) & !letter & !digit
}

/// Characters of keys, but not of words.
#[inline(always)]
fn is_no_word(b: u8) -> bool {
    let digit = b.wrapping_sub(b'0') < 10;
    let capital = b.wrapping_sub(b'A') < 26;
    digit | capital | (b == b'-') | (b == b'_')
}

impl Run {
    /// The run that this place belongs to, whatever its position in the run.
    fn around(text: &[u8], place: usize, period: usize, from: usize) -> Option<Run> {
        let separator = text[place];
        let same = |at: usize| text.get(at) == Some(&separator);
        let before = (1..).take_while(|n| n * period <= place - from.min(place) && same(place - n * period)).count();
        let behind = (1..).take_while(|n| same(place + n * period)).count();
        #[cfg(test)]
        tests::LOOKED_AT.with(|all| all.set(all.get() + before + behind));
        let (mut first, mut count) = (place - before * period, before + 1 + behind);
        if count < FEWEST[2] {
            return None;
        }
        // Other bytes that are the same around every separator are part of it. The first and last
        // separators may touch the surrounding text (the quotation marks of a list, the end of the
        // line before), so those in the middle decide.
        let edge = (count / 4).max(2).min((count - 3) / 2);
        let middle = first + edge * period;
        let inner = || (edge..count - edge).map(|n| first + n * period);
        let is_hex = |at: usize, x: u8| text.get(at + 1) == Some(&b'0') && text.get(at + 2) == Some(&x);
        let x = [b'x', b'X'].into_iter().find(|x| inner().all(|at| is_hex(at, *x)));
        let begins = |at: usize| x.is_none_or(|x| is_hex(at, x));
        let same = |back: usize, at: usize| at >= back && text[at - back] == text[middle - back];
        let whole = |back: &usize| is_separator(text[middle - back]) && inner().all(|at| same(*back, at));
        let behind = if x.is_some() { 2 } else { 0 };
        let before = (1..period.saturating_sub(1 + behind).max(1)).take_while(whole).count();
        let fits = |at: usize| at >= from + before && begins(at) && (1..=before).all(|back| same(back, at));
        let last = (0..count).rev().find(|n| fits(first + n * period))?;
        let start = (0..last).find(|n| fits(first + n * period))?;
        (first, count) = (first + start * period - before, last - start + 1);
        let skip = before + 1 + behind;
        let run =
            Run { first, skip, group: period.checked_sub(skip).filter(|group| *group > 0)?, period, count, separator };
        run.is_one(text).then_some(run)
    }

    fn groups<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = &'t [u8]> + Clone {
        let (start, period, group) = (self.first + self.skip, self.period, self.group);
        (0..self.count).map(move |n| {
            let at = text.len().min(start + n * period);
            &text[at..text.len().min(at + group)]
        })
    }

    /// Whether it has enough groups, and no two adjacent ones that may be words of prose.
    fn is_one(&self, text: &[u8]) -> bool {
        if self.count < FEWEST[self.group.min(3) - 1] {
            return false;
        }
        // If there are more of them at a shorter distance, that is the run.
        if 2 * self.groups(text).filter(|group| group.contains(&self.separator)).count() > self.count {
            return false;
        }
        if self.group < 3 {
            return 2 * self.groups(text).filter(|group| group.iter().any(u8::is_ascii_alphanumeric)).count()
                >= self.count;
        }
        let words = self.groups(text).map(|group| !group.iter().any(|b| is_no_word(*b)));
        words.clone().zip(words.skip(1)).take(self.count - 2).all(|(one, next)| !(one && next))
    }

    /// Copies the text before the first separator and all groups; returns where they end.
    fn take_into(&self, text: &[u8], start: usize, view: &mut View) -> usize {
        view.text.extend_from_slice(&text[start..self.first]);
        let &Run { first, skip, group, period, count, .. } = self;
        let end = text.len().min(first + (count - 1) * period + skip + group);
        let every = Every { skip, group, period, width: 1 };
        view.change_every(self.groups(text), first, end - first, every);
        end
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many separators of runs were looked at.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    /// A rejected run is looked at once, and not again from each of its places.
    #[test]
    fn a_run_that_is_none_costs_as_much_as_it_is_long() {
        let needles = NeedleSet::new([&b"sk-live-0123456789abcdef"[..]].into_iter());
        for part in ["%D0%B0a", "%D0%B0b", "the-same-", "ab=cd=the=", "----", "a--b--", "word ", "1, 2, 30, 4, "] {
            let looked_at = |times: usize| {
                let text = part.repeat(times);
                LOOKED_AT.set(0);
                undo(text.as_bytes(), &needles);
                LOOKED_AT.get()
            };
            let (short, long) = (looked_at(1_000), looked_at(10_000));
            assert!(long <= 11 * short.max(1_000), "{part}: {short} for a thousand, {long} for ten thousand");
        }
    }
}
