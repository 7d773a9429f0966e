//! HTTP methods: case-sensitive, known by name, nothing else.

use std::fmt;

/// A method that a rule can name. What is not here is refused before any rule is
/// asked: `get`, `TRACE`, `CONNECT` inside a tunnel, or one invented on the spot. So are
/// COPY and MOVE (RFC 4918): they write to a second address, in a header, that no rule judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// RFC 9110.
    Get,
    /// RFC 9110.
    Head,
    /// RFC 9110.
    Post,
    /// RFC 9110.
    Put,
    /// RFC 5789.
    Patch,
    /// RFC 9110.
    Delete,
    /// RFC 9110.
    Options,
    /// RFC 4918 (WebDAV).
    Propfind,
    /// RFC 4918 (WebDAV).
    Proppatch,
    /// RFC 4918 (WebDAV).
    Mkcol,
    /// RFC 4791 (CalDAV).
    Mkcalendar,
    /// RFC 3253, used by CalDAV and CardDAV.
    Report,
}

impl Method {
    /// All of them, in the order in which help texts list them.
    pub const ALL: [Method; 12] = [
        Method::Get,
        Method::Head,
        Method::Options,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Propfind,
        Method::Proppatch,
        Method::Mkcol,
        Method::Mkcalendar,
        Method::Report,
    ];

    /// Reads a method exactly as it stands; methods are case-sensitive (RFC 9110 §9.1).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Propfind => "PROPFIND",
            Method::Proppatch => "PROPPATCH",
            Method::Mkcol => "MKCOL",
            Method::Mkcalendar => "MKCALENDAR",
            Method::Report => "REPORT",
        }
    }

    /// What `access = "read"` covers.
    pub fn is_read(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
