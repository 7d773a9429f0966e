//! HTTP methods: case-sensitive and known by name; all others are refused.

use std::fmt;

/// Makes the enum, its texts and its list from one table.
macro_rules! methods {
    ($(#[$about:meta])* pub enum Method { $($(#[$doc:meta])* $name:ident => $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $name,)*
        }

        impl Method {
            /// All of them, in the order of help texts.
            pub const ALL: [Method; [$($text),*].len()] = [$(Method::$name),*];

            /// As it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Method::$name => $text,)*
                }
            }
        }
    };
}

methods! {
    /// A method that a rule can name. Others are refused before any rule is consulted ([`Method::instead`] says
    /// why): `get`, `TRACE`, `CONNECT` inside a tunnel, or an invented one.
    pub enum Method {
        /// RFC 9110.
        Get => "GET",
        /// RFC 9110.
        Head => "HEAD",
        /// RFC 9110.
        Options => "OPTIONS",
        /// RFC 9110.
        Post => "POST",
        /// RFC 9110.
        Put => "PUT",
        /// RFC 5789.
        Patch => "PATCH",
        /// RFC 9110.
        Delete => "DELETE",
        /// RFC 4918 (WebDAV).
        Propfind => "PROPFIND",
        /// RFC 4918 (WebDAV).
        Proppatch => "PROPPATCH",
        /// RFC 4918 (WebDAV).
        Mkcol => "MKCOL",
        /// RFC 4791 (CalDAV).
        Mkcalendar => "MKCALENDAR",
        /// RFC 3253, used by CalDAV and CardDAV.
        Report => "REPORT",
        /// RFC 4918 (WebDAV).
        Lock => "LOCK",
        /// RFC 4918 (WebDAV).
        Unlock => "UNLOCK",
        /// RFC 3744 (WebDAV).
        Acl => "ACL",
        /// RFC 5323 (WebDAV).
        Search => "SEARCH",
        /// A search whose terms are in its body, from a draft of the HTTP working group.
        Query => "QUERY",
        /// Used by caches.
        Purge => "PURGE",
        /// Used by Vault and OpenBao.
        List => "LIST",
    }
}

impl Method {
    /// Reads a method exactly as it stands; methods are case-sensitive (RFC 9110 §9.1).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
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
