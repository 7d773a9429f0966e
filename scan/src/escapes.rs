//! Layers made of escapes: each escape stands for a few bytes, and everything else for itself.

use memchr::{memchr, memchr2};

use super::bits::{BLOCK, bits, set};
use super::folded::in_a_text;
use super::layer::Layer;
use super::needles::NeedleSet;
use super::view::View;

/// What a text that starts with a layer's trigger begins with.
enum Unit {
    /// An escape of `length` bytes that stands for the first `count` of `bytes`.
    Escape { length: usize, bytes: [u8; 4], count: usize },
    /// No escape: the byte means itself.
    Literal,
    /// The text ends too early to tell.
    Unfinished,
}

/// The most text below that one byte of the view can come from, apart from some surplus zeros:
/// `\u0041`.
const WIDEST_ESCAPE: usize = 6;

pub(super) fn undo(layer: Layer, text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
    let reach = needles.longest() * WIDEST_ESCAPE;
    let mut view = View::default();
    let (mut copied, mut seen) = (0, 0);
    while let Some(at) = next(layer, text, seen) {
        match unit_at(layer, text, at, last) {
            Unit::Literal => seen = at + 1,
            Unit::Unfinished => {
                view.take_near(text, copied..at, (reach, needles.held()), needles.separator());
                return Some(view);
            }
            Unit::Escape { length, bytes, count } => {
                view.take_near(text, copied..at, (reach, reach), needles.separator());
                view.change(&bytes[..count], at, length);
                copied = at + length;
                seen = copied;
            }
        }
    }
    view.finish(text, copied..text.len(), reach, needles)
}

/// Writes a text in the escapes of a layer.
pub(super) fn write(layer: Layer, text: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let escape = |b: u8| match layer {
        Layer::Percent => format!("%{b:02X}"),
        Layer::Quoted => format!("={b:02X}"),
        Layer::Html => format!("&#{b};"),
        _ => format!("\\u{b:04x}"),
    };
    let stays = |b: &u8| match layer {
        Layer::Percent | Layer::Html | Layer::Quoted => plain(b),
        _ => !b.is_ascii_control() && !matches!(b, b'"' | b'\\'),
    };
    text.iter().flat_map(|b| if stays(b) { vec![*b] } else { escape(*b).into_bytes() }).collect()
}

/// Where the next escape may be, not before `from`.
fn next(layer: Layer, text: &[u8], from: usize) -> Option<usize> {
    let rest = &text[from..];
    let found = match layer {
        Layer::Percent => memchr(b'%', rest),
        Layer::Json => memchr(b'\\', rest),
        Layer::Html => memchr(b'&', rest),
        Layer::Quoted => memchr(b'=', rest),
        _ => return next_break(text, from),
    };
    found.map(|found| from + found)
}

/// The next line break that may be inside base64: most lines of a text do not end like that.
fn next_break(text: &[u8], from: usize) -> Option<usize> {
    let may_be = |b: Option<&u8>| b.is_none_or(|b| is_base64(*b) || matches!(b, b'\r' | b'\n'));
    let counts = |at: &usize| may_be(at.checked_sub(1).and_then(|before| text.get(before))) && may_be(text.get(at + 1));
    let (mut start, mut lines) = (from, 0);
    while start < text.len() {
        // Where lines are long, whole lines are skipped.
        if lines < 2 {
            start += memchr2(b'\r', b'\n', &text[start..])?;
            if counts(&start) {
                return Some(start);
            }
        }
        let mut last = [0; BLOCK];
        let block = text[start..].first_chunk().unwrap_or_else(|| {
            last[..text.len() - start].copy_from_slice(&text[start..]);
            &last
        });
        let breaks = bits(block, |b| (b == b'\r') | (b == b'\n'));
        lines = breaks.count_ones();
        let found = set(breaks).map(|place| start + place).find(counts);
        if found.is_some() {
            return found;
        }
        start += BLOCK;
    }
    None
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

fn unit_at(layer: Layer, text: &[u8], at: usize, last: bool) -> Unit {
    let rest = &text[at + 1..];
    let unit = match layer {
        Layer::Percent => percent(rest),
        Layer::Json => backslash(text, at, last),
        Layer::Html => html(rest),
        Layer::Quoted => quoted(rest),
        _ => line_break(&text[..at], &text[at..]),
    };
    match unit {
        Unit::Unfinished if last => Unit::Literal,
        unit => unit,
    }
}

fn escape(length: usize, character: u32) -> Unit {
    let mut bytes = [0; 4];
    let character = char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER);
    let count = character.encode_utf8(&mut bytes).len();
    Unit::Escape { length, bytes, count }
}

