//! One way to read a host, for policy, certificate, audit and dialling alike.
//!
//! `url` and `http` disagree about hosts (fullwidth forms, U+3002, `127.1`), and
//! `getaddrinfo` resolves spellings that both keep as names. So Doorward reads
//! hosts itself, strictly: lower-case letters, digits, hyphen and underscore in
//! labels, or an IP address in its canonical spelling. Everything else is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::HostError;

/// A DNS name in its one canonical form: lower case, no trailing dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

/// A name or an address; never a spelling that could be read as the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name.
    Name(HostName),
    /// An address, written the one canonical way.
    Ip(IpAddr),
}

impl HostName {
    /// Reads a name. Folds upper case and drops one trailing dot; repairs nothing else.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match Host::parse(text)? {
            Host::Name(name) => Ok(name),
            Host::Ip(_) => Err(HostError::Number),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Host {
    /// Reads a host from a URL or a Host header, without a port.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Brackets)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Brackets)?;
            return Ok(Host::Ip(IpAddr::V6(address)));
        }
        if let Some(bad) = text.chars().find(|c| !is_host_character(*c)) {
            return Err(HostError::Character(bad));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > 253 {
            return Err(HostError::TooLong);
        }
        if text.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(HostError::Label);
        }
        if ends_in_a_number(text) {
            return canonical_ipv4(text);
        }
        Ok(Host::Name(HostName(text.to_ascii_lowercase().into())))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&HostName> {
        match self {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        }
    }
}

fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The WHATWG URL standard's "ends in a number": every resolver takes such a host for an IPv4
/// address, so it must be one in canonical form.
fn ends_in_a_number(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn canonical_ipv4(text: &str) -> Result<Host, HostError> {
    let address: Ipv4Addr = text.parse().map_err(|_| HostError::Number)?;
    Ok(Host::Ip(IpAddr::V4(address)))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(f),
            Host::Ip(IpAddr::V4(address)) => address.fmt(f),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, HostError>) {
        let got = Host::parse(text).map(|host| host.to_string());
        assert_eq!(got, want.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn names_have_one_form() {
        check("API.Bound.TEST", Ok("api.bound.test"));
        check("api.bound.test.", Ok("api.bound.test"));
        check("_acme.x-y.test", Ok("_acme.x-y.test"));
        check("xn--bcher-kva.example", Ok("xn--bcher-kva.example"));
        check("localhost", Ok("localhost"));
    }

    #[test]
    fn addresses_have_one_form() {
        check("127.0.0.1", Ok("127.0.0.1"));
        check("127.0.0.1.", Ok("127.0.0.1"));
        check("[::ffff:127.0.0.1]", Ok("[::ffff:127.0.0.1]"));
        check("[::1]", Ok("[::1]"));
    }

    /// Attacks B01: spellings that `getaddrinfo` turns into 127.0.0.1.
    #[test]
    fn numbers_are_no_names() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "1.2.3.4.5",
            "0x",
            "a.0x1f",
            "foo.1",
            "256.1.1.1",
            "127.0.0.01",
        ] {
            check(text, Err(HostError::Number));
        }
    }

    /// Attacks A01 to A08: spellings that others fold are refused.
    #[test]
    fn odd_spellings_are_refused() {
        check("", Err(HostError::Empty));
        check("a..", Err(HostError::Label));
        check(".", Err(HostError::Label));
        check("a..b", Err(HostError::Label));
        check("[denied.test]", Err(HostError::Brackets));
        check("[[::1]]", Err(HostError::Brackets));
        check("[::1", Err(HostError::Brackets));
        check("[fe80::1%eth0]", Err(HostError::Brackets));
        check("::1", Err(HostError::Character(':')));
        check("evil\0.test", Err(HostError::Character('\0')));
        check("a%2eb.test", Err(HostError::Character('%')));
        check("api\u{3002}bound.test", Err(HostError::Character('\u{3002}')));
        check("\u{ff41}pi.bound.test", Err(HostError::Character('\u{ff41}')));
        check("user@evil.test", Err(HostError::Character('@')));
        check("bo\tund.test", Err(HostError::Character('\t')));
        check("*.x.test", Err(HostError::Character('*')));
        check(&"a".repeat(64), Err(HostError::Label));
        check(&"a".repeat(63), Ok(&"a".repeat(63)));
        let longest = format!("{}abcde", "abcdefg.".repeat(31));
        check(&longest, Ok(&longest));
        check(&format!("{longest}f"), Err(HostError::TooLong));
    }
}
