//! Matching with a star, written once for the segments of a path and for the bytes of a segment.
//! Greedy, with a single point to go back to, so no pattern costs more than length times length,
//! whatever the request.

/// Whether `text` matches `pattern`, in which a star stands for any run of items that it `takes`
/// (or none) and anything else for one item that it `fits`.
///
/// A single point to go back to is enough although a star does not take everything: an item that no
/// star takes fits only where it is spelt, so between two stars it has one place or none.
pub(crate) fn matches<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    takes: impl Fn(&T) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    // After the last star: the pattern's next index, and where in the text that was tried.
    let mut behind_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(item) if is_star(item) => {
                p += 1;
                behind_star = Some((p, t));
            }
            Some(item) if fits(item, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind, tried)) = behind_star else { return false };
                if !takes(&text[tried]) {
                    return false;
                }
                // Let the star take one item more and try again.
                (p, t) = (behind, tried + 1);
                behind_star = Some((p, t));
            }
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |_| true, |p, t| p == t)
    }

    #[test]
    fn stars() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("v*", "v", true),
            ("v*", "v12", true),
            ("v*", "w", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("*.git", "x.git.git", true),
            ("*ab", "aab", true),
            ("a*", "ba", false),
        ] {
            assert_eq!(check(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn a_nasty_pattern_ends_soon() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!check(&pattern, &"a".repeat(8000)));
    }
}
