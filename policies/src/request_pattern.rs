//! `POST /repos/*/notes/issues` as it stands in `do` and `only`.
//!
//! `*` stands for characters within one segment, `**` as a whole segment for any
//! number of segments, also none: `/x/**` covers `/x`, `/x/` and all below. There
//! are no other metacharacters. A star or exclamation mark that is meant as
//! itself is written `%2A` or `%21` and covers both spellings in a request.
//!
//! What allows reads paths exactly. What denies reads them widely on purpose:
//! without regard to ASCII case, to `;parameters` of a segment, to a trailing
//! slash or to escapes that need not be escapes, because servers differ in all of
//! these and a denial must not be dodged by a spelling.

use std::fmt;

use crate::{Method, Path, PathError, wildcard};

/// `GET /repos/**` as it stands in `do` and `only`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPattern {
    pub(crate) methods: Methods,
    path: String,
    exact: Segments,
    wide: Segments,
}

/// Which methods a pattern covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// `*`
    Any,
    /// What `access = "read"` covers.
    Read,
    /// One by name.
    One(Method),
}

/// A path cut into segments, in one of the two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments(Vec<Box<str>>);

/// For each of the first segments a set of 64 in which it stands, or all of it where
/// it can be anything. A pattern and a path whose sets do not meet cannot match, so a
/// thousand rules for one host are passed over without a look at their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline([u64; 4]);

/// Why a text is no pattern, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl RequestPattern {
    /// Reads `METHOD /path/pattern`; `*` stands for any method.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|error| error.to_string())
    }

    /// Whether it covers the request, read exactly.
    pub fn matches(&self, method: Method, path: &Path) -> bool {
        self.methods.cover(method) && self.covers_path(&Segments::exact(path.as_str()))
    }

    pub(crate) fn read(text: &str) -> Result<Self, PatternError> {
        let form = || "write a method and a path, like \"GET /v1/**\" or \"* /notes\"".to_owned();
        let Some((method, path)) = text.split_once(' ') else {
            return Err(PatternError::new(format!("{text:?} is not a method and a path"), Some(form())));
        };
        let methods = match method {
            "*" => Methods::Any,
            _ => Methods::One(Method::parse(method).ok_or_else(|| unknown_method(method, path))?),
        };
        check_path(path)?;
        Ok(Self::new(methods, path))
    }

    /// What `access = "read"` says.
    pub(crate) fn any_read() -> Self {
        Self::new(Methods::Read, "/**")
    }

    /// What a deny rule without `do` says.
    pub(crate) fn anything() -> Self {
        Self::new(Methods::Any, "/**")
    }

    fn new(methods: Methods, path: &str) -> Self {
        RequestPattern {
            methods,
            path: path.to_owned(),
            exact: Segments::exact_pattern(path),
            wide: Segments::wide(path),
        }
    }

    pub(crate) fn covers_path(&self, exact: &Segments) -> bool {
        self.exact.match_path(exact)
    }

    /// Read widely, and also as it stands: `/*key*` covers `/x;key`, of which the wide
    /// reading keeps `/x`.
    pub(crate) fn covers_path_either_way(&self, exact: &Segments, wide: &Segments) -> bool {
        self.wide.match_path(wide) || self.exact.match_path(exact)
    }

    /// What an allow covers, in outline.
    pub(crate) fn outline(&self) -> Outline {
        self.exact.outline()
    }

    /// What a deny covers, in outline.
    pub(crate) fn wide_outline(&self) -> Outline {
        self.wide.outline()
    }

    /// Whether it names one method and one path.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.methods, Methods::One(_)) && !self.path.contains('*')
    }

    /// How much it says: more literal characters, and best of all no star.
    pub(crate) fn weight(&self) -> (bool, usize) {
        let stars = self.path.matches('*').count();
        (stars == 0, self.path.len() - stars)
    }
}

impl Methods {
    pub(crate) fn cover(self, method: Method) -> bool {
        match self {
            Methods::Any => true,
            Methods::Read => method.is_read(),
            Methods::One(one) => one == method,
        }
    }

    /// HEAD is a GET whose answer stays short (RFC 9110 §9.3.2): who denies GET
    /// does not mean to leave it open.
    pub(crate) fn cover_widely(self, method: Method) -> bool {
        self.cover(method) || (self == Methods::One(Method::Get) && method == Method::Head)
    }
}

impl Segments {
    /// As an allow reads a request: as it stands.
    pub(crate) fn exact(path: &str) -> Self {
        if path.contains(['*', '!']) {
            return Self::exact_pattern(&path.replace('*', "%2A").replace('!', "%21"));
        }
        Self::exact_pattern(path)
    }

    fn exact_pattern(path: &str) -> Self {
        Segments(path[1..].split('/').map(Box::from).collect())
    }

    /// As a deny reads a pattern, and with the stars escaped a request.
    fn wide(path: &str) -> Self {
        let plain = decode_sub_delimiters(path).to_ascii_lowercase();
        let bare = plain.split('/').map(|segment| segment.split(';').next().unwrap_or(segment));
        Segments(bare.filter(|segment| !segment.is_empty()).map(Box::from).collect())
    }

