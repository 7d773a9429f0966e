//! A text with one layer of escapes undone, and the way back to where each byte came from.
//!
//! Undoing closes a whole class: any mixture of escaped and plain characters ends
//! up as the one text that is searched. Only the text around escapes is kept: what
//! is further away than a needle can reach is found without the view.

use memchr::{memchr, memchr2};

use super::needles::NeedleSet;
use super::spelling::Form;

/// A layer of escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// `%41` (RFC 3986, section 2.1).
    Percent,
    /// `\u0041`, `\/`, `\n` (RFC 8259, section 7), and `\x41` of its relatives.
    Json,
    /// `&#65;`, `&#x41;` and the five names that HTML and XML share.
    Html,
    /// The line breaks inside wrapped base64 (RFC 2045, section 6.8).
    Wrapped,
}

/// What stands at the beginning of a text that starts with a layer's trigger.
enum Unit {
    /// An escape of `length` bytes that stands for the first `count` of `bytes`.
    Escape { length: usize, bytes: [u8; 4], count: usize },
    /// No escape: the byte means itself.
    Literal,
    /// The text ends before that can be told.
    Unfinished,
}

/// One place where the view differs from the text below.
struct Change {
    at: usize,
    count: usize,
    below: usize,
    length: usize,
}

/// The text with a layer undone.
pub(super) struct View {
    pub(super) text: Vec<u8>,
    changes: Vec<Change>,
}

/// The most text below that one byte of the view can come from, save for some
/// surplus zeros of HTML: `\u0041`.
const WIDEST_ESCAPE: usize = 6;

impl Layer {
    pub(super) const ALL: [Layer; 4] = [Layer::Percent, Layer::Json, Layer::Html, Layer::Wrapped];

    /// How a raw value is called that stood under this layer.
    pub(super) fn form(self) -> Form {
        match self {
            Layer::Percent => Form::Percent,
            Layer::Json => Form::Json,
            Layer::Html => Form::Html,
            Layer::Wrapped => Form::Raw,
        }
    }

    /// Writes a text that replaces something under this layer.
    pub(super) fn wrap(self, text: &[u8]) -> Vec<u8> {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let escape = |b: u8| match self {
            Layer::Percent => format!("%{b:02X}"),
            Layer::Json => format!("\\u{b:04x}"),
            Layer::Html => format!("&#{b};"),
            Layer::Wrapped => String::new(),
        };
        let stays = |b: &u8| match self {
            Layer::Percent | Layer::Html => plain(b),
            Layer::Json => !b.is_ascii_control() && !matches!(b, b'"' | b'\\'),
            Layer::Wrapped => true,
        };
        text.iter().flat_map(|b| if stays(b) { vec![*b] } else { escape(*b).into_bytes() }).collect()
    }

    /// Where the next escape may stand.
    fn next(self, text: &[u8]) -> Option<usize> {
        match self {
            Layer::Percent => memchr(b'%', text),
            Layer::Json => memchr(b'\\', text),
            Layer::Html => memchr(b'&', text),
            Layer::Wrapped => memchr2(b'\r', b'\n', text),
        }
    }

    /// Undoes this layer; `None` where there is nothing to undo. `last`: no more text
    /// follows. An unfinished escape ends the view: it is not part of it.
    pub(super) fn undo(self, text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
        let reach = needles.longest() * WIDEST_ESCAPE;
        let mut view = View { text: Vec::new(), changes: Vec::new() };
        let (mut copied, mut seen) = (0, 0);
        while let Some(found) = self.next(&text[seen..]) {
            let at = seen + found;
            match self.unit_at(text, at, last) {
                Unit::Literal => seen = at + 1,
                Unit::Unfinished => {
                    view.take_near(text, copied..at, reach, needles.separator());
                    return Some(view);
                }
                Unit::Escape { length, bytes, count } => {
                    view.take_near(text, copied..at, reach, needles.separator());
                    view.changes.push(Change { at: view.text.len(), count, below: at, length });
                    view.text.extend_from_slice(&bytes[..count]);
                    copied = at + length;
                    seen = copied;
                }
            }
        }
        if view.changes.is_empty() {
            return None;
        }
        view.take_near(text, copied..text.len(), reach, needles.separator());
        Some(view)
    }

