//! `POST /repos/*/notes/issues` as it stands in `do` and `only`.
//!
//! `*` stands for characters within one segment, and `**` as a whole segment for any number of
//! segments, including none: `/x/**` covers `/x`, `/x/` and everything below. There are no other
//! metacharacters. A literal star or exclamation mark is written `%2A` or `%21` and covers both
//! spellings in a request. No star stands for `%2F`, `%25` or an empty segment: `/@scope%2F*`
//! spells the first.
//!
//! An allow reads paths exactly. A deny reads them widely on purpose: `segments.rs` says how.

use std::fmt;

use crate::segments::{Outline, Segments};
use crate::{Method, Path};

/// `GET /repos/**` as it stands in `do` and `only`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPattern {
    pub(crate) methods: Methods,
    path: String,
    exact: Segments,
    wide: Vec<Segments>,
}

/// Which methods a pattern covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `*`
    Any,
    /// What `access = "read"` covers.
    Read,
    /// One by name.
    One(Method),
}

impl RequestPattern {
    /// Whether it covers the request, read exactly.
    pub fn matches(&self, method: Method, path: &Path) -> bool {
        self.methods.cover(method) && self.covers_path(&Segments::exact(path.as_str()))
    }

    /// The same, also where a server that undoes `%2F` or drops an empty segment would find a path
    /// it covers: for what must not go by unseen.
    pub fn touches(&self, method: Method, path: &Path) -> bool {
        self.matches(method, path)
            || (!path.is_plain() && self.methods.cover(method) && self.covers_widely(&Segments::wide_request(path)))
    }

    /// What `access = "read"` covers.
    pub fn any_read() -> Self {
        Self::new(Methods::Read, "/**")
    }

    /// What a deny rule without `do` covers.
    pub fn anything() -> Self {
        Self::new(Methods::Any, "/**")
    }

    /// `path` stands in canonical form, stars apart.
    pub(crate) fn new(methods: Methods, path: &str) -> Self {
        RequestPattern {
            methods,
            path: path.to_owned(),
            exact: Segments::exact_pattern(path),
            wide: Segments::wide_pattern(path),
        }
    }

    /// Which methods it covers.
    pub fn methods(&self) -> Methods {
        self.methods
    }

    pub(crate) fn covers_path(&self, exact: &Segments) -> bool {
        self.exact.match_path(exact)
    }

    /// Matches widely, and also exactly: `/*key*` covers `/x;key`, of which the wide
    /// reading keeps `/x`.
    pub(crate) fn covers_path_either_way(&self, exact: &Segments, wide: &[Segments]) -> bool {
        self.covers_widely(wide) || self.exact.match_path(exact)
    }

    pub(crate) fn covers_widely(&self, wide: &[Segments]) -> bool {
        self.wide.iter().any(|own| wide.iter().any(|wide| own.match_widely(wide)))
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a deny with this pattern covers every request of the other. May err on the side of
    /// no.
    pub fn covers_all_of(&self, other: &RequestPattern) -> bool {
        let methods = match other.methods {
            Methods::Any => self.methods == Methods::Any,
            Methods::Read => Method::ALL.iter().filter(|one| one.is_read()).all(|one| self.methods.cover_widely(*one)),
            Methods::One(one) => self.methods.cover_widely(one),
        };
        methods && self.wide.iter().any(|own| own.covers_pattern(&other.wide[0]))
    }

    /// The outline of what an allow covers.
    pub(crate) fn outline(&self) -> Outline {
        self.exact.outline()
    }

    /// The outline of what a deny covers.
    pub(crate) fn wide_outline(&self) -> Outline {
        Outline::of_all(self.wide.iter().map(Segments::outline))
    }

    /// How specific it is: no star is best, then more literal characters.
    pub(crate) fn weight(&self) -> (bool, usize) {
        let stars = self.path.matches('*').count();
        (stars == 0, self.path.len() - stars)
    }
}

impl Methods {
    /// Whether they include a method.
    pub fn cover(self, method: Method) -> bool {
        match self {
            Methods::Any => true,
            Methods::Read => method.is_read(),
            Methods::One(one) => one == method,
        }
    }

    /// HEAD is a GET whose answer has no body (RFC 9110 §9.3.2): a deny of GET means it too.
    pub(crate) fn cover_widely(self, method: Method) -> bool {
        self.cover(method) || (self == Methods::One(Method::Get) && method == Method::Head)
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
