//! Where in a request a surrogate may stand, and finding it there.
//!
//! The swap itself is in `swap.rs`, what may not stand beside it in `authenticates.rs`.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use policies::{Code, Refusal};
use secrecy::SecretString;

use super::{Credential, authenticates};

/// A place in a request where a surrogate may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header: the value is the surrogate, or a scheme and the surrogate
    /// (`Bearer …`).
    Header(HeaderName),
    /// One half of the Basic credentials (RFC 7617) in `Authorization`: exactly
    /// the surrogate.
    Basic(BasicPart),
    /// The value of this parameter of the query: exactly the surrogate.
    Query(Arc<str>),
}

/// The halves of Basic credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BasicPart {
    /// Before the colon.
    Username,
    /// Behind it.
    Password,
}

/// A surrogate found in its place.
pub(super) struct Found<'a> {
    pub(super) credential: &'a Credential,
    pub(super) place: &'a Place,
    /// What stands with it in the same value and is sent as it is: `Bearer` and the
    /// like, or the other half of Basic credentials.
    pub(super) beside: Option<String>,
}

/// Padding says nothing, so clients may leave it out; what is sent is written anew.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Looks for the surrogate of a credential in the credential's places. Nothing in any
/// of them is no error: git asks without credentials first.
pub(super) fn find<'a>(
    credential: &'a Credential,
    headers: &HeaderMap,
    query: &str,
) -> Result<Option<Found<'a>>, Refusal> {
    match occupied(&credential.places, headers, query) {
        0 => Ok(None),
        1 => {
            let mut found = credential.places.iter().filter_map(|place| {
                let beside = place.holds(&credential.surrogate, headers, query)?;
                Some(Found { credential, place, beside })
            });
            found.next().map(Some).ok_or_else(authenticates::not_the_surrogate)
        }
        _ => {
            let why = "more than one thing in the request could authenticate it; send exactly one";
            Err(Refusal::new(Code::CredentialAmbiguous, why))
        }
    }
}

/// How many headers and parameters stand in these places, whatever is in them. A
/// parameter counts in every spelling that some server takes for it.
fn occupied(places: &[Place], headers: &HeaderMap, query: &str) -> usize {
    let mut names: Vec<HeaderName> = Vec::new();
    for name in places.iter().filter_map(Place::header) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let values: usize = names.iter().map(|name| headers.get_all(name).iter().count()).sum();
    let named = |parameter: &str, key: &str| {
        let name = parameter.split(['=', '[']).next().unwrap_or_default();
        name.eq_ignore_ascii_case(key)
    };
    let keys: Vec<&str> = places.iter().filter_map(Place::parameter).collect();
    let parameters = query.split(['&', ';']).filter(|one| keys.iter().any(|key| named(one, key))).count();
    values + parameters
}

impl Place {
    /// The header in which it is.
    pub(super) fn header(&self) -> Option<HeaderName> {
        match self {
            Place::Header(name) => Some(name.clone()),
            Place::Basic(_) => Some(AUTHORIZATION),
            Place::Query(_) => None,
        }
    }

    /// The parameter of the query that it is.
    fn parameter(&self) -> Option<&str> {
        match self {
            Place::Query(key) => Some(key),
            Place::Header(_) | Place::Basic(_) => None,
        }
    }

    /// Whether the surrogate stands here, and what beside it.
    fn holds(&self, surrogate: &str, headers: &HeaderMap, query: &str) -> Option<Option<String>> {
        match self {
            Place::Header(name) => bare_or_behind_a_scheme(headers.get(name)?, surrogate),
            Place::Basic(part) => basic(headers.get(AUTHORIZATION)?, *part, surrogate).map(Some),
            Place::Query(key) => query.split('&').any(|one| is_parameter(one, key, surrogate)).then_some(None),
        }
    }
}

impl Found<'_> {
    /// The query without the parameter that holds the surrogate.
    pub(super) fn rest_of_query(&self, query: &str) -> String {
        match self.place {
            Place::Query(key) => {
                let others = query.split('&').filter(|one| !is_parameter(one, key, &self.credential.surrogate));
                others.collect::<Vec<_>>().join("&")
            }
            Place::Header(_) | Place::Basic(_) => query.to_owned(),
        }
    }
}

/// Basic credentials as they are sent: base64 with padding (RFC 7617 §2).
pub(super) fn basic_value(username: &str, password: &str) -> SecretString {
    let pair = secrecy::zeroize::Zeroizing::new(format!("{username}:{password}"));
    let text = secrecy::zeroize::Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    SecretString::from(format!("Basic {}", *text))
}

/// `key=value`, both as they are written: a surrogate needs no escapes.
pub(super) fn is_parameter(parameter: &str, key: &str, value: &str) -> bool {
    parameter.split_once('=') == Some((key, value))
}

/// `surrogate` or `Scheme surrogate`, and nothing else (attacks K01, H08).
fn bare_or_behind_a_scheme(value: &HeaderValue, surrogate: &str) -> Option<Option<String>> {
    let text = value.to_str().unwrap_or_default().trim();
    if text == surrogate {
        return Some(None);
    }
    let (scheme, rest) = text.split_once(' ')?;
    (rest.trim_start() == surrogate && scheme.bytes().all(|b| b.is_ascii_alphabetic())).then(|| Some(scheme.to_owned()))
}

/// The other half, where one half is exactly the surrogate. A host may take a token
/// for a user name as well as for a password, so what looks like a key of its own
/// is not sent along (attack K03).
fn basic(value: &HeaderValue, part: BasicPart, surrogate: &str) -> Option<String> {
    let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(FORGIVING.decode(encoded.trim_start()).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    let (own, other) = match part {
        BasicPart::Username => (username, password),
        BasicPart::Password => (password, username),
    };
    let fits = own == surrogate && !other.chars().any(char::is_control) && !looks_like_a_key(other);
    fits.then(|| other.to_owned())
}

/// The least characters in a row, digits or both cases among them, that are taken for a key.
const SHORTEST_KEY: usize = 20;

fn looks_like_a_key(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '+' | '/' | '='));
    let mixed = |word: &str| {
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
    };
    words.into_iter().any(|word| word.len() >= SHORTEST_KEY && mixed(word))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header(name) => write!(f, "header:{name}"),
            Place::Basic(BasicPart::Username) => f.write_str("basic:username"),
            Place::Basic(BasicPart::Password) => f.write_str("basic:password"),
            Place::Query(key) => write!(f, "query:{key}"),
        }
    }
}
