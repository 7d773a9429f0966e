//! The verdict, and the permit that proves an allow.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::{BodyConditions, Facts, Host, Refusal, address, suggest};

/// The content of a policy, as a hash: names what judged a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyHash(pub(crate) [u8; 8]);

/// Where a rule stands: what `explain`, refusals and the audit log name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct RuleRef {
    /// The file as the owner knows it (`policies/family.toml`), or `preset NAME`.
    pub file: Arc<str>,
    /// Its line, counted from 1.
    pub line: u32,
}

/// Allow or deny, always with the rule that decided (none decided: denied).
#[derive(Debug)]
pub enum Verdict {
    /// The request may go.
    Allow(Permit),
    /// It may not, and this is why. The facts come back for the log.
    Deny(Facts, Refusal),
}

/// The proof of an allow, and the only thing anything upstream is made from.
///
/// It owns the facts it was made for, cannot be cloned, and has no constructor
/// outside of this crate's decision:
///
/// ```compile_fail
/// # fn facts() -> policies::Facts { unimplemented!() }
/// let permit = policies::Permit { facts: facts() };
/// ```
/// ```compile_fail
/// fn twice(permit: policies::Permit) -> (policies::Permit, policies::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(crate) facts: Facts,
    pub(crate) rule: RuleRef,
    pub(crate) policy: PolicyHash,
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) private: Arc<[IpNet]>,
    pub(crate) model: bool,
    pub(crate) asks_model: bool,
    pub(crate) opaque: bool,
    pub(crate) observed: bool,
    pub(crate) by_wildcard: bool,
    pub(crate) body: Option<BodyConditions>,
    /// As in [`Reach`].
    pub(crate) takes_private: bool,
}

/// An address that was checked against the permit it is dialled for. Made only
/// by [`Permit::check_address`], wanted by whatever dials.
///
/// ```compile_fail
/// let address: std::net::SocketAddr = "127.0.0.1:443".parse().unwrap();
/// let checked = policies::CheckedAddress(address);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckedAddress(SocketAddr);

impl Permit {
    /// What was judged: all of it, and nothing else may be sent.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The rule that allowed it.
    pub fn rule(&self) -> &RuleRef {
        &self.rule
    }

    /// The policy that allowed it.
    pub fn policy(&self) -> PolicyHash {
        self.policy
    }

    /// The credential that the rule puts on, by name.
    pub fn credential(&self) -> Option<&Arc<str>> {
        self.credential.as_ref()
    }

    /// Whether the rule says `model = true`: surrogates may be quoted in bodies.
    pub fn model(&self) -> bool {
        self.model
    }

    /// Whether all that covers the request lets a model be asked and nothing else: exact
    /// paths of messages, and conditions that leave out tools that run at the provider,
    /// stored and background jobs.
    pub fn asks_model(&self) -> bool {
        self.asks_model
    }

    /// Whether the rule says `opaque = true`: an answer that cannot be looked into may pass.
    pub fn opaque(&self) -> bool {
        self.opaque
    }

    /// Whether no rule names the host and only `mode = "observe"` lets it through.
    pub fn observed(&self) -> bool {
        self.observed
    }

    /// Whether the rule names the host by a pattern: it may be a name never asked for.
    pub fn by_wildcard(&self) -> bool {
        self.by_wildcard
    }

    /// Networks that the host may resolve to though they are not on the public internet.
    pub fn private(&self) -> &[IpNet] {
        &self.private
    }

    /// What the body must be. Where this says something, the whole body is read and
    /// [`BodyConditions::check`]ed before anything is sent.
    pub fn body_conditions(&self) -> Option<&BodyConditions> {
        self.body.as_ref()
    }

    /// Checks an address that the host resolved to, before it is dialled and
    /// again before a pooled connection to it is used.
    pub fn check_address(&self, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
        let reach = Reach {
            host: &self.facts.authority.host,
            rule: &self.rule,
            private: &self.private,
            takes_private: self.takes_private,
        };
        check_address(&reach, address, || suggest::allow_lines(&self.facts))
    }
}

/// What a permit reaches: all that the check of an address needs of it.
pub(crate) struct Reach<'a> {
    pub(crate) host: &'a Host,
    pub(crate) rule: &'a RuleRef,
    pub(crate) private: &'a [IpNet],
    /// Whether `private` can be added to the rule itself: it is the group's own and names one host.
    pub(crate) takes_private: bool,
}

/// `lines` is a rule beside the one that allowed: allows add up, so where that one
/// is not the group's to change, another does.
pub(crate) fn check_address(
    reach: &Reach<'_>,
    address: SocketAddr,
    lines: impl FnOnce() -> Vec<String>,
) -> Result<CheckedAddress, Refusal> {
    let ip = address.ip();
    if reach.private.iter().any(|net| net.contains(&ip.to_canonical())) {
        return Ok(CheckedAddress(address));
    }
    let Some(kind) = address::special(ip) else { return Ok(CheckedAddress(address)) };
    let net = IpNet::from(ip.to_canonical());
    let mut lift = match reach.takes_private {
        true => vec![format!("# in the [[allow]] at {}, add this, or add to its list:", reach.rule)],
        false => lines(),
    };
    lift.push(format!("private = [\"{net}\"]"));
    let host = reach.host;
    let is =
        if *host == Host::Ip(ip) { format!("{host} is {kind}") } else { format!("{host} resolves to {ip}, {kind}") };
    let why = format!("{is}; such addresses are refused unless the rule names them");
    Err(Refusal { code: crate::Code::ResolvedPrivate, why, logged: None, rule: Some(reach.rule.clone()), lift })
}

impl CheckedAddress {
    /// The address to dial.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
