//! HTTP methods: case-sensitive and known by name; all others are refused.

use std::fmt;

/// A method that a rule can name. Others are refused before any rule is consulted ([`Method::instead`] says
/// why): `get`, `TRACE`, `CONNECT` inside a tunnel, or an invented one.
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
    /// RFC 4918 (WebDAV).
    Lock,
    /// RFC 4918 (WebDAV).
    Unlock,
    /// RFC 3744 (WebDAV).
    Acl,
    /// RFC 5323 (WebDAV).
    Search,
    /// A search whose terms are in its body, from a draft of the HTTP working group.
    Query,
    /// Used by caches.
    Purge,
    /// Used by Vault and OpenBao.
    List,
}

impl Method {
    /// All of them, in the order of help texts.
    pub const ALL: [Method; 19] = [
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
        Method::Lock,
        Method::Unlock,
        Method::Acl,
        Method::Search,
        Method::Query,
        Method::Purge,
        Method::List,
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
            Method::Lock => "LOCK",
            Method::Unlock => "UNLOCK",
            Method::Acl => "ACL",
            Method::Search => "SEARCH",
            Method::Query => "QUERY",
            Method::Purge => "PURGE",
            Method::List => "LIST",
        }
    }

    /// Why a text is not a method that a rule can name, and what to send instead.
    pub fn instead(text: &str) -> String {
        match text {
            "COPY" | "MOVE" => format!(
                "{text} writes to a second address, in the header Destination, that no rule judges; GET it here, PUT it \
                 there, and DELETE it here if it is to move"
            ),
            "TRACE" | "TRACK" => format!("{text} has the host send the whole request back, with its credential"),
            "CONNECT" => "CONNECT is for the door itself, and opens no tunnel within another".to_owned(),
            _ if Method::parse(&text.to_ascii_uppercase()).is_some() => {
                format!("methods are written in upper case: {}", text.to_ascii_uppercase())
            }
            _ => {
                let known = Method::ALL.map(Method::as_str).join(", ");
                format!("this method is not one that a rule can name; known are {known}")
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_rule_can_name_says_what_to_send_instead() {
        for (text, says) in [
            ("COPY", "PUT it there"),
            ("MOVE", "DELETE it here"),
            ("TRACE", "with its credential"),
            ("CONNECT", "no tunnel"),
            ("get", "upper case: GET"),
            ("Lock", "upper case: LOCK"),
            ("BREW", "known are GET, HEAD"),
        ] {
            assert!(Method::parse(text).is_none() && Method::instead(text).contains(says), "{text}");
        }
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
    }
}
