//! UTF-16 and UTF-32, as some systems write text, whatever the text's declared encoding.
//!
//! Four ASCII characters in a row, each with its zeros, give it away; the text around them is
//! decoded with them.

use memchr::memchr;

use super::bits::{BLOCK, bits, set};
use super::needles::NeedleSet;
use super::view::{Every, View};

/// How the characters of a text are written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Encoding {
    /// Bytes in a unit: two or four.
    width: usize,
    /// The most significant byte comes first.
    big: bool,
}

/// From the first to the last zero of four characters of UTF-32.
const EVIDENCE: usize = 12;

pub(super) fn undo(text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
    let reach = needles.longest();
    let mut view = View::default();
    let mut copied = 0;
    while let Some((at, encoding)) = next(text, copied) {
        // Units before these may be other letters.
        let back = |n: &usize| at - n * encoding.width;
        let most = reach.min((at - copied) / encoding.width);
        let before = (1..=most).take_while(|n| encoding.may_be_letter(&text[back(n)..][..encoding.width])).count();
        let start = back(&before);
        view.take_near(text, copied..start, (reach, 0), needles.separator());
        let (end, unfinished) = decode(text, start, encoding, reach, &mut view);
        copied = end;
        if unfinished && !last {
            return Some(view);
        }
    }
    view.finish(text, copied..text.len(), reach, needles)
}

/// Writes a text in the encoding of `found`, or in UTF-16 if that does not tell.
pub(super) fn write(text: &[u8], found: &[u8]) -> Vec<u8> {
    let encoding = match found {
        [0, 0, ..] => Encoding { width: 4, big: true },
        [0, ..] => Encoding { width: 2, big: true },
        [_, 0, 0, 0, ..] => Encoding { width: 4, big: false },
        _ => Encoding { width: 2, big: false },
    };
    text.iter().flat_map(|byte| encoding.unit(*byte)).collect()
}

/// Where the next such text begins, not before `from`.
fn next(text: &[u8], from: usize) -> Option<(usize, Encoding)> {
    let mut at = from;
    loop {
        at += memchr(0, &text[at..])?;
        let mut last = [1; BLOCK];
        let block = text[at..].first_chunk::<BLOCK>().unwrap_or_else(|| {
            last[..text.len() - at].copy_from_slice(&text[at..]);
            &last
        });
        if *block != [0; BLOCK]
            && let Some((first, width)) = shown_in(block)
        {
            return Some(beginning(text, at + first, width, from));
        }
        at = text.len().min(at + BLOCK - EVIDENCE);
    }
}

/// The first zeros that belong to four characters, and the width of those.
#[inline]
fn shown_in(block: &[u8; BLOCK]) -> Option<(usize, usize)> {
    let zero = bits(block, |b| b == 0);
    let two = zero & zero >> 2 & zero >> 4 & zero >> 6;
    let three = zero & zero >> 1 & zero >> 2;
    let four = three & three >> 4 & three >> 8;
    if two | four == 0 {
        return None;
    }
    let text = bits(block, is_text);
    let two = two & text >> 1 & text >> 3 & text >> 5;
    let four = four & text >> 3 & text >> 7;
    let first = set(two | four).next()?;
    Some((first, if four >> first & 1 == 1 { 4 } else { 2 }))
}

/// The text begins with the character before the first zeros or, in big-endian order, with these.
fn beginning(text: &[u8], zero: usize, width: usize, from: usize) -> (usize, Encoding) {
    let before = zero.checked_sub(1).filter(|before| *before >= from && is_text(text[*before]));
    (before.unwrap_or(zero), Encoding { width, big: before.is_none() })
}

#[inline(always)]
fn is_text(b: u8) -> bool {
    (b.wrapping_sub(b' ') < 0x5F) | (b.wrapping_sub(b'\t') < 5)
}

/// Decodes the text from here on; says where it ends, and whether it may continue.
fn decode(text: &[u8], start: usize, encoding: Encoding, reach: usize, view: &mut View) -> (usize, bool) {
    let width = encoding.width;
    let unit = |at: usize| text.get(at..at + width).map(|unit| encoding.number(unit));
    let (mut at, mut without) = (start, 0);
    while without <= reach {
        let ascii = (0..).take_while(|n| unit(at + n * width).is_some_and(|unit| (1..0x80).contains(&unit))).count();
        if ascii > 0 {
            let place = if encoding.big { width - 1 } else { 0 };
            let letters = text[at + place..].iter().step_by(width).take(ascii).map(std::slice::from_ref);
            view.change_every(letters, at, ascii * width, Every { skip: 0, group: 1, period: width, width });
            (at, without) = (at + ascii * width, 0);
            // If zeros come first, this is the last character, and what was taken for the first one
            // stands before the text.
            if !encoding.big && text[at - 1] == 0 && text.get(at).is_some_and(|b| is_text(*b)) {
                view.change(&text[at..=at], at, 1);
            }
            continue;
        }
        let Some(first) = unit(at) else { return (at, true) };
        if !encoding.may_be_letter(&text[at..at + width]) {
            return (at, false);
        }
        let (character, length) = match (first, width, unit(at + width)) {
            (0xD800..=0xDBFF, 2, Some(low @ 0xDC00..=0xDFFF)) => {
                (0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00), 4)
            }
            _ => (first, width),
        };
        let character = char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER);
        view.change(character.encode_utf8(&mut [0; 4]).as_bytes(), at, length);
        (at, without) = (at + length, without + 1);
    }
    (at, false)
}

impl Encoding {
    fn number(self, unit: &[u8]) -> u32 {
        let add = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if self.big { unit.iter().fold(0, add) } else { unit.iter().rev().fold(0, add) }
    }

    /// Neither zero nor plain text.
    fn may_be_letter(self, unit: &[u8]) -> bool {
        self.number(unit) != 0 && !unit.iter().all(|b| is_text(*b))
    }

    fn unit(self, byte: u8) -> Vec<u8> {
        let mut unit = vec![0; self.width];
        unit[if self.big { self.width - 1 } else { 0 }] = byte;
        unit
    }
}