fn byte(length: usize, byte: u8) -> Unit {
    Unit::Escape { length, bytes: [byte, 0, 0, 0], count: 1 }
}

/// That many bytes that stand for nothing.
fn nothing(length: usize) -> Unit {
    Unit::Escape { length, bytes: [0; 4], count: 0 }
}

/// The number that `digits` hex digits spell, or the unit to return instead.
fn hex_number(text: &[u8], digits: usize) -> Result<u32, Unit> {
    let mut number = 0;
    for at in 0..digits {
        let digit = text.get(at).ok_or(Unit::Unfinished)?;
        number = number * 16 + char::from(*digit).to_digit(16).ok_or(Unit::Literal)?;
    }
    Ok(number)
}

fn percent(rest: &[u8]) -> Unit {
    hex_number(rest, 2).map_or_else(|unit| unit, |n| byte(3, n as u8))
}

/// `=41`; or a line break after the `=`, which stands for nothing.
fn quoted(rest: &[u8]) -> Unit {
    match rest {
        [] | [b'\r'] => Unit::Unfinished,
        [b'\r', b'\n', ..] => nothing(3),
        [b'\n', ..] => nothing(2),
        _ => percent(rest),
    }
}

fn backslash(text: &[u8], at: usize, last: bool) -> Unit {
    let rest = &text[at + 1..];
    let or_unit = |found: Result<Unit, Unit>| found.unwrap_or_else(|unit| unit);
    match rest.first() {
        None => Unit::Unfinished,
        Some(b @ (b'"' | b'\\' | b'/' | b'\'')) => byte(2, *b),
        Some(b'b') => byte(2, 8),
        Some(b'f') => byte(2, 12),
        Some(b'n') => byte(2, b'\n'),
        Some(b'r') => byte(2, b'\r'),
        Some(b't') => byte(2, b'\t'),
        Some(b'0'..=b'7') if in_a_text(text, at, at + 1) => octal(rest, last),
        Some(b'x' | b'u') if rest.get(1) == Some(&b'{') => or_unit(in_braces(rest)),
        Some(b'x') => hex_number(&rest[1..], 2).map_or_else(|unit| unit, |n| byte(4, n as u8)),
        Some(b'u') => or_unit(utf16(&rest[1..])),
        Some(b'U') => or_unit(hex_number(&rest[1..], 8).map(|character| escape(10, character))),
        Some(b'\n') => nothing(2),
        // In a shell, a pattern or Markdown: the character itself. Binary data has many such pairs.
        Some(b) if is_mark(*b) && in_a_text(text, at, at + 1) => byte(2, *b),
        Some(_) => Unit::Literal,
    }
}

fn is_mark(b: u8) -> bool {
    b == b' ' || b.is_ascii_punctuation()
}

/// `\101`, `\1`, as in C. `\0101` is one character for `echo`, but a control character and a digit
/// for C; it is read like C only where `echo` would read a control character too.
fn octal(rest: &[u8], last: bool) -> Unit {
    let digits = rest.iter().take(4).take_while(|b| matches!(b, b'0'..=b'7')).count();
    if digits == rest.len() && digits < 4 && !last {
        return Unit::Unfinished;
    }
    let number = |digits: &[u8]| digits.iter().fold(0u32, |number, digit| number * 8 + u32::from(digit - b'0'));
    let echoed = (digits == 4 && rest[0] == b'0').then(|| number(&rest[1..4]));
    if let Some(echoed @ 0o40..=0o377) = echoed {
        return byte(5, echoed as u8);
    }
    let count = if digits >= 3 && number(&rest[..3]) <= 0o377 { 3 } else { digits.min(2) };
    byte(1 + count, number(&rest[..count]) as u8)
}

