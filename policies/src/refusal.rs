//! Refusals: what was refused, why, and what would lift it.

use std::fmt;

use crate::RuleRef;

/// Every reason for which Doorward refuses something at the door. The text form
/// (snake case) is what agents, the audit log and scripts see; it is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No rule names the host.
    NotAllowed,
    /// A rule names the host, but not this port or scheme.
    PortDenied,
    /// Rules name the host and path, but not this method.
    MethodDenied,
    /// Rules name the host, but not this path.
    PathDenied,
    /// A deny rule decided.
    DeniedByRule,
    /// The host is an address, and no rule names that address.
    IpLiteral,
    /// The target or Host header cannot be read in exactly one way.
    AuthorityMalformed,
    /// CONNECT target, SNI, Host and request target do not agree.
    AuthorityMismatch,
    /// The path or query cannot be read in exactly one way, and no rule spells the path.
    PathAmbiguous,
    /// The bytes are no well-formed HTTP request.
    Framing,
    /// HTTP/2 used to wear the door out: resets, empty frames or headers without end.
    #[serde(rename = "h2_abuse")]
    Http2Abuse,
    /// A header, the URL or a body is over its limit.
    TooLarge,
    /// What followed CONNECT is no TLS ClientHello.
    NotTls,
    /// Upgrades (h2c, WebSocket) are refused unless a rule says otherwise.
    UpgradeDenied,
    /// The door's own address as the target.
    SelfTarget,
    /// Not served by the door: nested CONNECT and the like.
    Unsupported,
    /// The host resolves to an address that is not on the public internet.
    ResolvedPrivate,
    /// The name does not resolve.
    Unresolved,
    /// A surrogate on the way to a host it does not belong to.
    SurrogateUnbound,
    /// A surrogate on the way to its host, but not in its place.
    SurrogateLocation,
    /// A surrogate of another sandbox.
    SurrogateForeign,
    /// A surrogate that was this group's once; its sandbox is gone.
    SurrogateRetired,
    /// The surrogate outside of its credential's `only`, or not over TLS.
    SurrogateScope,
    /// More than one thing that could authenticate the request.
    CredentialAmbiguous,
    /// A host with a credential takes this sandbox's surrogate and nothing else.
    CredentialNotSurrogate,
    /// Where the surrogate belongs stands what is neither it nor anybody's key.
    SurrogateMissing,
    /// A header or parameter that a host with a credential gets where the owner says that it
    /// authenticates nobody, and only there.
    NotHarmless,
    /// A key that the host handed out before, and that was not kept at the door (`mints`).
    NotMinted,
    /// A real secret on its way out.
    SecretInRequest,
    /// A host's answer held a secret in a way that it could not be taken off.
    SecretInAnswer,
    /// The secret behind a surrogate cannot be read now.
    SecretUnavailable,
    /// The upstream's certificate is not valid for the host.
    TlsVerify,
    /// The upstream cannot be reached, or broke off.
    UpstreamFailed,
    /// The upstream's answer cannot be read in exactly one way, or not be scrubbed.
    UpstreamUnreadable,
    /// Too slow.
    Timeout,
    /// The audit log cannot be written, so nothing may leave.
    AuditUnavailable,
    /// The sandbox asks for more at once than it may.
    GroupLimit,
    /// The group has used up what `[limits]` gives it.
    LimitExceeded,
    /// A field of the JSON body is not what the rule wants.
    BodyCondition,
    /// The body has to be looked into, by a rule or for leaks, and cannot be read in exactly one way.
    BodyUnreadable,
    /// The host does not do for the agent what it asks: it may not, not now, or not in this way.
    OperationRefused,
    /// The policy was tightened, or the sandbox stopped, while this was under way.
    Revoked,
}

