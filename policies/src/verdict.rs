//! The verdict, and the permit that proves an allow.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::{
    Adviser, Authority, BodyConditions, Code, Facts, Host, Moment, Refusal, Refused, Resolved, RuleRef, address,
};

/// The content of a policy, as a hash: names what judged a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyHash([u8; 8]);

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
    pub(crate) now: Moment,
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
    pub(crate) adviser: Adviser,
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

    /// The moment at which it did.
    pub fn now(&self) -> Moment {
        self.now
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
            authority: &self.facts.authority,
            facts: Some(&self.facts),
            rule: &self.rule,
            private: &self.private,
            takes_private: self.takes_private,
            adviser: self.adviser,
        };
        check_address(&reach, address)
    }
}

/// What a permit reaches: all that the check of an address needs of it.
pub(crate) struct Reach<'a> {
    pub(crate) authority: &'a Authority,
    /// None for a tunnel.
    pub(crate) facts: Option<&'a Facts>,
    pub(crate) rule: &'a RuleRef,
    pub(crate) private: &'a [IpNet],
    /// As in [`Resolved`].
    pub(crate) takes_private: bool,
    pub(crate) adviser: Adviser,
}

pub(crate) fn check_address(reach: &Reach<'_>, address: SocketAddr) -> Result<CheckedAddress, Refusal> {
    let ip = address.ip();
    if reach.private.iter().any(|net| net.contains(&ip.to_canonical())) {
        return Ok(CheckedAddress(address));
    }
    let Some(kind) = address::special(ip) else { return Ok(CheckedAddress(address)) };
    let &Reach { authority, facts, rule, takes_private, .. } = reach;
    let net = IpNet::from(ip.to_canonical());
    let advice = (reach.adviser)(&Refused::Address(Resolved { rule, takes_private, facts, authority, net }));
    let host = &authority.host;
    let is =
        if *host == Host::Ip(ip) { format!("{host} is {kind}") } else { format!("{host} resolves to {ip}, {kind}") };
    let why = format!("{is}; such addresses are refused unless the rule names them");
    Err(Refusal { code: Code::ResolvedPrivate, why, logged: None, rule: Some(rule.clone()), lift: advice.lift })
}

impl CheckedAddress {
    /// The address to dial.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl PolicyHash {
    /// Names and texts with their lengths, so that no two lists have one hash.
    pub fn of(texts: &[(&str, &str)]) -> Self {
        let mut hasher = Sha256::new();
        for text in texts.iter().flat_map(|(name, text)| [name, text]) {
            hasher.update(text.len().to_be_bytes());
            hasher.update(text.as_bytes());
        }
        let mut short = [0; 8];
        short.copy_from_slice(&hasher.finalize()[..8]);
        PolicyHash(short)
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
