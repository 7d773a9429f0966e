//! Paths cut into segments, in two readings: exactly, as an allow reads them, and widely,
//! as a deny does.
//!
//! A denial must not be dodged by a spelling, and servers differ in what is one path. So
//! read widely, these are nothing: ASCII case, `;parameters` of a segment, a slash at the
//! end, escapes that need not be escapes, letters and signs that only look different
//! (`likeness.rs`); what Windows drops from names of files (dots and blanks at the end,
//! `::$DATA`) and the short names it keeps for long ones (`PRIVAT~1`); and an ending in
//! the last segment that asks for a format (`/x.json` in Rails, Grape and older Spring).
//!
//! `%2F`, `%25` and an empty segment are read exactly by a pattern that spells them and by
//! no star. A denial reads them both ways: as they stand, where its stars cover them, and
//! undone, where `%2F` is a slash and `//` is one.

use std::borrow::Cow;

use words::likeness;
use words::{ESCAPED_PERCENT, ESCAPED_SLASH};

use crate::{Path, wildcard};

/// A path cut into segments, in one of the two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    parts: Vec<Box<str>>,
    /// Whether, read exactly, there is something in it that must be spelt.
    spelt: bool,
}

/// An empty segment that is not the end of the path. No other holds a slash.
const EMPTY: &str = "/";

/// For each of the first segments a set of 64 in which it stands, or all of it where
/// it can be anything. A pattern and a path whose sets do not meet cannot match, so a
/// thousand rules for one host are passed over without a look at their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline([u64; 4]);

impl Segments {
    /// As an allow reads a request: as it stands.
    pub(crate) fn exact(path: &str) -> Self {
        if path.contains(['*', '!']) {
            return Self::exact_pattern(&path.replace('*', "%2A").replace('!', "%21"));
        }
        Self::exact_pattern(path)
    }

    pub(crate) fn exact_pattern(path: &str) -> Self {
        let mut parts: Vec<Box<str>> = path[1..].split('/').map(Box::from).collect();
        let inner = parts.len().saturating_sub(1);
        for empty in parts[..inner].iter_mut().filter(|part| part.is_empty()) {
            *empty = EMPTY.into();
        }
        let spelt = parts.iter().any(|part| must_be_spelt(part));
        Segments { parts, spelt }
    }

    /// As a deny reads a pattern, and with the stars escaped a request: undone, and where
    /// that is something else, also as it stands.
    pub(crate) fn wide_pattern(path: &str) -> Vec<Self> {
        let undone = Self::wide(path, false);
        let as_it_stands = (path.contains(ESCAPED_SLASH) || path.contains("//")).then(|| Self::wide(path, true));
        std::iter::once(undone).chain(as_it_stands).collect()
    }

    fn wide(path: &str, as_it_stands: bool) -> Self {
        let plain = undo_escapes(path, as_it_stands);
        let plain = if plain.is_ascii() { plain } else { likeness::plain(&plain).into() };
        let plain = plain.to_ascii_lowercase();
        // The first is what stands before the slash that a path begins with.
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

    /// As a deny reads a request: as it is, and without an ending.
    pub(crate) fn wide_request(path: &Path) -> Vec<Self> {
        let path = path.as_str();
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

    /// What the first segments can be.
    pub(crate) fn outline(&self) -> Outline {
        let mut outline = Outline::ANYTHING;
        for (place, segment) in outline.0.iter_mut().zip(&self.parts) {
            match &**segment {
                // From here on nothing has a fixed place.
                "**" => break,
                segment if segment.contains('*') => {}
                // It may stand for many.
                segment if short_name(segment).is_some() => {}
                segment => *place = 1 << (fnv(segment) % 64),
            }
        }
        outline
    }

    /// Read exactly: what must be spelt is spelt on both sides, and no star takes it.
    pub(crate) fn match_path(&self, path: &Segments) -> bool {
        if self.spelt != path.spelt {
            return false;
        }
        wildcard::matches(
            &self.parts,
            &path.parts,
            |segment| &**segment == "**",
            |text| !path.spelt || !must_be_spelt(text),
            |segment, text| if path.spelt { match_spelt(segment, text) } else { match_segment(segment, text) },
        )
    }

    /// Whether it covers whatever another pattern does. A star of the other is a letter like
    /// any: only a star covers it.
    pub(crate) fn covers_pattern(&self, other: &Segments) -> bool {
        wildcard::matches(
            &self.parts,
            &other.parts,
            |segment| &**segment == "**",
            |_| true,
            |segment, text| &**text != "**" && match_segment(segment, text),
        )
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
}

impl Outline {
    const ANYTHING: Outline = Outline([u64::MAX; 4]);
    const NOTHING: Outline = Outline([0; 4]);

    /// The outline of several together.
    pub(crate) fn of_all(outlines: impl Iterator<Item = Outline>) -> Outline {
        outlines.fold(Outline::NOTHING, |all, one| Outline(std::array::from_fn(|place| all.0[place] | one.0[place])))
    }

    pub(crate) fn meets(&self, other: &Outline) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one & other != 0)
    }
}

/// FNV-1a: spreads well and costs a multiplication a byte. A collision costs a closer look.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A lone `*` wants at least one character: `/x/*` is not `/x/`.
fn match_segment(pattern: &str, text: &str) -> bool {
    match pattern {
        "*" => !text.is_empty(),
        _ => wildcard::matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |_| true, |p, t| p == t),
    }
}

