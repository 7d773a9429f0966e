//! Paths cut into segments, in two readings: exact, as for an allow, and wide, as for a deny
//! (`wide.rs`).
//!
//! In the exact reading, only a pattern that spells them out matches `%2F`, `%25` and an empty
//! segment; no star does. A denial reads them both ways: as they stand, where its stars cover them,
//! and undone, where `%2F` and `//` are each one slash.

mod outline;
mod wide;

use words::{ESCAPED_PERCENT, ESCAPED_SLASH};

use crate::wildcard;
pub(crate) use outline::Outline;

/// A path cut into segments, in one of the two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    parts: Vec<Box<str>>,
    /// Whether, read exactly, it holds something that must be spelt.
    spelt: bool,
}

/// An empty segment that is not the end of the path. No other holds a slash.
const EMPTY: &str = "/";

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

    /// Matches exactly: what must be spelt is spelt on both sides, and no star takes it.
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
}

/// A lone `*` needs at least one character: `/x/*` is not `/x/`.
fn match_segment(pattern: &str, text: &str) -> bool {
    match pattern {
        "*" => !text.is_empty(),
        _ => wildcard::matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |_| true, |p, t| p == t),
    }
}

/// The same where something must be spelt: it must stand at the same places in both, and what lies
/// between two escaped slashes is matched like a segment.
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

/// Whether the sign cuts both into equally many pieces, and each piece fits its counterpart.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Path, RequestPattern};

    /// A rule skipped because of its outline could not have matched.
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
