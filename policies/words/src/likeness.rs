//! Characters that some servers take for others: how a path may be read by programs that normalise
//! it (NFKC, the best-fit tables of Windows) or leave out zero-width characters (HFS+,
//! CVE-2014-9390).
//!
//! What it is not: Unicode normalisation. It knows only forms of ASCII that can turn a segment or
//! word into another.

/// A text as the loosest reader sees it.
pub fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Fullwidth forms of ASCII (NFKC; best fit of code page 1252).
            '\u{ff01}'..='\u{ff5e}' => {
                out.extend(u32::from(c).checked_sub(0xff01 - 0x21).and_then(char::from_u32));
            }
            '\u{2024}' | '\u{fe52}' => out.push('.'),
            '\u{2025}' => out.push_str(".."),
            '\u{2026}' => out.push_str("..."),
            // Fraction and division slash are slashes to best-fit tables.
            '\u{2044}' | '\u{2215}' => out.push('/'),
            '\u{2216}' | '\u{fe68}' => out.push('\\'),
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => out.push(' '),
            // The upper case of the long s is S, the lower case of the Kelvin sign is k.
            '\u{17f}' => out.push('s'),
            '\u{212a}' => out.push('k'),
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {}
            _ => out.push(c),
        }
    }
    out
}

/// Whether some server resolves a path segment as `.` or `..`: in other dots, with parameters, or
/// with blanks, which Windows drops.
pub fn is_dots(segment: &str) -> bool {
    let plain = plain(segment);
    plain.split(['/', '\\']).any(|part| {
        let bare = part.split(';').next().unwrap_or(part);
        let dots = bare.matches('.').count();
        dots > 0 && bare.chars().all(|c| matches!(c, '.' | ' ')) && (dots <= 2 || dots < bare.len())
    })
}

/// Whether ASP.NET takes a segment for the session or ticket of a client without cookies, and drops it from the
/// path: `(S(x))`, `(A(x)F(y))`.
pub fn is_session(segment: &str) -> bool {
    let plain = plain(segment);
    plain.split(['/', '\\']).any(|part| {
        let Some((letter, rest)) = part.strip_prefix('(').and_then(|part| part.split_at_checked(1)) else {
            return false;
        };
        letter.bytes().all(|b| b.is_ascii_alphabetic()) && rest.starts_with('(') && part.contains("))")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asp_net_leaves_out_is_no_segment() {
        for session in ["(S(x))", "(f(lit3py55t21z5v55vlm25s55))", "(A(x)F(y))", "a\u{2215}(S(x))"] {
            assert!(is_session(session), "{session}");
        }
        for other in ["People('x')", "(x)", "((x))", "(S(x)", "f(g(x))", "(2(x))", "()", "("] {
            assert!(!is_session(other), "{other}");
        }
    }

    #[test]
    fn dots_are_dots_in_every_dress() {
        for dots in [
            ".",
            "..",
            ".. ",
            " ..",
            ". .",
            "..;x",
            ".. ;x",
            "\u{ff0e}\u{ff0e}",
            "\u{2025}",
            ".\u{200b}.",
            "..\u{a0}",
            "... ",
            "..\u{2215}x",
            "x\u{ff0f}..",
        ] {
            assert!(is_dots(dots), "{dots:?}");
        }
        for other in ["", "...", "\u{2026}", "..x", ".git", "a..", "a.", " ", "a \u{2215} b", "\u{ff0f}"] {
            assert!(!is_dots(other), "{other:?}");
        }
        assert_eq!(plain("\u{ff30}\u{200c}riva\u{2044}t\u{17f}"), "Priva/ts");
    }
}
