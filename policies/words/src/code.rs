//! Refusal codes, each with its one text form.

use std::fmt;

/// Makes the enum, its texts and its list from one table.
macro_rules! codes {
    ($(#[$about:meta])* pub enum Code { $($(#[$doc:meta])* $name:ident => $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The stable text form.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// Every reason to refuse something at the door. The text form (snake case) is what agents, the
    /// audit log and scripts see; it is stable.
    pub enum Code {
        /// No rule names the host.
        NotAllowed => "not_allowed",
        /// A rule names the host, but not this port or scheme.
        PortDenied => "port_denied",
        /// Rules name the host and path, but not this method.
        MethodDenied => "method_denied",
        /// Rules name the host, but not this path.
        PathDenied => "path_denied",
        /// A rule covers the request, but not at this time.
        OutsideHours => "outside_hours",
        /// A deny rule decided.
        DeniedByRule => "denied_by_rule",
        /// The owner is asked about this first, and nobody said yes.
        AskUnanswered => "ask_unanswered",
        /// The owner was asked and said no.
        AskRefused => "ask_refused",
        /// The owner is asked about this first, and the body is too long for that.
        AskTooLarge => "ask_too_large",
        /// The host is an address, and no rule names that address.
        IpLiteral => "ip_literal",
        /// The target or Host header cannot be read in exactly one way.
        AuthorityMalformed => "authority_malformed",
        /// CONNECT target, SNI, Host and request target do not agree.
        AuthorityMismatch => "authority_mismatch",
        /// The path or query has more than one reading, and no rule spells out the path.
        PathAmbiguous => "path_ambiguous",
        /// The bytes are not a well-formed HTTP request.
        Framing => "framing",
        /// HTTP/2 used to exhaust the door: endless resets, empty frames or headers.
        Http2Abuse => "h2_abuse",
        /// A header, the URL or a body is over its limit.
        TooLarge => "too_large",
        /// What followed CONNECT is not a TLS ClientHello.
        NotTls => "not_tls",
        /// Upgrades (h2c, WebSocket) are refused unless a rule says otherwise.
        UpgradeDenied => "upgrade_denied",
        /// The door's own address as the target.
        SelfTarget => "self_target",
        /// Not served by the door: nested CONNECT and the like.
        Unsupported => "unsupported",
        /// The host resolves to an address that is not on the public internet.
        ResolvedPrivate => "resolved_private",
        /// The name does not resolve.
        Unresolved => "unresolved",
        /// A surrogate sent to a host it does not belong to.
        SurrogateUnbound => "surrogate_unbound",
        /// A surrogate sent to its host, but in the wrong place.
        SurrogateLocation => "surrogate_location",
        /// A surrogate of another sandbox.
        SurrogateForeign => "surrogate_foreign",
        /// A surrogate that this group once held; its sandbox is gone.
        SurrogateRetired => "surrogate_retired",
        /// A surrogate outside its credential's `only`, or not over TLS.
        SurrogateScope => "surrogate_scope",
        /// More than one value that could authenticate the request.
        CredentialAmbiguous => "credential_ambiguous",
        /// A host with a credential takes this sandbox's surrogate and nothing else.
        CredentialNotSurrogate => "credential_not_surrogate",
        /// The surrogate's place holds something that is neither the surrogate nor anybody's key.
        SurrogateMissing => "surrogate_missing",
        /// A header or parameter that a host with a credential gets only if the owner says that it
        /// authenticates nobody.
        NotHarmless => "not_harmless",
        /// A key that the host issued earlier and that was not kept at the door (`mints`).
        NotMinted => "not_minted",
        /// A real secret in an outgoing request.
        SecretInRequest => "secret_in_request",
        /// A host's answer held a secret that could not be taken off.
        SecretInAnswer => "secret_in_answer",
        /// The secret behind a surrogate cannot be read now.
        SecretUnavailable => "secret_unavailable",
        /// The upstream's TLS is not good enough, or its certificate is not valid for the host.
        TlsVerify => "tls_verify",
        /// The upstream cannot be reached, or broke the connection.
        UpstreamFailed => "upstream_failed",
        /// The upstream's answer has more than one reading, or cannot be scrubbed.
        UpstreamUnreadable => "upstream_unreadable",
        /// Something took too long.
        Timeout => "timeout",
        /// The audit log cannot be written, so nothing may leave.
        AuditUnavailable => "audit_unavailable",
        /// The sandbox asks for more at once than it may.
        GroupLimit => "group_limit",
        /// The group has used up what `[limits]` gives it.
        LimitExceeded => "limit_exceeded",
        /// The group's models have used up what `[limits]` gives them, or would with this request.
        UsedUp => "used_up",
        /// A field of the JSON body is not what the rule wants.
        BodyCondition => "body_condition",
        /// A rule or the leak check must look into the body, and it has more than one reading.
        BodyUnreadable => "body_unreadable",
        /// Doorward refuses an agent's operation: not allowed, not now, or not in this way.
        OperationRefused => "operation_refused",
        /// The owner has locked the group, or everything.
        Locked => "locked",
        /// The owner has not been heard from for so long that only models may be asked.
        OwnerAway => "owner_away",
        /// The policy was tightened, its rule's hours ended, or the sandbox stopped while the request was in
        /// flight.
        Revoked => "revoked",
    }
}

impl Code {
    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether the owner is told at once: something tried to carry a credential where it does not
    /// belong, or brought part of one into a sandbox.
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

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Code::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no refusal code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_text() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
        assert_eq!(Code::parse("h2_abuse"), Some(Code::Http2Abuse));
        assert_eq!(Code::parse("nothing"), None);
    }
}
