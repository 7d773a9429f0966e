//! Invisible Unicode characters, and those that look like an ASCII one.
//!
//! Text in other scripts has Latin-looking letters in every word. They count only where something
//! indicates a disguise: a letter beside an ASCII one, or one of those made to look like ASCII
//! (full width, mathematical, circled, tags).

use super::bits::{BLOCK, bits, blocks, set};
use super::needles::NeedleSet;
use super::view::View;

/// What a character is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meant {
    Nothing,
    /// An ASCII character, whatever stands beside it.
    Letter(u8),
    /// An ASCII character, but only beside ASCII.
    Alike(u8),
}

/// A character that indicates a disguise, and whether it is a letter.
struct Sign {
    at: usize,
    letter: bool,
}

pub(super) fn undo(text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
    let reach = 2 * needles.longest();
    let mut view = View::default();
    let mut copied = 0;
    let mut sign = next_sign(text, 0);
    while let Some(first) = sign.take() {
        let (mut end, mut letters) = (first.at, first.letter);
        while let Some(next) = next_sign(text, end + 1) {
            if next.at - end > 2 * reach {
                sign = Some(next);
                break;
            }
            (end, letters) = (next.at, letters || next.letter);
        }
        let start = beginning(text, first.at.saturating_sub(reach).max(copied));
        let end = beginning(text, text.len().min(end + reach));
        view.take_near(text, copied..start, (0, 0), needles.separator());
        copied = fold(text, start, end, letters, &mut view);
        if copied < end && !last {
            return Some(view);
        }
        copied = copied.max(end);
    }
    view.finish(text, copied..text.len(), 0, needles)
}

/// The beginning of the character at `at`, or of the next one.
fn beginning(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take(3).take_while(|b| matches!(b, 0x80..=0xBF)).count()
}

/// Copies a stretch with each character as what it is read as; returns how far, if the last one is
/// unfinished.
fn fold(text: &[u8], start: usize, end: usize, letters: bool, view: &mut View) -> usize {
    let (mut at, mut copied) = (start, start);
    while at < end {
        if text[at].is_ascii() {
            at += 1;
            continue;
        }
        let (length, meant) = match character(&text[at..]) {
            Character::Is(length, meant) => (length, meant),
            Character::Unfinished => {
                view.text.extend_from_slice(&text[copied..at]);
                return at;
            }
        };
        let bytes = match meant {
            Some(Meant::Nothing) => Some(vec![]),
            Some(Meant::Letter(letter) | Meant::Alike(letter)) if letters => Some(vec![letter]),
            _ => None,
        };
        if let Some(bytes) = bytes {
            view.text.extend_from_slice(&text[copied..at]);
            view.change(&bytes, at, length);
            copied = at + length;
        }
        at += length;
    }
    view.text.extend_from_slice(&text[copied..at.min(text.len())]);
    at
}

/// The next character that indicates a disguise, not before `from`.
fn next_sign(text: &[u8], from: usize) -> Option<Sign> {
    let (blocks, last) = blocks(&text[from..], b' ');
    let mut at = from;
    for block in blocks.iter().chain([&last]) {
        if !block.is_ascii() {
            let found = set(suspicious(block, text, at)).find_map(|place| sign_at(text, at + place));
            if found.is_some() {
                return found;
            }
        }
        at += BLOCK;
    }
    None
}

/// Where in a block one may be: lead bytes of rare characters, and those of Greek, Cyrillic,
/// Armenian and Japanese beside ASCII.
#[inline]
fn suspicious(block: &[u8; BLOCK], text: &[u8], at: usize) -> u64 {
    let long = bits(block, |b| (b.wrapping_sub(0xEA) < 0x0A) | (b.wrapping_sub(0xE1) < 2));
    let rare = bits(block, |b| (b.wrapping_sub(0xC9) < 3) | (b == 0xC2));
    let letters = bits(block, |b| (b.wrapping_sub(0xCD) < 12) | (b == 0xE3));
    if long | rare | letters == 0 {
        return 0;
    }
    // Anything may follow after the end of the block.
    let follows = bits(block, |b| b.wrapping_sub(0x80) < 0x40) >> 1 | 1 << (BLOCK - 1);
    let found = (rare | long & (follows >> 1 | 1 << (BLOCK - 1))) & follows;
    if letters & follows == 0 {
        return found;
    }
    let plain = bits(block, |b| b.wrapping_sub(b'0') < 0x50);
    let before = at.checked_sub(1).is_some_and(|before| text[before].is_ascii_alphanumeric());
    found | letters & follows & (plain << 1 | u64::from(before) | plain >> 2 | 3 << (BLOCK - 2))
}

