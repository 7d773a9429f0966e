//! Paths as a denial reads them.
//!
//! A denial must not be dodged by another spelling, and servers differ in which spellings they take
//! for the same path. So the wide reading ignores: ASCII case; `;parameters` of a segment; a slash
//! at the end; needless escapes; letters and signs that only look different (`likeness.rs`); what
//! Windows drops from file names (dots and blanks at the end, `::$DATA`) and the short names it
//! keeps for long ones (`PRIVAT~1`); and an ending of the last segment that asks for a format
//! (`/x.json` in Rails, Grape and older Spring).

use std::borrow::Cow;

use words::{ESCAPED_SLASH, likeness};

use super::{EMPTY, Segments, match_segment};
use crate::{Path, wildcard};

impl Segments {
    /// A pattern as a deny reads it (or a request, with its stars escaped): undone and, where that
    /// makes a difference, also as it stands.
    pub(crate) fn wide_pattern(path: &str) -> Vec<Self> {
        let undone = Self::wide(path, false);
        let as_it_stands = (path.contains(ESCAPED_SLASH) || path.contains("//")).then(|| Self::wide(path, true));
        std::iter::once(undone).chain(as_it_stands).collect()
    }

    fn wide(path: &str, as_it_stands: bool) -> Self {
        let plain = undo_escapes(path, as_it_stands);
        let plain = if plain.is_ascii() { plain } else { likeness::plain(&plain).into() };
        let plain = plain.to_ascii_lowercase();
        // Skips the empty part before the leading slash.
        let mut parts: Vec<&str> = plain.split(['/', '\\']).skip(1).map(bare).collect();
        match as_it_stands {
            true => {
                let end = parts.pop().filter(|part| !part.is_empty());
                parts.iter_mut().filter(|part| part.is_empty()).for_each(|part| *part = EMPTY);
                parts.extend(end);
            }
            false => parts.retain(|part| !part.is_empty()),
        }
        Segments { parts: parts.into_iter().map(Box::from).collect(), spelt: false }
    }

    /// A request as a deny reads it: as it is, and without its ending.
    pub(crate) fn wide_request(path: &Path) -> Vec<Self> {
        let path = path.as_str();
        let mut readings = Self::readings(path);
        // For a server that undoes escapes before it reads the path, the path ends there.
        if let Some(end) = ["%3F", "%23"].iter().filter_map(|sign| path.find(sign)).min() {
            readings.extend(Self::readings(&path[..end]));
        }
        readings
    }

    fn readings(path: &str) -> Vec<Self> {
        let mut readings = match path.contains(['*', '!']) {
            true => Self::wide_pattern(&path.replace('*', "%2A").replace('!', "%21")),
            false => Self::wide_pattern(path),
        };
        let without: Vec<_> = readings.iter().filter_map(Self::without_ending).collect();
        readings.extend(without);
        readings
    }

    fn without_ending(&self) -> Option<Self> {
        let (last, others) = self.parts.split_last()?;
        let (stem, ending) = last.rsplit_once('.')?;
        let plain = (1..=10).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
        let stem = (plain && !stem.is_empty()).then(|| Box::from(stem))?;
        Some(Segments { parts: others.iter().cloned().chain([stem]).collect(), spelt: self.spelt })
    }

    pub(crate) fn match_widely(&self, path: &Segments) -> bool {
        wildcard::matches(
            &self.parts,
            &path.parts,
            |segment| &**segment == "**",
            |_| true,
            |segment, text| match_segment(segment, text) || is_short_for(text, segment),
        )
    }

    /// Whether it covers everything another pattern does. A star of the other counts as a plain
    /// letter, which only a star covers.
    pub(crate) fn covers_pattern(&self, other: &Segments) -> bool {
        wildcard::matches(
            &self.parts,
            &other.parts,
            |segment| &**segment == "**",
            |_| true,
            |segment, text| &**text != "**" && match_segment(segment, text),
        )
    }
}

/// A segment without the parts that some servers do not see.
fn bare(segment: &str) -> &str {
    let segment = segment.split(';').next().unwrap_or(segment);
    // NTFS names the stream of a file by type: `x::$DATA` is `x`.
    let segment = match segment.find(':').filter(|at| segment[*at..].contains(":$")) {
        Some(at) => &segment[..at],
        None => segment,
    };
    // Win32 drops these from the end of names. A name of only dots stays.
    match segment.trim_end_matches(['.', ' ']) {
        "" => segment,
        rest => rest,
    }
}

/// Whether a short (8.3) name of Windows may stand for a name that this pattern matches:
/// `administrator`, `adminis*`.
fn is_short_for(text: &str, pattern: &str) -> bool {
    let Some(start) = short_name(text) else { return false };
    let plain = |text: &str| text.replace([' ', '.'], "");
    let long = plain(pattern.split('*').next().unwrap_or_default());
    // After two letters Windows may go on with a number of its own.
    long.starts_with(start) || (start.len() == 6 && long.get(..2) == start.get(..2))
}

/// The part of `PRIVAT~1` or `PRIVAT~1.HTM` before the tilde.
pub(super) fn short_name(segment: &str) -> Option<&str> {
    let (start, rest) = segment.split_once('~')?;
    let (number, ending) = rest.split_once('.').unwrap_or((rest, ""));
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let fits = (1..=6).contains(&start.len()) && start.is_ascii() && is_number && number.len() <= 6;
    (fits && ending.len() <= 3).then_some(start)
}

/// Undoes all escapes except those of stars and exclamation marks, which are special in patterns.
/// If the path is read as it stands, an escaped slash is kept too.
fn undo_escapes(path: &str, as_it_stands: bool) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut pieces = path.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|code| !(matches!(code, b'*' | b'!') || (as_it_stands && *code == b'/'))) {
            Some(code) => {
                out.push(code);
                out.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                out.push(b'%');
                out.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned().into()
}
