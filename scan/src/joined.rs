//! The values of fields put together: half of a secret in one, half in the next.
//!
//! Only a complete, short text is joined: the whole body is held back then anyway, so the pieces in
//! which it came do not matter.

use super::needles::NeedleSet;
use super::view::View;

pub(super) fn undo(text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
    // A text of this length may be the end of something longer.
    if !last || text.len() >= needles.held() - 1 {
        return None;
    }
    let values = match text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii_start() {
        [b'{' | b'[', ..] => strings(text),
        [b'-', b'-', ..] => parts(text),
        _ => parameters(text),
    };
    let mut view = View::default();
    for pair in values.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if view.text.is_empty() {
            view.join(&text[one.clone()], 0, one.start);
        }
        view.join(&text[next.clone()], one.end, next.start);
    }
    (!view.text.is_empty()).then_some(view)
}

type Place = std::ops::Range<usize>;

/// The strings in JSON that are not names.
fn strings(text: &[u8]) -> Vec<Place> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(quote) = memchr::memchr(b'"', &text[at..]) {
        let start = at + quote + 1;
        let mut end = start;
        while end < text.len() && text[end] != b'"' {
            end += if text[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(text.len());
        at = text.len().min(end + 1);
        if text[at..].trim_ascii_start().first() != Some(&b':') {
            all.push(start..end);
        }
    }
    all
}

/// The contents of multipart parts (RFC 2046, section 5.1).
fn parts(text: &[u8]) -> Vec<Place> {
    let boundary = text.trim_ascii_start();
    let boundary = &boundary[..boundary.iter().take_while(|b| !b.is_ascii_whitespace()).count()];
    let ends: Vec<usize> = memchr::memmem::find_iter(text, boundary).collect();
    let part = |pair: &[usize]| {
        let head = &text[pair[0]..pair[1]];
        let empty = |line: &[u8]| memchr::memmem::find(head, line).map(|at| pair[0] + at + line.len());
        let start = empty(b"\r\n\r\n").or_else(|| empty(b"\n\n"))?;
        Some(start..start + text[start..pair[1]].trim_ascii_end().len())
    };
    ends.windows(2).filter_map(part).collect()
}

/// Everything after `name=` up to `&`, `;` or the end of a line.
fn parameters(text: &[u8]) -> Vec<Place> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let end = at + text[at..].iter().take_while(|b| !matches!(b, b'&' | b';' | b'\n')).count();
        if let Some(name) = memchr::memchr(b'=', &text[at..end]) {
            all.push(at + name + 1..end);
        }
        at = end + 1;
    }
    all
}
