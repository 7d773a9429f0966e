//! Patterns of names: `*` and `?` within a name, `[a-z]` and `[!a-z]`, `{this,that}`, `**` for any folders between, `\`
//! before a literal character. A pattern may begin anywhere in a path but must reach its end.

/// A pattern as its alternatives.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Vec<Part>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any folders, or none.
    Folders,
    /// A name, character by character.
    Name(Vec<Sign>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sign {
    /// This byte; a slash separates names.
    Byte(u8),
    /// One byte.
    Any,
    /// Any number of bytes.
    Star,
    /// One byte in (or not in) these ranges.
    Within { spans: Vec<(u8, u8)>, not: bool },
}

/// The most alternatives of one pattern.
const ALTERNATIVES: usize = 256;

impl Pattern {
    /// Parses a pattern.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let mut reading = Reading { rest: text.as_bytes(), depth: 0 };
        let all = reading.alternatives()?;
        match reading.rest {
            [] => Ok(Pattern(all.iter().map(|signs| parts(signs)).collect())),
            _ => Err("a } has no { before it"),
        }
    }

    /// Whether it matches the end of a path without a leading slash.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<_> = path.split(|byte| *byte == b'/').collect();
        self.0.iter().any(|parts| match parts.contains(&Part::Folders) {
            true => (0..names.len()).any(|from| fit(parts, &names[from..])),
            // It starts this many names before the end.
            false => names.len() >= parts.len() && fit(parts, &names[names.len() - parts.len()..]),
        })
    }
}

struct Reading<'t> {
    rest: &'t [u8],
    depth: usize,
}

impl Reading<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Parses up to the end, or to the comma or brace that closes this one.
    fn alternatives(&mut self) -> Result<Vec<Vec<Sign>>, &'static str> {
        let mut all = vec![Vec::new()];
        while let Some(&byte) = self.rest.first() {
            if byte == b'}' || byte == b',' && self.depth > 0 {
                break;
            }
            self.next();
            let sign = match byte {
                b'{' => {
                    all = self.braces(&all)?;
                    continue;
                }
                b'*' => Sign::Star,
                b'?' => Sign::Any,
                b'[' => self.within()?,
                b'\\' => Sign::Byte(self.next().ok_or("a \\ has nothing behind it")?),
                byte => Sign::Byte(byte),
            };
            all.iter_mut().for_each(|signs| signs.push(sign.clone()));
        }
        Ok(all)
    }

    /// Combines each of these prefixes with each alternative in the braces.
    fn braces(&mut self, before: &[Vec<Sign>]) -> Result<Vec<Vec<Sign>>, &'static str> {
        self.depth += 1;
        let mut within = Vec::new();
        loop {
            within.extend(self.alternatives()?);
            match self.next() {
                Some(b',') => {}
                Some(_) => break,
                None => return Err("a { has no } behind it"),
            }
        }
        self.depth -= 1;
        within.retain(|signs| !signs.is_empty());
        if within.len() * before.len() > ALTERNATIVES {
            return Err("it stands for too many names");
        }
        Ok(before.iter().flat_map(|before| within.iter().map(move |within| [&**before, &**within].concat())).collect())
    }

    fn within(&mut self) -> Result<Sign, &'static str> {
        let open = "a [ has no ] behind it";
        let not = matches!(self.rest.first(), Some(b'!' | b'^'));
        if not {
            self.next();
        }
        let mut spans = Vec::new();
        loop {
            let from = match self.next().ok_or(open)? {
                b']' if !spans.is_empty() => break,
                from if from.is_ascii() => from,
                _ => return Err("within [ ] only letters without accents can stand"),
            };
            let to = match self.rest {
                [b'-', to, ..] if *to != b']' => {
                    let to = *to;
                    self.rest = &self.rest[2..];
                    to
                }
                _ => from,
            };
            if from > to {
                return Err("a span within [ ] ends before it begins");
            }
            spans.push((from, to));
        }
        Ok(Sign::Within { spans, not })
    }
}

