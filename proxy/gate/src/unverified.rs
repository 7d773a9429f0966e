//! Why TLS with a host failed, in words.

use std::fmt::Display;
use std::io;

use policies::{Authority, Code, Refusal};
use rustls::AlertDescription;

/// The reason of a handshake that failed; nothing if the host speaks none of the offered protocols.
pub(crate) fn why_failed(authority: &Authority, error: &io::Error) -> Option<Refusal> {
    Some(match error.get_ref().and_then(|error| error.downcast_ref()) {
        // RFC 7301 §3.2.
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => return None,
        Some(rustls::Error::InvalidMessage(_)) => failed(authority, "what it says is no TLS"),
        // The names in it are the host's own words and could hold a secret: only the kind of flaw is passed on.
        Some(rustls::Error::InvalidCertificate(flaw)) => {
            let kind: String = format!("{flaw:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
            failed(authority, format!("its certificate is not valid: {}", kind.trim_end_matches("Context")))
        }
        _ => failed(authority, error),
    })
}

/// The refusal of a host with which TLS failed.
pub(crate) fn failed(authority: &Authority, why: impl Display) -> Refusal {
    Refusal::new(Code::TlsVerify, format!("TLS with {authority} failed: {why}"))
}
