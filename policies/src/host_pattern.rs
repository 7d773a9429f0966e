//! Hosts as a policy names them: exactly, by one label (`*.x.com`), by any depth
//! (`**.x.com`), or as an address. Neither star covers `x.com` itself.

use std::fmt;
use std::net::IpAddr;

use crate::request_pattern::PatternError;
use crate::{Host, HostError, HostName, shared_names};

/// What stands in `host`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `x.com`, or an address.
    Exact(Host),
    /// `*.x.com`
    OneLabel(HostName),
    /// `**.x.com`
    AnyDepth(HostName),
}

/// The door's own name, for operations; no policy can name it.
const RESERVED: &str = "doorward.internal";

/// Whether the host is the door's own name or below it.
pub(crate) fn is_reserved(host: &Host) -> bool {
    host.name().is_some_and(|name| {
        let rest = name.as_str().strip_suffix(RESERVED);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

impl HostPattern {
    /// Reads a host for an allow, which must not cover names that strangers can register.
    pub fn for_allow(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::read(text)?;
        match &pattern {
            HostPattern::OneLabel(parent) | HostPattern::AnyDepth(parent) if shared_names::is_suffix(parent) => {
                let message = format!("{text} covers names that anyone can register under {parent}");
                Err(PatternError::new(
                    message,
                    Some(format!("name what is yours, like \"mine.{parent}\" or \"*.mine.{parent}\"")),
                ))
            }
            _ => Ok(pattern),
        }
    }

    /// Reads a host for a deny, which may be as wide as the owner likes.
    pub fn for_deny(text: &str) -> Result<Self, PatternError> {
        Self::read(text)
    }

    fn read(text: &str) -> Result<Self, PatternError> {
        let pattern = match (text.strip_prefix("**."), text.strip_prefix("*.")) {
            (Some(parent), _) => HostPattern::AnyDepth(parent_name(text, parent)?),
            (None, Some(parent)) => HostPattern::OneLabel(parent_name(text, parent)?),
            (None, None) => HostPattern::Exact(exact_host(text)?),
        };
        let is_door = match &pattern {
            HostPattern::Exact(host) => is_reserved(host),
            HostPattern::OneLabel(parent) | HostPattern::AnyDepth(parent) => is_reserved(&Host::Name(parent.clone())),
        };
        if is_door {
            let help = Some(format!("remove it: {RESERVED} needs no rule"));
            return Err(PatternError::new(format!("{text} is the door itself, not a way out"), help));
        }
        Ok(pattern)
    }

    /// Exact before one label before any depth; longer before shorter.
    pub(crate) fn weight(&self) -> (u8, usize) {
        match self {
            HostPattern::Exact(_) => (2, 0),
            HostPattern::OneLabel(parent) => (1, parent.as_str().len()),
            HostPattern::AnyDepth(parent) => (0, parent.as_str().len()),
        }
    }

    /// Whether it stands for this host.
    pub fn covers(&self, host: &Host) -> bool {
        let below = |parent: &HostName| {
            let name = host.name()?.as_str().strip_suffix(parent.as_str())?;
            name.strip_suffix('.').filter(|labels| !labels.is_empty())
        };
        match self {
            HostPattern::Exact(own) => own == host,
            HostPattern::OneLabel(parent) => below(parent).is_some_and(|labels| !labels.contains('.')),
            HostPattern::AnyDepth(parent) => below(parent).is_some(),
        }
    }

    /// Whether it names exactly one host.
    pub fn is_exact(&self) -> bool {
        matches!(self, HostPattern::Exact(_))
    }
}

fn parent_name(text: &str, parent: &str) -> Result<HostName, PatternError> {
    if parent.is_empty() || parent.contains('*') {
        return Err(star_misplaced(text));
    }
    match exact_host(parent)? {
        Host::Name(name) => Ok(name),
        Host::Ip(_) => Err(PatternError::new(format!("{text} puts a star before an address"), None)),
    }
}

fn exact_host(text: &str) -> Result<Host, PatternError> {
    match Host::parse(text) {
        Ok(Host::Ip(IpAddr::V6(address))) if address.to_canonical().is_ipv4() => {
            let help = Some(format!("write \"{}\"", address.to_canonical()));
            Err(PatternError::new(format!("{text} is an IPv4 address written as IPv6"), help))
        }
        Ok(host) if host.to_string() == text => Ok(host),
        Ok(host) => {
            let help = Some(format!("write \"{host}\""));
            Err(PatternError::new(format!("{text} is not in canonical form"), help))
        }
        Err(_) if text.contains('*') => Err(star_misplaced(text)),
        Err(error) => Err(no_host(text, &error)),
    }
}

fn star_misplaced(text: &str) -> PatternError {
    let message = match text {
        "*" | "**" => format!("a bare {text} covers every host"),
        _ => format!("in {text} the star does not stand for whole labels at the start"),
    };
    let help = "name the hosts; \"*.example.com\" is one label below example.com, \"**.example.com\" any depth";
    PatternError::new(message, Some(help.to_owned()))
}

/// The error for a text that is not a host, with what was probably meant.
fn no_host(text: &str, error: &HostError) -> PatternError {
    let (message, help) = match error {
        HostError::Empty => ("the host is empty".to_owned(), "name one, like \"api.example.com\"".to_owned()),
        _ if text.parse::<std::net::Ipv6Addr>().is_ok() => {
            (format!("{text} is an IPv6 address without brackets"), format!("write \"[{text}]\""))
        }
        HostError::Character(c) if !c.is_ascii() => {
            (format!("{text} holds {c:?}"), "write the name in its ASCII form, which starts with xn--".to_owned())
        }
        _ => match bare_host(text) {
            Some(help) => (format!("{text} is more than a host"), help),
            None => return PatternError::new(format!("{text:?} is no host: {error}"), None),
        },
    };
    PatternError::new(message, Some(help))
}

/// The host of a URL, of `host:port` or of `user@host`, as lines of a rule.
fn bare_host(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (rest, None),
    };
    Host::parse(host).ok()?;
    let mut lines = vec![format!("host = \"{}\"", host.to_ascii_lowercase())];
    if scheme == Some("http") {
        lines.push("scheme = \"http\"".to_owned());
    }
    lines.extend(port.map(|port| format!("ports = [{port}]")));
    Some(format!("write {}", lines.join(" and ")))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(host) => host.fmt(f),
            HostPattern::OneLabel(parent) => write!(f, "*.{parent}"),
            HostPattern::AnyDepth(parent) => write!(f, "**.{parent}"),
        }
    }
}
