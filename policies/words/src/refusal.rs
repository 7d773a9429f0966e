//! Refusals: what was refused, why, and what would lift it.

use std::fmt;

use crate::{Code, RuleRef};

/// A denial with everything its reader needs: the agent, its user, the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable reason.
    pub code: Code,
    /// One sentence in plain words, without a full stop. The agent reads it, so it holds no path of
    /// the host and no name that belongs to other groups.
    pub why: String,
    /// The text for the owner's log, if the owner may know more than the agent.
    pub logged: Option<String>,
    /// The rule that decided, if one did.
    pub rule: Option<RuleRef>,
    /// TOML lines for the group's policy file that would lift it. Empty if no policy can allow the
    /// request.
    pub lift: Vec<String>,
}

impl Refusal {
    /// A refusal that no rule made and no policy line lifts.
    pub fn new(code: Code, why: impl Into<String>) -> Self {
        Refusal { code, why: why.into(), logged: None, rule: None, lift: Vec::new() }
    }

    /// A server of DNS over HTTPS resolves any name for the sandbox, and names carry data.
    pub fn dns_over_https() -> Self {
        let why =
            "DNS over HTTPS would have this host look up any name; what the policy allows is resolved by Doorward";
        Refusal::new(Code::Unsupported, why)
    }

    /// The same, with the full text for the owner's log.
    #[must_use]
    pub fn logged_as(self, whole: impl Into<String>) -> Self {
        Refusal { logged: Some(whole.into()), ..self }
    }

    /// The text for the owner's log.
    pub fn for_log(&self) -> &str {
        self.logged.as_deref().unwrap_or(&self.why)
    }

    /// What the agent may see of it.
    #[must_use]
    pub fn to_tell(self) -> Self {
        Refusal { logged: None, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.why)
    }
}
