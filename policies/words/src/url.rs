//! Facts from a method and a URL, as a person writes them: for `[[test]]` and `policy explain`. The
//! door does not use this: it builds facts from the request itself, with the same parsers.

use crate::{Authority, AuthorityError, Facts, Method, Path, PathError, Query, Scheme, Upgrade};

/// Why a text is not a request that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Methods are upper case and known by name.
    #[error("{0:?} is no method that Doorward knows; methods are written like GET or POST")]
    Method(String),
    /// Neither `http://` nor `https://`, nor a WebSocket scheme.
    #[error("the URL does not start with https:// or http://")]
    Scheme,
    /// Host and port.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Path and query.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Facts {
    /// Reads `POST` and `https://api.github.com/gists?x=1`; `wss://` and `ws://` ask for a
    /// WebSocket.
    pub fn parse(method: &str, url: &str) -> Result<Facts, UrlError> {
        let method = Method::parse(method).ok_or_else(|| UrlError::Method(method.to_owned()))?;
        let (scheme, upgrade, rest) = match url.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, None, rest),
            Some(("http", rest)) => (Scheme::Http, None, rest),
            Some(("wss", rest)) => (Scheme::Https, Some(Upgrade::WebSocket), rest),
            Some(("ws", rest)) => (Scheme::Http, Some(Upgrade::WebSocket), rest),
            _ => return Err(UrlError::Scheme),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let authority = Authority::parse(authority, Some(scheme.default_port()))?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(Query::parse(query)?)),
            None => (target, None),
        };
        let path = Path::parse(if path.is_empty() { "/" } else { path })?;
        Ok(Facts { scheme, authority, method, path, query, upgrade })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_become_facts() {
        let shown = |url| Facts::parse("GET", url).map(|facts| (facts.authority.to_string(), facts.path_and_query()));
        let ok = |authority: &str, path: &str| Ok((authority.to_owned(), path.to_owned()));
        assert_eq!(shown("https://a.test"), ok("a.test:443", "/"));
        assert_eq!(shown("http://a.test?x"), ok("a.test:80", "/?x"));
        assert_eq!(shown("https://[::1]:8443/a?b?c"), ok("[::1]:8443", "/a?b?c"));
        assert_eq!(shown("ws://a.test"), ok("a.test:80", "/"));
        assert_eq!(shown("wss://a.test/x"), ok("a.test:443", "/x"));
        assert_eq!(Facts::parse("GET", "wss://a.test/x").unwrap().upgrade, Some(Upgrade::WebSocket));
        assert_eq!(Facts::parse("GET", "https://a.test/x").unwrap().upgrade, None);
        assert_eq!(shown("ftp://a.test/"), Err(UrlError::Scheme));
        assert_eq!(shown("a.test/"), Err(UrlError::Scheme));
        assert!(matches!(shown("https://a@b.test/"), Err(UrlError::Authority(_))));
        assert!(matches!(shown("https://a.test/x#y"), Err(UrlError::Path(_))));
        assert!(matches!(shown("https:///x"), Err(UrlError::Authority(_))));
        assert!(matches!(Facts::parse("get", "https://a.test/"), Err(UrlError::Method(_))));
    }
}
