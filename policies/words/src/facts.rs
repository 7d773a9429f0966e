//! The canonical request: parsed once, judged, logged, dialled and sent.

use std::fmt;
use std::str::FromStr;

use crate::{AuthorityError, Host, Method, Path, Query};

/// How the request travels upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear; only where a rule says `scheme = "http"`.
    Http,
    /// Inside verified TLS.
    Https,
}

/// Host and port: the one authority that CONNECT, SNI, Host, certificate and
/// address must agree on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// Name or address.
    pub host: Host,
    /// Always explicit: an authority has no default port.
    pub port: u16,
}

/// A protocol to which a request wants to switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// RFC 6455, or RFC 8441 over HTTP/2; the method is GET in both.
    WebSocket,
}

/// Everything a verdict may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// http or https.
    pub scheme: Scheme,
    /// Where it goes.
    pub authority: Authority,
    /// What is asked.
    pub method: Method,
    /// For what.
    pub path: Path,
    /// The query, without the `?`.
    pub query: Option<Query>,
    /// The protocol it wants to switch to, if any.
    pub upgrade: Option<Upgrade>,
}

impl Scheme {
    /// The port that is meant if none is given.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl Authority {
    /// Reads `host:port`, or `host` if `default_port` is given.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, AuthorityError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let host = Host::parse(host)?;
        let port = match port {
            Some(digits) => parse_port(digits)?,
            None => default_port.ok_or(AuthorityError::Port)?,
        };
        Ok(Authority { host, port })
    }

    /// As a Host header has it: without the scheme's own port.
    pub fn host_header(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() { self.host.to_string() } else { self.to_string() }
    }
}

/// Digits only, without a leading zero: `+443` and `0443` are refused.
fn parse_port(digits: &str) -> Result<u16, AuthorityError> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain {
        return Err(AuthorityError::Port);
    }
    u16::from_str(digits).map_err(|_| AuthorityError::Port)
}

impl Facts {
    /// Path and query as they are sent.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{}", self.path, query.as_str()),
            None => self.path.to_string(),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn authorities() {
        let parse = |text, default| Authority::parse(text, default).map(|a| a.to_string());
        assert_eq!(parse("a.test:443", None).as_deref(), Ok("a.test:443"));
        assert_eq!(parse("a.test", Some(80)).as_deref(), Ok("a.test:80"));
        assert_eq!(parse("[::1]:8443", None).as_deref(), Ok("[::1]:8443"));
        assert_eq!(parse("[::1]", Some(443)).as_deref(), Ok("[::1]:443"));
        for text in ["a.test", "a.test:", "a.test:99999", "a.test:+443", "a.test:0443", "a.test:0", "a.test:4 3"] {
            assert_eq!(parse(text, None), Err(AuthorityError::Port), "{text}");
        }
        for text in ["u@a.test:443", "http://a.test/:1", ":443", "[a.test]:443", "a:b:443", ""] {
            assert!(matches!(parse(text, None), Err(AuthorityError::Host(_) | AuthorityError::Port)), "{text}");
        }
    }
}
