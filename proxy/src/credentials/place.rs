//! The places in a request where a surrogate may be, and finding it there.
//!
//! The swap itself is in `swap.rs`, the check of everything beside it in `authenticates.rs`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use gate::Carrier;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use policies::{Code, Refusal, letters_of, normal_name};
use secrecy::SecretString;

use super::authenticates::{self, Foreign, What};
use super::handed_out::Brought;
use super::{Credential, Field, Head, Segment, names};

/// A place in a request where a surrogate may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A header: the value is the surrogate, or a scheme and the surrogate
    /// (`Bearer …`).
    Header(HeaderName),
    /// One half of the Basic credentials (RFC 7617) in `Authorization`: exactly
    /// the surrogate.
    Basic(BasicPart),
    /// The value of this parameter of the query: exactly the surrogate.
    Query(Arc<str>),
    /// A segment of the path: exactly the surrogate.
    Path(Segment),
    /// A field of a JSON body: exactly the surrogate.
    Json(Field),
}

/// The halves of Basic credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BasicPart {
    /// Before the colon.
    Username,
    /// After it.
    Password,
}

/// A surrogate found in its place.
pub(super) struct Found<'a> {
    pub(super) credential: &'a Credential,
    pub(super) place: &'a Place,
    /// The text beside it in the same value, which is sent as it is: `Bearer` and the like, or the
    /// other half of Basic credentials.
    pub(super) beside: Option<String>,
}

impl Found<'_> {
    /// The header that it is in, with the text beside it.
    pub(super) fn carrier(&self) -> Option<Carrier> {
        let header = self.place.header()?;
        Some(Carrier { header, beside: self.beside.clone().unwrap_or_default() })
    }

    /// What is sent with it as the other half of Basic credentials.
    pub(super) fn other_half(&self) -> Option<(BasicPart, &str)> {
        let other = match self.place {
            Place::Basic(BasicPart::Username) => BasicPart::Password,
            Place::Basic(BasicPart::Password) => BasicPart::Username,
            _ => return None,
        };
        Some((other, self.beside.as_deref()?))
    }
}

/// Padding has no meaning, so clients may leave it out; the value sent is encoded anew.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Looks for the surrogate of one of these credentials. An empty place is no error: git asks
/// without credentials first.
pub(super) fn find<'a>(
    credentials: impl Iterator<Item = &'a Credential>,
    guarded: &[Place],
    head: Head<'_>,
    brought: Brought<'_>,
) -> Result<Option<Found<'a>>, Refusal> {
    match occupied(guarded, head) {
        0 => Ok(None),
        1 => {
            let places =
                credentials.flat_map(|credential| credential.places.iter().map(move |place| (credential, place)));
            let mut found = places.filter_map(|(credential, place)| {
                let beside = place.holds(&credential.surrogate, head)?;
                Some(Found { credential, place, beside })
            });
            found.next().map(Some).ok_or_else(|| {
                occupant(guarded, head).map_or_else(authenticates::not_the_surrogate, |it| it.in_place(brought))
            })
        }
        _ => {
            let why = "more than one thing in the request could authenticate it; send exactly one";
            Err(Refusal::new(Code::CredentialAmbiguous, why))
        }
    }
}

/// The value in one of these places.
fn occupant<'h>(places: &[Place], head: Head<'h>) -> Option<Foreign<'h>> {
    let header = |name: HeaderName| {
        let (name, value) = head.headers.iter().find(|(other, _)| **other == name)?;
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some(Foreign::new(What::Header(name.as_str()), value))
    };
    let parameter = |key: &str| {
        let one = parameters(head).find(|one| is_plainly_named(one, key))?;
        Some(Foreign::parameter(What::Parameter(one.split('=').next().unwrap_or_default()), one))
    };
    let segment = |segment: &Segment| Some(Foreign::new(What::Segment, segment.value(head.path())?.to_owned()));
    places.iter().find_map(|place| match place {
        Place::Header(_) | Place::Basic(_) => place.header().and_then(header),
        Place::Query(key) => parameter(key),
        Place::Path(one) => segment(one),
        Place::Json(_) => None,
    })
}

/// How many headers, parameters and segments are in these places, whatever they contain. A
/// parameter counts in any case, and as a list.
fn occupied(places: &[Place], head: Head<'_>) -> usize {
    let names: BTreeSet<String> =
        places.iter().filter_map(Place::header).map(|name| name.as_str().to_owned()).collect();
    let values: usize = names.iter().map(|name| head.headers.get_all(name.as_str()).iter().count()).sum();
    let keys: Vec<&str> = places.iter().filter_map(Place::parameter).collect();
    let parameters = parameters(head).filter(|one| keys.iter().any(|key| is_plainly_named(one, key))).count();
    let segments: BTreeSet<_> =
        places.iter().filter_map(|place| Some(place.segment()?.value(head.path())?.as_ptr())).collect();
    values + parameters + segments.len()
}

