//! How hosts and requests are spelt in `host`, `do` and `only`, and what to write instead.
//!
//! What it is not: what they cover. A pattern keeps what was written, and shows it.

use std::fmt;
use std::net::IpAddr;

use crate::host_pattern::{RESERVED, is_reserved};
use crate::request_pattern::Methods;
use crate::{Host, HostError, HostName, HostPattern, Method, Path, PathError, RequestPattern, shared_names};

/// Why a text is not a pattern, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl PatternError {
    /// With a sentence that says what to write, if there is one.
    pub fn new(message: String, help: Option<String>) -> Self {
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

impl RequestPattern {
    /// Reads `METHOD /path/pattern`; `*` stands for any method.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|error| error.to_string())
    }

    /// Like `parse`, with what to write instead kept apart.
    pub fn read(text: &str) -> Result<Self, PatternError> {
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

    /// The part of its path that must be spelt out, if there is one.
    pub fn to_spell(&self) -> Option<&'static str> {
        Path::parse(self.path()).ok()?.to_spell()
    }

    /// Whether it names one method and one path.
    pub fn is_exact(&self) -> bool {
        self.as_exact().is_some()
    }

    /// The one method and the one path that it names, if it is exact.
    pub(crate) fn as_exact(&self) -> Option<(Method, &str)> {
        match self.methods() {
            Methods::One(method) if !self.path().contains('*') => Some((method, self.path())),
            _ => None,
        }
    }
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