fn sign_at(text: &[u8], at: usize) -> Option<Sign> {
    let Character::Is(length, Some(meant)) = character(&text[at..]) else { return None };
    let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let beside = || letter(at.checked_sub(1).and_then(|before| text.get(before))) || letter(text.get(at + length));
    if matches!(meant, Meant::Alike(_)) && !beside() {
        return None;
    }
    in_a_text(text, at, at + length).then_some(Sign { at, letter: meant != Meant::Nothing })
}

/// Whether the character stands in a text: a value has at least seven more characters, four of them
/// on one side. Binary data has such characters by chance.
pub(super) fn in_a_text(text: &[u8], start: usize, end: usize) -> bool {
    let length = |at: usize| match character(&text[at..]) {
        Character::Is(1, _) => (text[at].wrapping_sub(b' ') < 0x5F || text[at].is_ascii_whitespace()).then_some(1),
        Character::Is(length, _) => Some(length),
        Character::Unfinished => None,
    };
    let mut behind = end;
    let all_behind = (0..4).all(|_| {
        let one = (behind < text.len()).then(|| length(behind)).flatten();
        behind += one.unwrap_or(0);
        one.is_some()
    });
    let mut before = start;
    all_behind
        || (0..4).all(|_| {
            let one = (1..=4.min(before)).find(|back| length(before - back) == Some(*back));
            before -= one.unwrap_or(0);
            one.is_some()
        })
}

enum Character {
    /// Its length, and what it is read as.
    Is(usize, Option<Meant>),
    Unfinished,
}

/// The character at the beginning; a byte that begins none counts as a character by itself.
#[inline]
fn character(text: &[u8]) -> Character {
    let (length, first) = match text.first() {
        Some(b @ 0xC2..=0xDF) => (2, b & 0x1F),
        Some(b @ 0xE0..=0xEF) => (3, b & 0x0F),
        Some(b @ 0xF0..=0xF4) => (4, b & 0x07),
        _ => return Character::Is(1, None),
    };
    let mut number = u32::from(first);
    for at in 1..length {
        match text.get(at) {
            Some(b @ 0x80..=0xBF) => number = number << 6 | u32::from(b & 0x3F),
            Some(_) => return Character::Is(1, None),
            None => return Character::Unfinished,
        }
    }
    // An overlong encoding is not a character.
    match char::from_u32(number).filter(|one| one.len_utf8() == length) {
        Some(one) => Character::Is(length, meant(one)),
        None => Character::Is(1, None),
    }
}

fn meant(character: char) -> Option<Meant> {
    let letter = |letters: &[u8], from: char| letters.get(character as usize - from as usize).copied();
    let digit = |from: char| Some(b'1' + (character as u32 - from as u32) as u8);
    const BOTH: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (capitals, small) = BOTH.split_at(26);
    let letter = match character {
        // Invisible: soft hyphen, joiners, direction marks, selectors, fillers.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' => {
            return Some(Meant::Nothing);
        }
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' => {
            return Some(Meant::Nothing);
        }
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0100}'..='\u{e01ef}' => {
            return Some(Meant::Nothing);
        }
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e001f}' => return Some(Meant::Nothing),
        // Tags: an invisible copy of ASCII.
        '\u{e0020}'..='\u{e007e}' => Some((character as u32 - 0xE0000) as u8),
        '\u{e007f}' => return Some(Meant::Nothing),
        // Full width: ASCII from `!` to `~`. Its punctuation is in every Chinese text.
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = (character as u32 - 0xFF01) as u8 + b'!';
            return Some(if plain.is_ascii_alphanumeric() { Meant::Letter(plain) } else { Meant::Alike(plain) });
        }
        // Mathematical letters: thirteen alphabets, and the digits five times.
        '\u{1d400}'..='\u{1d6a3}' => BOTH.get((character as usize - 0x1D400) % 52).copied(),
        '\u{1d7ce}'..='\u{1d7ff}' => Some(b'0' + ((character as u32 - 0x1D7CE) % 10) as u8),
        '\u{1fbf0}'..='\u{1fbf9}' => Some(b'0' + (character as u32 - 0x1FBF0) as u8),
        // Circled, in brackets, in squares.
        '①'..='⑨' => digit('①'),
        '❶'..='❾' => digit('❶'),
        '⓪' | '⓿' => Some(b'0'),
        '⒜'..='⒵' => letter(small, '⒜'),
        'Ⓐ'..='Ⓩ' => letter(capitals, 'Ⓐ'),
        'ⓐ'..='ⓩ' => letter(small, 'ⓐ'),
        '\u{1f130}'..='\u{1f149}' => letter(capitals, '\u{1f130}'),
        '\u{1f150}'..='\u{1f169}' => letter(capitals, '\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => letter(capitals, '\u{1f170}'),
        '\u{1f1e6}'..='\u{1f1ff}' => letter(capitals, '\u{1f1e6}'),
        _ if !may_be_alike(character) => return None,
        _ => {
            let found = ALIKE.binary_search_by_key(&character, |(alike, _)| *alike).ok()?;
            return Some(Meant::Alike(ALIKE[found].1));
        }
    };
    letter.map(Meant::Letter)
}