/// Whether one of these places is filled for a server that reads names more loosely than they are
/// written: `api.key` for `api_key` in PHP, `x_own` for `x-own` behind CGI. No honest client spells
/// a place like that, with the surrogate or without.
pub(super) fn disguised<'h>(places: &[Place], head: Head<'h>) -> Option<Foreign<'h>> {
    let keys: Vec<&str> = places.iter().filter_map(Place::parameter).collect();
    let poses = |one: &str| keys.iter().any(|key| names::is_named(one, key) && !is_plainly_named(one, key));
    let letters = |name: &HeaderName| letters_of(&normal_name(name.as_str()));
    let headers: Vec<_> = places.iter().filter_map(Place::header).map(|name| (letters(&name), name)).collect();
    let own = |name: &HeaderName| headers.iter().any(|(_, place)| place == name);
    let poses_as_header = |name: &HeaderName| headers.iter().any(|(place, _)| *place == letters(name));
    let parameter = parameters(head).find(|one| poses(one));
    let parameter = parameter.map(|one| Foreign::parameter(What::Parameter(one.split('=').next().unwrap_or(one)), one));
    parameter.or_else(|| {
        let (name, value) = head.headers.iter().find(|(name, _)| !own(name) && poses_as_header(name))?;
        Some(Foreign::new(What::Header(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    })
}

fn parameters(head: Head<'_>) -> impl Iterator<Item = &str> {
    head.query().split(['&', ';'])
}

fn is_plainly_named(parameter: &str, key: &str) -> bool {
    parameter.split(['=', '[']).next().unwrap_or_default().eq_ignore_ascii_case(key)
}

impl Place {
    /// The header, if it is one.
    pub(super) fn header(&self) -> Option<HeaderName> {
        match self {
            Place::Header(name) => Some(name.clone()),
            Place::Basic(_) => Some(AUTHORIZATION),
            Place::Query(_) | Place::Path(_) | Place::Json(_) => None,
        }
    }

    /// The query parameter, if it is one.
    pub(super) fn parameter(&self) -> Option<&str> {
        match self {
            Place::Query(key) => Some(key),
            Place::Header(_) | Place::Basic(_) | Place::Path(_) | Place::Json(_) => None,
        }
    }

    /// The path segment, if it is one.
    pub(super) fn segment(&self) -> Option<&Segment> {
        match self {
            Place::Path(segment) => Some(segment),
            Place::Header(_) | Place::Basic(_) | Place::Query(_) | Place::Json(_) => None,
        }
    }

    /// The body field, if it is one.
    pub(super) fn field(&self) -> Option<&Field> {
        match self {
            Place::Json(field) => Some(field),
            Place::Header(_) | Place::Basic(_) | Place::Query(_) | Place::Path(_) => None,
        }
    }

    /// Whether the surrogate is here, and the text beside it.
    fn holds(&self, surrogate: &str, head: Head<'_>) -> Option<Option<String>> {
        match self {
            Place::Header(name) => bare_or_behind_a_scheme(head.headers.get(name)?, surrogate),
            Place::Basic(part) => basic(head.headers.get(AUTHORIZATION)?, *part, surrogate).map(Some),
            Place::Query(key) => head.query().split('&').any(|one| is_parameter(one, key, surrogate)).then_some(None),
            Place::Path(segment) => segment.holds(surrogate, head.path()).then_some(None),
            // Not in the head.
            Place::Json(_) => None,
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

/// The range of this parameter's value in a query.
pub(super) fn value_of(query: &str, key: &str, value: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for parameter in query.split('&') {
        let end = start + parameter.len();
        if is_parameter(parameter, key, value) {
            return Some(end - value.len()..end);
        }
        start = end + 1;
    }
    None
}

/// Schemes whose value a host decodes or uses in a challenge (RFC 7617, RFC 7616, RFC 4559): what
/// it repeats is not what was sent.
const UNDONE: [&str; 5] = ["basic", "digest", "negotiate", "ntlm", "hoba"];

/// `surrogate` or `Scheme surrogate`, and nothing else (attacks K01, H08).
fn bare_or_behind_a_scheme(value: &HeaderValue, surrogate: &str) -> Option<Option<String>> {
    let text = value.to_str().unwrap_or_default().trim();
    if text == surrogate {
        return Some(None);
    }
    let (scheme, rest) = text.split_once(' ')?;
    let is_sent_as_it_is = scheme.bytes().all(|b| b.is_ascii_alphabetic())
        && !UNDONE.iter().any(|undone| scheme.eq_ignore_ascii_case(undone));
    (rest.trim_start() == surrogate && is_sent_as_it_is).then(|| Some(scheme.to_owned()))
}

/// The other half, if one half is exactly the surrogate.
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
    (own == surrogate && !other.chars().any(char::is_control)).then(|| other.to_owned())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header(name) => write!(f, "header:{name}"),
            Place::Basic(BasicPart::Username) => f.write_str("basic:username"),
            Place::Basic(BasicPart::Password) => f.write_str("basic:password"),
            Place::Query(key) => write!(f, "query:{key}"),
            Place::Path(segment) => write!(f, "path:{segment}"),
            Place::Json(field) => write!(f, "json:{field}"),
        }
    }
}
