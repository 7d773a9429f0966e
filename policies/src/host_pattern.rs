//! Hosts as a policy names them: exactly, by one label (`*.x.com`), by any depth
//! (`**.x.com`), or as an address. Neither star covers `x.com` itself.

use std::fmt;

use crate::{Host, HostName};

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
pub(crate) const RESERVED: &str = "doorward.internal";

/// Whether the host is the door's own name or below it.
pub(crate) fn is_reserved(host: &Host) -> bool {
    host.name().is_some_and(|name| {
        let rest = name.as_str().strip_suffix(RESERVED);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

impl HostPattern {
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

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(host) => host.fmt(f),
            HostPattern::OneLabel(parent) => write!(f, "*.{parent}"),
            HostPattern::AnyDepth(parent) => write!(f, "**.{parent}"),
        }
    }
}