/// A denial with everything its reader needs: the agent, its user, the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable reason.
    pub code: Code,
    /// One sentence in plain words, ending without a full stop. Whoever asked reads it: it
    /// holds no path of the host, and no name of what is other groups'.
    pub why: String,
    /// What the owner's log says instead, where the owner may know more than who asked.
    pub logged: Option<String>,
    /// The rule that decided, where one did.
    pub rule: Option<RuleRef>,
    /// TOML lines for the group's policy file that would lift it, where such
    /// lines exist. Nothing is suggested for what no policy can allow.
    pub lift: Vec<String>,
}

impl Code {
    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotAllowed => "not_allowed",
            Code::PortDenied => "port_denied",
            Code::MethodDenied => "method_denied",
            Code::PathDenied => "path_denied",
            Code::DeniedByRule => "denied_by_rule",
            Code::IpLiteral => "ip_literal",
            Code::AuthorityMalformed => "authority_malformed",
            Code::AuthorityMismatch => "authority_mismatch",
            Code::PathAmbiguous => "path_ambiguous",
            Code::Framing => "framing",
            Code::Http2Abuse => "h2_abuse",
            Code::TooLarge => "too_large",
            Code::NotTls => "not_tls",
            Code::UpgradeDenied => "upgrade_denied",
            Code::SelfTarget => "self_target",
            Code::Unsupported => "unsupported",
            Code::ResolvedPrivate => "resolved_private",
            Code::Unresolved => "unresolved",
            Code::SurrogateUnbound => "surrogate_unbound",
            Code::SurrogateLocation => "surrogate_location",
            Code::SurrogateForeign => "surrogate_foreign",
            Code::SurrogateRetired => "surrogate_retired",
            Code::SurrogateScope => "surrogate_scope",
            Code::CredentialAmbiguous => "credential_ambiguous",
            Code::CredentialNotSurrogate => "credential_not_surrogate",
            Code::SurrogateMissing => "surrogate_missing",
            Code::NotHarmless => "not_harmless",
            Code::NotMinted => "not_minted",
            Code::SecretInRequest => "secret_in_request",
            Code::SecretInAnswer => "secret_in_answer",
            Code::SecretUnavailable => "secret_unavailable",
            Code::TlsVerify => "tls_verify",
            Code::UpstreamFailed => "upstream_failed",
            Code::UpstreamUnreadable => "upstream_unreadable",
            Code::Timeout => "timeout",
            Code::AuditUnavailable => "audit_unavailable",
            Code::GroupLimit => "group_limit",
            Code::LimitExceeded => "limit_exceeded",
            Code::BodyCondition => "body_condition",
            Code::BodyUnreadable => "body_unreadable",
            Code::OperationRefused => "operation_refused",
            Code::Revoked => "revoked",
        }
    }

    /// Whether the owner is told at once: something tried to carry a credential
    /// where it does not belong, or brought part of one into a sandbox.
    pub fn is_alarm(self) -> bool {
        matches!(
            self,
            Code::SurrogateUnbound
                | Code::SurrogateLocation
                | Code::SurrogateForeign
                | Code::SecretInRequest
                | Code::SecretInAnswer
                | Code::CredentialNotSurrogate
        )
    }
}

impl Refusal {
    /// A refusal that no rule made and no policy line lifts.
    pub fn new(code: Code, why: impl Into<String>) -> Self {
        Refusal { code, why: why.into(), logged: None, rule: None, lift: Vec::new() }
    }

    /// Whoever answers DNS over HTTPS asks any name for the sandbox, and names carry data.
    pub fn dns_over_https() -> Self {
        let why =
            "DNS over HTTPS would have this host look up any name; what the policy allows is resolved by Doorward";
        Refusal::new(Code::Unsupported, why)
    }

    /// The same, and in the owner's log the whole of it.
    #[must_use]
    pub fn logged_as(self, whole: impl Into<String>) -> Self {
        Refusal { logged: Some(whole.into()), ..self }
    }

    /// As the owner's log says it.
    pub fn for_log(&self) -> &str {
        self.logged.as_deref().unwrap_or(&self.why)
    }

    /// As who asked may hear it, and nothing besides.
    #[must_use]
    pub fn to_tell(self) -> Self {
        Refusal { logged: None, ..self }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.why)
    }
}