    fn unit_at(self, text: &[u8], at: usize, last: bool) -> Unit {
        let rest = &text[at + 1..];
        let unit = match self {
            Layer::Percent => percent(rest),
            Layer::Json => json(rest),
            Layer::Html => html(rest),
            Layer::Wrapped => line_break(&text[..at], &text[at..]),
        };
        match unit {
            Unit::Unfinished if last => Unit::Literal,
            unit => unit,
        }
    }
}

impl View {
    /// Where the byte at `at` begins in the text below.
    pub(super) fn start_below(&self, at: usize) -> usize {
        match self.change_up_to(at) {
            None => at,
            Some(change) if at < change.at + change.count => change.below,
            Some(change) => change.below + change.length + (at - change.at - change.count),
        }
    }

    /// Where the text before `end` ends in the text below.
    pub(super) fn end_below(&self, end: usize) -> usize {
        let Some(at) = end.checked_sub(1) else { return 0 };
        match self.change_up_to(at) {
            Some(change) if at < change.at + change.count => change.below + change.length,
            _ => self.start_below(at) + 1,
        }
    }

    fn change_up_to(&self, at: usize) -> Option<&Change> {
        self.changes[..self.changes.partition_point(|change| change.at <= at)].last()
    }

    /// Takes the plain text between two escapes over: all of it, or what is within reach of them.
    fn take_near(&mut self, text: &[u8], range: std::ops::Range<usize>, reach: usize, separator: Option<u8>) {
        let first = self.changes.is_empty();
        let before = if first { 0 } else { reach };
        let Some(separator) = separator.filter(|_| is_far(range.len(), before, reach)) else {
            self.text.extend_from_slice(&text[range]);
            return;
        };
        let resumes = range.end - reach;
        self.text.extend_from_slice(&text[range.start..range.start + before]);
        let below = range.start + before;
        self.changes.push(Change { at: self.text.len(), count: 1, below, length: resumes - below });
        self.text.push(separator);
        self.text.extend_from_slice(&text[resumes..range.end]);
    }
}

/// Whether so much plain text lies between two escapes that leaving its middle out saves something.
fn is_far(length: usize, before: usize, reach: usize) -> bool {
    length > before + reach
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

/// The number that `digits` hex digits spell, or the unit that says why there is none.
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

fn json(rest: &[u8]) -> Unit {
    match rest.first() {
        None => Unit::Unfinished,
        Some(b @ (b'"' | b'\\' | b'/' | b'\'')) => byte(2, *b),
        Some(b'b') => byte(2, 8),
        Some(b'f') => byte(2, 12),
        Some(b'n') => byte(2, b'\n'),
        Some(b'r') => byte(2, b'\r'),
        Some(b't') => byte(2, b'\t'),
        Some(b'x') => hex_number(&rest[1..], 2).map_or_else(|unit| unit, |n| byte(4, n as u8)),
        Some(b'u') => utf16(&rest[1..]).unwrap_or_else(|unit| unit),
        Some(_) => Unit::Literal,
    }
}

/// `0041`, or `d83d\ude00` for a character outside of the first plane.
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
/// `#x0010FFFF;` and `#01114111;`: surplus zeros up to here.
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

/// No encoder makes shorter lines; most words are shorter, so prose has no such breaks.
const SHORTEST_LINE: usize = 16;

/// A line break counts where base64 stands on both sides of it. At the end of the
/// text it counts too: what comes next may be base64. So does one near its
/// beginning: what came before was let go.
fn line_break(before: &[u8], at: &[u8]) -> Unit {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    let line = &before[before.len().saturating_sub(SHORTEST_LINE)..];
    let after = at.strip_prefix(b"\r\n").unwrap_or(&at[1..]);
    if after.first().is_none_or(is_base64) && !line.is_empty() && line.iter().rev().all(is_base64) {
        return Unit::Escape { length: at.len() - after.len(), bytes: [0; 4], count: 0 };
    }
    Unit::Literal
}
