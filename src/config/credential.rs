//! A credential: a real secret with the hosts, places and requests for which it may be used.

use std::fmt;
use std::sync::Arc;

use policies::{Host, RequestPattern};
use proxy::{Field, Mint, Place};

use super::{OAuth, SecretSource};

/// One `[credentials.NAME]`.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its name in policies and in the audit log.
    pub name: Arc<str>,
    /// Where the real secret is.
    pub source: SecretSource,
    /// The hosts it may go to. Never empty.
    pub hosts: Vec<CredentialHost>,
    /// Where in a request its surrogate may stand. Never empty.
    pub place: Vec<Place>,
    /// Headers and parameters that authenticate nobody at its hosts, whatever their names.
    pub harmless: Vec<Place>,
    /// The requests for which it may be used; empty for all. A ceiling that a group's policy can only narrow.
    pub only: Vec<RequestPattern>,
    /// The variable in which a sandbox finds the surrogate.
    pub env: Option<String>,
    /// The surrogate's prefix; derived from the secret by default.
    pub prefix: Option<String>,
    /// The form of the rest; derived likewise.
    pub shape: Option<Shape>,
    /// Where access tokens come from; the secret is then the refresh token.
    pub oauth: Option<OAuth>,
    /// The answers of its hosts that contain new keys.
    pub mints: Vec<Mint>,
}

/// A host that a credential may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHost {
    /// The host, exactly.
    pub host: Host,
    /// Its port; 443 by default.
    pub port: u16,
}

/// The characters of a surrogate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `0-9 a-f`.
    Hex,
    /// `0-9 A-Z a-z`.
    Letters,
    /// Those and `-` and `_`.
    Base64url,
}

impl CredentialHost {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('*') {
            return Err("a credential goes to hosts by their exact names; write each one".to_owned());
        }
        if text.contains("://") || text.contains('/') {
            return Err("a host without scheme and path is wanted here: \"api.github.com\"".to_owned());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        let host = Host::parse(host).map_err(|error| error.to_string())?;
        match port.map_or(Ok(443), str::parse) {
            Ok(port) if port > 0 => Ok(CredentialHost { host, port }),
            _ => Err("the port is no number from 1 to 65535".to_owned()),
        }
    }
}

impl Shape {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "hex" => Ok(Shape::Hex),
            "letters" => Ok(Shape::Letters),
            "base64url" => Ok(Shape::Base64url),
            _ => Err("not a shape; write \"hex\", \"letters\" or \"base64url\"".to_owned()),
        }
    }
}

/// A field of an answer that contains a new key.
pub(super) fn field(text: &str) -> Result<Field, String> {
    Field::parse_many(text).map_err(|_| {
        "the keys to the field are wanted, parted by dots: \"key\", \"data.token\"; in each item of a list \
         \"keys[*].value\", behind each key \"actions.*.token\""
            .to_owned()
    })
}

/// A surrogate's prefix: it is sent in headers and shown in logs.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    if text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Ok(text.to_owned());
    }
    Err("a prefix is at most 32 letters, digits and - _ .".to_owned())
}

impl fmt::Display for CredentialHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => write!(f, "{}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}
