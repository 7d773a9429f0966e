//! The reason for a refusal, as a sentence for people.

use policies::Code;

/// The sentence for a code in the log; an unknown code stands for itself.
pub(super) fn sentence(code: &str) -> &str {
    Code::ALL.iter().find(|known| known.as_str() == code).map_or(code, |known| of(*known))
}

fn of(code: Code) -> &'static str {
    match code {
        Code::NotAllowed => "no rule names the host",
        Code::PortDenied => "rules name the host, but not this port",
        Code::MethodDenied => "rules name the host, but not this method",
        Code::PathDenied => "rules name the host, but not this path",
        Code::OutsideHours => "the rule holds at other hours",
        Code::DeniedByRule => "a [[deny]] rule names it",
        Code::AskUnanswered => "the owner was asked and did not answer",
        Code::AskRefused => "the owner was asked and said no",
        Code::AskTooLarge => "the body is too long to be asked about",
        Code::IpLiteral => "an address instead of a name",
        Code::AuthorityMalformed => "the host cannot be read in one way",
        Code::AuthorityMismatch => "it named two different hosts",
        Code::PathAmbiguous => "the path cannot be read in one way",
        Code::Framing => "it was no well-formed HTTP",
        Code::Http2Abuse => "HTTP/2 was used to wear the door out",
        Code::TooLarge => "a header, the URL or a body was too large",
        Code::NotTls => "what came was not TLS",
        Code::UpgradeDenied => "no rule allows an upgrade",
        Code::SelfTarget => "it was addressed to the door itself",
        Code::Unsupported => "the door does not serve this",
        Code::ResolvedPrivate => "the name leads to a private address",
        Code::Unresolved => "the name does not resolve",
        Code::SurrogateUnbound => "a surrogate went to another host",
        Code::SurrogateLocation => "a surrogate stood in the wrong place",
        Code::SurrogateForeign => "a surrogate of another sandbox",
        Code::SurrogateRetired => "a surrogate that is not in use any more",
        Code::SurrogateScope => "a surrogate was used for something else",
        Code::CredentialAmbiguous => "two things could authenticate it",
        Code::CredentialNotSurrogate => "a key that is not the group's own",
        Code::SurrogateMissing => "the surrogate was not in its place",
        Code::NotHarmless => "a field that could authenticate it",
        Code::NotMinted => "a key that an answer had brought",
        Code::SecretInRequest => "a real secret was on its way out",
        Code::SecretInAnswer => "the answer held a real secret",
        Code::SecretUnavailable => "the secret cannot be read",
        Code::TlsVerify => "the host could not show who it is",
        Code::UpstreamFailed => "the host could not be reached",
        Code::UpstreamUnreadable => "the answer cannot be read in one way",
        Code::Timeout => "it took too long",
        Code::AuditUnavailable => "the log could not be written",
        Code::GroupLimit => "too much was asked at once",
        Code::LimitExceeded => "a limit of [limits] is used up",
        Code::UsedUp => "its models have used up what they may",
        Code::BodyCondition => "the body is not what the rule wants",
        Code::BodyUnreadable => "the body cannot be read in one way",
        Code::OperationRefused => "Doorward does not do what was asked",
        Code::Locked => "the owner has locked the group",
        Code::OwnerAway => "no word of the owner for a long time",
        Code::Revoked => "the policy was tightened or the door shut",
    }
}

/// The owner's remedy for a refusal that no line in a policy lifts.
pub(super) fn advice(code: &str, group: &str) -> String {
    match code {
        "limit_exceeded" => format!(
            "Nothing, if you expect it; [limits] in the group's policy say how much it may. `doorward audit digest --group \
             {group} --since 1d` shows where it went."
        ),
        "used_up" => format!(
            "Nothing, if you expect it; [limits] in the group's policy say how much models may use up. `doorward usage \
             {group}` shows how much they have."
        ),
        "unresolved" | "upstream_failed" | "timeout" | "upstream_unreadable" => {
            "Nothing here: the fault is with the host or on the way to it. Try again later.".to_owned()
        }
        "tls_verify" => "Nothing here: the host has to mend its TLS, or its certificate. One that you trust yourself goes into \
                         `extra_ca` of doorward.toml; a server of yours without TLS wants a rule with `scheme = \"http\"`."
            .to_owned(),
        "audit_unavailable" | "secret_unavailable" => "`doorward doctor` says what is wrong.".to_owned(),
        "locked" => "`doorward unlock` on this machine opens it again.".to_owned(),
        "owner_away" => "Write anything in the main group's chat, or `doorward unlock` on this machine.".to_owned(),
        "revoked" => "Nothing: what it was allowed by had ended.".to_owned(),
        _ => format!(
            "Nothing, if you expect it. `doorward policy explain {group} METHOD URL` says what the policy allows."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_sentence_that_fits_a_column() {
        for code in Code::ALL {
            let sentence = sentence(code.as_str());
            assert!(sentence.contains(' ') && sentence.len() <= 42, "{sentence}");
        }
        assert_eq!(sentence("of_tomorrow"), "of_tomorrow");
    }
}