fn parts(signs: &[Sign]) -> Vec<Part> {
    let names = signs.split(|sign| *sign == Sign::Byte(b'/'));
    names
        .map(|name| if *name == [Sign::Star, Sign::Star] { Part::Folders } else { Part::Name(name.to_vec()) })
        .collect()
}

fn fit(parts: &[Part], names: &[&[u8]]) -> bool {
    match (parts, names) {
        ([], []) => true,
        // At the end it matches everything in the folder before it.
        ([Part::Folders], names) => !names.is_empty(),
        ([Part::Folders, rest @ ..], names) => (0..=names.len()).any(|from| fit(rest, &names[from..])),
        ([Part::Name(signs), rest @ ..], [name, names @ ..]) => is_name(signs, name) && fit(rest, names),
        _ => false,
    }
}

fn is_name(signs: &[Sign], name: &[u8]) -> bool {
    let (mut at, mut signs_at) = (0, 0);
    // The position of the last star, and how much it has matched.
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match signs.get(signs_at) {
            Some(Sign::Star) => {
                star = Some((signs_at, at));
                signs_at += 1;
            }
            Some(sign) if sign.is(name[at]) => (at, signs_at) = (at + 1, signs_at + 1),
            _ => {
                let Some((of, taken)) = star else { return false };
                star = Some((of, taken + 1));
                (at, signs_at) = (taken + 1, of + 1);
            }
        }
    }
    signs[signs_at..].iter().all(|sign| *sign == Sign::Star)
}

impl Sign {
    fn is(&self, byte: u8) -> bool {
        match self {
            Sign::Byte(own) => *own == byte,
            Sign::Any => true,
            Sign::Star => false,
            Sign::Within { spans, not } => spans.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *not,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::ffi::OsStrExt as _;

    use globset::GlobBuilder;
    use proptest::prelude::*;

    use super::*;

    fn globsets(text: &str) -> Option<globset::GlobMatcher> {
        let anywhere = format!("**/{text}");
        Some(GlobBuilder::new(&anywhere).literal_separator(true).build().ok()?.compile_matcher())
    }

    #[test]
    fn each_sign_means_what_it_says() {
        for (text, path, matches) in [
            ("*.kdbx", "home/me/keys.kdbx", true),
            ("*.kdbx", ".kdbx", true),
            ("*.kdbx", "keys.kdbx/x", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            (".env.{local,dev}", "me/.env.dev", true),
            (".env.{local,dev}", "me/.env.prod", false),
            ("{a,b/c}/d", "x/b/c/d", true),
            ("{a,{b,c}}d", "cd", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "x/a/1/2/b", true),
            ("a/**", "a", false),
            ("a/**", "a/1/2", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a**b", "axyb", true),
        ] {
            assert_eq!(Pattern::read(text).unwrap().matches(path.as_bytes()), matches, "{text} {path}");
            assert_eq!(globsets(text).unwrap().is_match(path), matches, "{text} {path}");
        }
        for text in ["[", "[a", "[]", "{a", "a}", "a\\", "[z-a]", "[\u{e9}]", &"{a,b}".repeat(9)] {
            assert!(Pattern::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The same as another implementation, except where braces yield stars and slashes.
        #[test]
        fn a_pattern_means_what_it_means_elsewhere(
            text in "([ab*?/]|\\*\\*|\\[[ab]\\]|\\[a-b\\]|\\{(a|b\\*|\\*a),[ab](/[ab])?\\}|\\\\[*a]){1,6}",
            path in "[ab*]{0,3}(/[ab*]{1,3}){0,3}",
            odd in any::<bool>(),
        ) {
            let path = if odd { [path.as_bytes(), b"/\xff"].concat() } else { path.into_bytes() };
            // Paths have no double slashes, and no pattern begins or ends with a slash.
            if text.contains("//") || text.trim_matches('/') != text {
                return Ok(());
            }
            let theirs = globsets(&text).unwrap().is_match(std::ffi::OsStr::from_bytes(&path));
            prop_assert_eq!(Pattern::read(&text).unwrap().matches(&path), theirs, "{}", text);
        }
    }
}
