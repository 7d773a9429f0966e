//! What a request was judged to be, and what it gets: for the permit it may become, and for the
//! question that may come first. Terms allow nothing by themselves.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::{Adviser, BodyConditions, Facts, GroupName, HeadHash, Moment, RuleRef};

/// The hash of a policy's content: names what judged a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyHash([u8; 8]);

/// All that the rules together say of a request.
#[derive(Debug)]
pub struct Terms {
    pub(crate) facts: Facts,
    pub(crate) group: GroupName,
    pub(crate) policy: PolicyHash,
    pub(crate) now: Moment,
    pub(crate) head: HeadHash,
    pub(crate) given: Given,
    pub(crate) adviser: Adviser,
}

/// What all rules that open a request give together.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) rule: RuleRef,
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) private: Arc<[IpNet]>,
    pub(crate) model: bool,
    pub(crate) asks_model: bool,
    pub(crate) opaque: bool,
    pub(crate) observed: bool,
    pub(crate) by_wildcard: bool,
    pub(crate) body: BodyConditions,
    /// Whether `private` can be added to the rule itself.
    pub(crate) takes_private: bool,
}

impl Given {
    /// Permission and nothing else: no credential, no private network, no model.
    pub(crate) fn nothing_else(rule: &RuleRef, body: BodyConditions) -> Self {
        Given {
            rule: rule.clone(),
            credential: None,
            private: Arc::from([]),
            model: false,
            asks_model: false,
            opaque: false,
            observed: false,
            by_wildcard: true,
            body,
            takes_private: false,
        }
    }
}

impl Terms {
    /// What was judged, in full; nothing else may be sent.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whose it is.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// The rule that decided.
    pub fn rule(&self) -> &RuleRef {
        &self.given.rule
    }

    /// The policy that judged it.
    pub fn policy(&self) -> PolicyHash {
        self.policy
    }

    /// The moment at which it judged.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// The name of the credential that the rule puts on.
    pub fn credential(&self) -> Option<&Arc<str>> {
        self.given.credential.as_ref()
    }

    /// The head that a yes would be for; empty where nobody is asked.
    pub fn head(&self) -> HeadHash {
        self.head
    }

    /// Whether the owner is asked about it, for any body or for some.
    pub fn may_ask(&self) -> bool {
        self.given.body.asked_by().is_some()
    }

    /// Whether the rule says `model = true`: surrogates may be quoted in bodies.
    pub fn model(&self) -> bool {
        self.given.model
    }

    /// Whether every rule that covers the request allows nothing but asking a model: exact message
    /// paths, and conditions that exclude tools that run at the provider and stored or background
    /// jobs.
    pub fn asks_model(&self) -> bool {
        self.given.asks_model
    }

    /// Whether the rule says `opaque = true`: an answer that cannot be looked into passes.
    pub fn opaque(&self) -> bool {
        self.given.opaque
    }

    /// Whether no rule names the host and `mode = "observe"` alone lets it through.
    pub fn observed(&self) -> bool {
        self.given.observed
    }

    /// Whether the rule names the host by a pattern, so that the name may be a new one.
    pub fn by_wildcard(&self) -> bool {
        self.given.by_wildcard
    }

    /// Networks that the host may resolve to although they are not on the public internet.
    pub fn private(&self) -> &[IpNet] {
        &self.given.private
    }

    /// The conditions on the body. If there are any, the whole body is read and
    /// [`BodyConditions::check`]ed before anything is sent.
    pub fn body_conditions(&self) -> Option<&BodyConditions> {
        Some(&self.given.body).filter(|body| !body.is_empty())
    }
}

impl PolicyHash {
    /// Hashes names and texts with their lengths, so that no two lists hash alike.
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
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