/// `u{41}` or `x{41}`, with as many as six digits.
fn in_braces(rest: &[u8]) -> Result<Unit, Unit> {
    for digits in 1..=6 {
        let end = 2 + digits;
        let number = hex_number(&rest[2..], digits)?;
        match rest.get(end) {
            None => return Err(Unit::Unfinished),
            Some(b'}') => return Ok(escape(end + 2, number)),
            Some(_) => {}
        }
    }
    Err(Unit::Literal)
}

/// `0041`, or `d83d\ude00` for a character outside the Basic Multilingual Plane.
fn utf16(rest: &[u8]) -> Result<Unit, Unit> {
    let high = hex_number(rest, 4)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Ok(escape(6, high));
    }
    let rest = &rest[4..];
    if b"\\u".starts_with(rest) {
        return Err(Unit::Unfinished);
    }
    let low = match rest.strip_prefix(b"\\u").map(|digits| hex_number(digits, 4)) {
        Some(Err(Unit::Unfinished)) => return Err(Unit::Unfinished),
        Some(Ok(low)) if (0xDC00..0xE000).contains(&low) => low,
        _ => return Ok(escape(6, high)),
    };
    Ok(escape(12, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)))
}

const NAMES: [(&[u8], u8); 5] = [(b"amp;", b'&'), (b"lt;", b'<'), (b"gt;", b'>'), (b"quot;", b'"'), (b"apos;", b'\'')];
/// `#x0010FFFF;` and `#01114111;`: the most surplus zeros that are read.
const LONGEST_REFERENCE: usize = 11;

fn html(rest: &[u8]) -> Unit {
    if let Some((name, meant)) = NAMES.iter().find(|(name, _)| rest.starts_with(name)) {
        return byte(1 + name.len(), *meant);
    }
    if rest.first() == Some(&b'#') {
        return number_reference(rest).unwrap_or_else(|unit| unit);
    }
    if NAMES.iter().any(|(name, _)| name.starts_with(rest)) { Unit::Unfinished } else { Unit::Literal }
}

fn number_reference(rest: &[u8]) -> Result<Unit, Unit> {
    let (radix, digits_at) = match rest.get(1) {
        None => return Err(Unit::Unfinished),
        Some(b'x' | b'X') => (16, 2),
        Some(_) => (10, 1),
    };
    let mut number = 0u32;
    for at in digits_at..LONGEST_REFERENCE {
        match rest.get(at).ok_or(Unit::Unfinished)? {
            b';' if at > digits_at => return Ok(escape(at + 2, number)),
            digit => {
                let digit = char::from(*digit).to_digit(radix).ok_or(Unit::Literal)?;
                number = number.saturating_mul(radix).saturating_add(digit);
            }
        }
    }
    Err(Unit::Literal)
}

/// No encoder makes shorter lines. Most words are shorter, so prose has no such breaks.
const SHORTEST_LINE: usize = 16;

/// A line break counts if base64 stands on both sides of it. It also counts at the end of the text,
/// because base64 may follow, and near its beginning, because what came before was let go.
fn line_break(before: &[u8], at: &[u8]) -> Unit {
    let is_base64 = |b: &u8| is_base64(*b);
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    let line = &before[before.len().saturating_sub(SHORTEST_LINE)..];
    let after = at.strip_prefix(b"\r\n").unwrap_or(&at[1..]);
    if after.first().is_none_or(is_base64) && !line.is_empty() && line.iter().rev().all(is_base64) {
        return nothing(at.len() - after.len());
    }
    Unit::Literal
}