    /// As a deny reads a request.
    pub(crate) fn wide_request(path: &Path) -> Self {
        Self::wide(&path.as_str().replace('*', "%2A").replace('!', "%21"))
    }

    /// What the first segments can be.
    pub(crate) fn outline(&self) -> Outline {
        let mut outline = Outline::ANYTHING;
        for (place, segment) in outline.0.iter_mut().zip(&self.0) {
            match &**segment {
                // From here on nothing has a fixed place.
                "**" => break,
                segment if segment.contains('*') => {}
                segment => *place = 1 << (fnv(segment) % 64),
            }
        }
        outline
    }

    fn match_path(&self, path: &Segments) -> bool {
        wildcard::matches(&self.0, &path.0, |segment| &**segment == "**", |segment, text| match_segment(segment, text))
    }
}

impl Outline {
    const ANYTHING: Outline = Outline([u64::MAX; 4]);
    const NOTHING: Outline = Outline([0; 4]);

    /// The outline of several patterns together.
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
        _ => wildcard::matches(pattern.as_bytes(), text.as_bytes(), |p| *p == b'*', |p, t| p == t),
    }
}

/// `%3A` and `:` are one character to most servers, though not to RFC 3986. Stars
/// and exclamation marks stay escaped: in patterns they are no characters.
fn decode_sub_delimiters(path: &str) -> String {
    const ESCAPED: [(&str, &str); 11] = [
        ("%24", "$"),
        ("%26", "&"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2B", "+"),
        ("%2C", ","),
        ("%3A", ":"),
        ("%3B", ";"),
        ("%3D", "="),
        ("%40", "@"),
    ];
    if !path.contains('%') {
        return path.to_owned();
    }
    ESCAPED.iter().fold(path.to_owned(), |path, (from, to)| path.replace(from, to))
}

fn unknown_method(method: &str, path: &str) -> PatternError {
    let upper = method.to_ascii_uppercase();
    let help = match Method::parse(&upper) {
        Some(known) => format!("methods are written in upper case: \"{known} {path}\""),
        None => format!("known are * and {}", Method::ALL.map(Method::as_str).join(", ")),
    };
    PatternError::new(format!("{method:?} is no method"), Some(help))
}

fn check_path(path: &str) -> Result<(), PatternError> {
    if let Some(found) = path.chars().find(|c| matches!(c, '?' | '[' | ']' | '{' | '}' | '!' | '\\')) {
        return Err(metacharacter(found));
    }
    if path.split('/').any(|segment| segment != "**" && segment.contains("**")) {
        let help = "write /** for everything below, or a single * within a segment";
        return Err(PatternError::new("** must stand alone between slashes".to_owned(), Some(help.to_owned())));
    }
    let canonical = Path::parse(path).map_err(|error| unreadable_path(path, &error))?;
    if canonical.as_str() != path {
        let help = Some(format!("write {canonical}"));
        return Err(PatternError::new(format!("{path} is not in canonical form and would never match"), help));
    }
    Ok(())
}

fn metacharacter(found: char) -> PatternError {
    let help = match found {
        '?' => "patterns cover paths only; a query is always allowed with its path".to_owned(),
        '!' => "for the character itself write %21; to exclude something write a [[deny]]".to_owned(),
        '\\' => "paths are written with /".to_owned(),
        _ => "list the alternatives as patterns of their own in `do`".to_owned(),
    };
    PatternError::new(format!("{found} has no meaning in a path pattern; only * and ** do"), Some(help))
}

fn unreadable_path(path: &str, error: &PathError) -> PatternError {
    let help = match error {
        PathError::NotAbsolute => Some(format!("write /{}", path.trim_start_matches([' ', '/']))),
        PathError::Byte(byte) => Some(format!("write it as %{byte:02X}")),
        _ => None,
    };
    PatternError::new(error.to_string(), help)
}

impl PatternError {
    pub(crate) fn new(message: String, help: Option<String>) -> Self {
        PatternError { message, help }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.help {
            Some(help) => write!(f, "{}; {help}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Methods::Any => f.write_str("*"),
            Methods::Read => f.write_str("GET, HEAD, OPTIONS"),
            Methods::One(method) => method.fmt(f),
        }
    }
}

impl fmt::Display for RequestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
        let (mut passed_over, mut matched) = (0, 0);
        for (pattern, path) in patterns.iter().flat_map(|pattern| paths.iter().map(move |path| (pattern, path))) {
            let rule = RequestPattern::parse(&format!("* {pattern}")).unwrap();
            let path = Path::parse(path).unwrap();
            let (exact, wide) = (Segments::exact(path.as_str()), Segments::wide_request(&path));
            let (near, near_widely) =
                (rule.outline().meets(&exact.outline()), rule.wide_outline().meets(&wide.outline()));
            assert!(!rule.covers_path(&exact) || near, "{pattern} {path}");
            assert!(!rule.covers_path_either_way(&exact, &wide) || near_widely, "{pattern} {path}");
            passed_over += usize::from(!near);
            matched += usize::from(rule.covers_path(&exact));
        }
        assert!(passed_over > 50 && matched > 30, "{passed_over} {matched}");
    }
}