/// A fast check whether it may be in the table: most characters are not.
fn may_be_alike(character: char) -> bool {
    const PAGES: [u64; 4] = {
        let (mut pages, mut n) = ([0; 4], 0);
        while n < ALIKE.len() {
            let page = ALIKE[n].0 as usize / 256;
            pages[page / 64] |= 1 << (page % 64);
            n += 1;
        }
        pages
    };
    let page = character as usize / 256;
    PAGES.get(page / 64).is_some_and(|pages| pages >> (page % 64) & 1 == 1)
}

/// Letters, digits, dashes and blanks of other alphabets and styles that look like an ASCII one,
/// sorted. Modelled on Unicode Technical Standard 39, section 4.
#[rustfmt::skip]
const ALIKE: [(char, u8); 225] = [
    ('\u{a0}', b' '), ('²', b'2'), ('³', b'3'), ('¹', b'1'), ('ɑ', b'a'), ('ɡ', b'g'),
    ('ɢ', b'g'), ('ɩ', b'i'), ('ɪ', b'i'), ('ɴ', b'n'), ('ʀ', b'r'), ('ʏ', b'y'), ('ʙ', b'b'), ('ʜ', b'h'),
    ('ʟ', b'l'), ('ʰ', b'h'), ('ʲ', b'j'), ('ʳ', b'r'), ('ʷ', b'w'), ('ʸ', b'y'), ('ː', b':'), ('\u{2d7}', b'-'),
    ('ˡ', b'l'), ('ˢ', b's'), ('ˣ', b'x'), ('Α', b'a'), ('Β', b'b'), ('Ε', b'e'), ('Ζ', b'z'), ('Η', b'h'),
    ('Ι', b'i'), ('Κ', b'k'), ('Μ', b'm'), ('Ν', b'n'), ('Ο', b'o'), ('Ρ', b'p'), ('Τ', b't'), ('Υ', b'y'),
    ('Χ', b'x'), ('α', b'a'), ('γ', b'y'), ('ε', b'e'), ('η', b'n'), ('ι', b'i'), ('κ', b'k'), ('ν', b'v'),
    ('ο', b'o'), ('ρ', b'p'), ('τ', b't'), ('υ', b'u'), ('χ', b'x'), ('ω', b'w'), ('ϲ', b'c'), ('ϳ', b'j'),
    ('Ѕ', b's'), ('І', b'i'), ('Ј', b'j'), ('А', b'a'), ('В', b'b'), ('Е', b'e'), ('З', b'3'), ('К', b'k'),
    ('М', b'm'), ('Н', b'h'), ('О', b'o'), ('Р', b'p'), ('С', b'c'), ('Т', b't'), ('У', b'y'), ('Х', b'x'),
    ('Ь', b'b'), ('а', b'a'), ('б', b'6'), ('в', b'b'), ('г', b'r'), ('е', b'e'), ('з', b'3'), ('к', b'k'),
    ('м', b'm'), ('н', b'h'), ('о', b'o'), ('р', b'p'), ('с', b'c'), ('т', b't'), ('у', b'y'), ('х', b'x'),
    ('ь', b'b'), ('ѕ', b's'), ('і', b'i'), ('ј', b'j'), ('Ѵ', b'v'), ('ѵ', b'v'), ('Ғ', b'f'), ('ғ', b'f'),
    ('Ү', b'y'), ('ү', b'y'), ('Һ', b'h'), ('һ', b'h'), ('Ӏ', b'l'), ('ӏ', b'l'), ('ԁ', b'd'), ('Ԛ', b'q'),
    ('ԛ', b'q'), ('Ԝ', b'w'), ('ԝ', b'w'), ('Ս', b'u'), ('Տ', b's'), ('Օ', b'o'), ('զ', b'q'), ('հ', b'h'),
    ('յ', b'j'), ('ո', b'n'), ('ս', b'u'), ('ց', b'g'), ('օ', b'o'), ('ᴀ', b'a'), ('ᴄ', b'c'), ('ᴅ', b'd'),
    ('ᴇ', b'e'), ('ᴊ', b'j'), ('ᴋ', b'k'), ('ᴍ', b'm'), ('ᴏ', b'o'), ('ᴘ', b'p'), ('ᴛ', b't'), ('ᴜ', b'u'),
    ('ᴠ', b'v'), ('ᴡ', b'w'), ('ᴢ', b'z'), ('ᵃ', b'a'), ('ᵇ', b'b'), ('ᵈ', b'd'), ('ᵉ', b'e'), ('ᵍ', b'g'),
    ('ᵏ', b'k'), ('ᵐ', b'm'), ('ᵒ', b'o'), ('ᵖ', b'p'), ('ᵗ', b't'), ('ᵘ', b'u'), ('ᵛ', b'v'), ('ᶜ', b'c'),
    ('ᶠ', b'f'), ('ᶻ', b'z'), ('\u{2000}', b' '), ('\u{2001}', b' '), ('\u{2002}', b' '), ('\u{2003}', b' '),
    ('\u{2004}', b' '), ('\u{2005}', b' '), ('\u{2006}', b' '), ('\u{2007}', b' '), ('\u{2008}', b' '),
    ('\u{2009}', b' '), ('\u{200a}', b' '), ('\u{2010}', b'-'), ('\u{2011}', b'-'), ('\u{2012}', b'-'),
    ('\u{2013}', b'-'), ('\u{2014}', b'-'), ('\u{2015}', b'-'), ('\u{2024}', b'.'), ('\u{202f}', b' '),
    ('\u{203f}', b'_'), ('\u{2043}', b'-'), ('\u{2044}', b'/'), ('\u{205f}', b' '), ('⁰', b'0'), ('ⁱ', b'i'),
    ('⁴', b'4'), ('⁵', b'5'), ('⁶', b'6'), ('⁷', b'7'), ('⁸', b'8'), ('⁹', b'9'), ('ⁿ', b'n'), ('₀', b'0'),
    ('₁', b'1'), ('₂', b'2'), ('₃', b'3'), ('₄', b'4'), ('₅', b'5'), ('₆', b'6'), ('₇', b'7'), ('₈', b'8'),
    ('₉', b'9'), ('ₐ', b'a'), ('ₑ', b'e'), ('ₒ', b'o'), ('ₓ', b'x'), ('ℂ', b'c'), ('ℊ', b'g'), ('ℋ', b'h'),
    ('ℍ', b'h'), ('ℎ', b'h'), ('ℐ', b'i'), ('ℒ', b'l'), ('ℓ', b'l'), ('ℕ', b'n'), ('ℙ', b'p'), ('ℚ', b'q'),
    ('ℛ', b'r'), ('ℝ', b'r'), ('ℤ', b'z'), ('K', b'k'), ('ℯ', b'e'), ('ℰ', b'e'), ('ℱ', b'f'), ('ℳ', b'm'),
    ('ℴ', b'o'), ('ⅰ', b'i'), ('ⅴ', b'v'), ('ⅹ', b'x'), ('ⅼ', b'l'), ('ⅽ', b'c'), ('ⅾ', b'd'), ('ⅿ', b'm'),
    ('\u{2212}', b'-'), ('\u{2215}', b'/'), ('\u{2236}', b':'), ('\u{3000}', b' '), ('ꜰ', b'f'), ('ꜱ', b's'),
    ('\u{a789}', b':'), ('\u{fe63}', b'-'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_holds_nothing_that_is_known_otherwise() {
        assert!(ALIKE.is_sorted_by(|one, two| one.0 < two.0));
        assert!(ALIKE.iter().all(|(alike, plain)| meant(*alike) == Some(Meant::Alike(*plain))));
    }

    /// Every lead byte in the table is searched for.
    #[test]
    fn each_is_found_beside_a_letter() {
        let all = (0x80..=0x10_FFFF).filter_map(char::from_u32).filter(|character| meant(*character).is_some());
        for character in all {
            let text = format!("xxxx{character}xxxx");
            assert!(next_sign(text.as_bytes(), 0).is_some_and(|sign| sign.at == 4), "{character:?}");
        }
    }
}