/// The same where something must be spelt: it stands at the same places in both, and
/// what is between two escaped slashes is read as a segment is.
fn match_spelt(pattern: &str, text: &str) -> bool {
    if pattern == EMPTY || text == EMPTY {
        return pattern == text;
    }
    same_pieces(pattern, text, ESCAPED_SLASH, |pattern, text| match pattern {
        "*" => !text.contains(ESCAPED_PERCENT) && match_segment(pattern, text),
        _ => same_pieces(pattern, text, ESCAPED_PERCENT, |pattern, text| {
            wildcard::matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |_| true, |p, t| p == t)
        }),
    })
}

/// Whether both are cut by the sign into as many pieces, and each fits its own.
fn same_pieces(pattern: &str, text: &str, sign: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
    let (mut patterns, mut texts) = (pattern.split(sign), text.split(sign));
    loop {
        match (patterns.next(), texts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(text)) if fits(pattern, text) => {}
            _ => return false,
        }
    }
}

fn must_be_spelt(segment: &str) -> bool {
    segment == EMPTY || segment.contains(ESCAPED_SLASH) || segment.contains(ESCAPED_PERCENT)
}

/// A segment without what some server does not see in it.
fn bare(segment: &str) -> &str {
    let segment = segment.split(';').next().unwrap_or(segment);
    // The stream of a file on NTFS by its type: `x::$DATA` is `x`.
    let segment = match segment.find(':').filter(|at| segment[*at..].contains(":$")) {
        Some(at) => &segment[..at],
        None => segment,
    };
    // Win32 drops these from the end of names. A name of dots alone stays one.
    match segment.trim_end_matches(['.', ' ']) {
        "" => segment,
        rest => rest,
    }
}

/// `administrator`, `adminis*`: a pattern that a short name (8.3) of Windows may stand for.
fn is_short_for(text: &str, pattern: &str) -> bool {
    let Some(start) = short_name(text) else { return false };
    let plain = |text: &str| text.replace([' ', '.'], "");
    let long = plain(pattern.split('*').next().unwrap_or_default());
    // Behind two letters Windows may go on with a number of its own.
    long.starts_with(start) || (start.len() == 6 && long.get(..2) == start.get(..2))
}

/// What stands before the tilde of `PRIVAT~1` or `PRIVAT~1.HTM`.
fn short_name(segment: &str) -> Option<&str> {
    let (start, rest) = segment.split_once('~')?;
    let (number, ending) = rest.split_once('.').unwrap_or((rest, ""));
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let fits = (1..=6).contains(&start.len()) && start.is_ascii() && is_number && number.len() <= 6;
    (fits && ending.len() <= 3).then_some(start)
}

/// Undoes all escapes but those of stars and exclamation marks: in patterns these are
/// no characters. Where it is read as it stands, that of a slash is kept too.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::RequestPattern;

    /// What is passed over for its outline could not have matched.
    #[test]
    fn outlines_hide_no_match() {
        let patterns = [
            "/",
            "/a",
            "/a/**",
            "/**",
            "/*/b",
            "/A;x/b",
            "/a*",
            "/%2A/b",
            "/**/b",
            "/a/",
            "/b/*",
            "/*v*",
            "/a/b/c/d/e",
            "/a/*/c/**",
            "/a/**/d",
            "/a/b/c/d/**",
        ];
        let paths = [
            "/",
            "/a",
            "/a/",
            "/A",
            "/a;v=1",
            "/a/b",
            "/ab",
            "/*/b",
            "/%2a/b",
            "/b/a",
            "/b",
            "/x%3bx/a",
            "/a/b/c/d/e",
            "/a/x/c",
            "/a/x/c/d",
            "/a/b/c/d",
            "/a/b/c",
            "/A/B/C/D/",
            "/a/b/c/x/e",
        ];
        let all = |wide: &[Segments]| Outline::of_all(wide.iter().map(Segments::outline));
        let (mut passed_over, mut matched) = (0, 0);
        for (pattern, path) in patterns.iter().flat_map(|pattern| paths.iter().map(move |path| (pattern, path))) {
            let rule = RequestPattern::parse(&format!("* {pattern}")).unwrap();
            let path = Path::parse(path).unwrap();
            let (exact, wide) = (Segments::exact(path.as_str()), Segments::wide_request(&path));
            let (near, near_widely) = (rule.outline().meets(&exact.outline()), rule.wide_outline().meets(&all(&wide)));
            assert!(!rule.covers_path(&exact) || near, "{pattern} {path}");
            assert!(!rule.covers_path_either_way(&exact, &wide) || near_widely, "{pattern} {path}");
            passed_over += usize::from(!near);
            matched += usize::from(rule.covers_path(&exact));
        }
        assert!(passed_over > 50 && matched > 30, "{passed_over} {matched}");
    }
}
