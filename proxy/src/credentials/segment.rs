//! A place in the path: one segment, or the rest of one (`/bot{}` for Telegram).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use policies::Path;

/// Where in a path a surrogate is: after this text, up to the next slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    before: Arc<str>,
}

/// The placeholder for the secret in a written segment.
const HOLE: &str = "{}";

impl Segment {
    /// Reads `/bot{}` or `/hooks/{}`: the beginning of a path, with `{}` at its end.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || {
            "`path:` wants how the path begins, with {} at its end for the secret: \"path:/bot{}\", \"path:/hooks/{}\""
                .to_owned()
        };
        let before = text.strip_suffix(HOLE).ok_or_else(wanted)?;
        // Canonical, as the path is judged, so that it has one spelling.
        let whole = Path::parse(&format!("{before}x")).map_err(|_| wanted())?;
        let plain = !before.contains(['%', '*', ';']) && whole.is_plain() && whole.as_str() == format!("{before}x");
        if plain { Ok(Segment { before: before.into() }) } else { Err(wanted()) }
    }

    /// The value there; the letters before it may have any case, because servers differ in that.
    pub(super) fn value<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.get(self.before.len()..)?;
        let begins = path.as_bytes()[..self.before.len()].eq_ignore_ascii_case(self.before.as_bytes());
        let value = rest.split('/').next().unwrap_or_default();
        (begins && !value.is_empty()).then_some(value)
    }

    /// Whether the value is exactly the surrogate, possibly with escapes: some clients write the
    /// colon of Telegram's keys as `%3A`, which is the same to a server (RFC 3986 §2.4).
    pub(super) fn holds(&self, surrogate: &str, path: &str) -> bool {
        let is_it = |value| percent_decode_str(value).eq(surrogate.bytes());
        path.starts_with(&*self.before) && self.value(path).is_some_and(is_it)
    }

    /// The range of the value in this path.
    pub(super) fn at(&self, path: &str) -> Option<Range<usize>> {
        let (from, value) = (self.before.len(), self.value(path)?);
        Some(from..from + value.len())
    }

    /// The path with another text there.
    pub(super) fn with(&self, path: &str, text: &str) -> String {
        let (before, value) = (&path[..self.before.len()], self.value(path).unwrap_or_default());
        format!("{before}{text}{}", &path[self.before.len() + value.len()..])
    }

    /// The path without the value, separated so that the rest does not join.
    pub(super) fn around(&self, path: &str) -> String {
        self.with(path, "\n")
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{HOLE}", self.before)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_segment_is_found_and_replaced() {
        let bot = Segment::parse("/bot{}").unwrap();
        assert_eq!(bot.value("/bot1:a/getMe"), Some("1:a"));
        assert_eq!(bot.value("/BOT1:a"), Some("1:a"));
        for path in ["/bot", "/bot/x", "/x/bot1:a", "/"] {
            assert_eq!(bot.value(path), None, "{path}");
        }
        for (path, holds) in [
            ("/bot1:a/getMe", true),
            ("/bot1%3Aa/getMe", true),
            ("/Bot1:a", false),
            ("/bot1:ab", false),
            ("/bot1%253Aa", false),
            ("/bot1%3Aa%2FgetMe", false),
        ] {
            assert_eq!(bot.holds("1:a", path), holds, "{path}");
        }
        assert_eq!(bot.with("/bot1:a/getMe", "*"), "/bot*/getMe");
        let hook = Segment::parse("/hooks/T1/{}").unwrap();
        assert_eq!(hook.with("/hooks/T1/abc", "x"), "/hooks/T1/x");
        assert_eq!(hook.to_string(), "/hooks/T1/{}");
        for wrong in ["", "bot{}", "/bot", "/{}/x", "/a/../{}", "//{}", "/%62ot{}", "/*{}", "/a?{}"] {
            Segment::parse(wrong).unwrap_err();
        }
    }
}
