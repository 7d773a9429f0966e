//! The swap: the real secret replaces the surrogate where it was found. This module says which and
//! where; the gate writes it.

use gate::{Slot, Swap};
use http::header::AUTHORIZATION;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use policies::{Code, Facts, Refusal};
use secrecy::{ExposeSecret, SecretString};

use super::place::{self, BasicPart, Found, Place};
use super::{Credential, PutOn};
use crate::ports::Secrets;
use scan::Replacement;

/// What the gate leaves unescaped in a query (RFC 3986 §2.3).
pub(super) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which secret goes where, in the head of a request.
pub(super) fn put_on(found: Found<'_>, facts: &Facts, secrets: &dyn Secrets) -> Result<(Swap, PutOn), Refusal> {
    let Found { credential, place, beside } = found;
    let secret = reveal(credential, secrets)?;
    let text = secret.expose_secret();
    let (slot, written) = match place {
        Place::Header(name) => {
            let value = beside.map_or_else(|| secret.clone(), |scheme| SecretString::from(format!("{scheme} {text}")));
            (Slot::Header(name.clone()), value)
        }
        Place::Basic(part) => {
            let other = beside.unwrap_or_default();
            let value = match part {
                BasicPart::Password => place::basic_value(&other, text),
                BasicPart::Username if text.contains(':') => return Err(unfit(credential, "a user name")),
                BasicPart::Username => place::basic_value(text, &other),
            };
            (Slot::Header(AUTHORIZATION), value)
        }
        Place::Query(key) => {
            let query = facts.query.as_ref().map(|query| query.as_str()).unwrap_or_default();
            let at = place::value_of(query, key, &credential.surrogate).ok_or_else(gone)?;
            (Slot::Query(at), secret.clone())
        }
        Place::Path(segment) => (Slot::Path(segment.at(facts.path.as_str()).ok_or_else(gone)?), secret.clone()),
        // Not in the head: `in_body.rs`.
        Place::Json(_) => return Err(gone()),
    };
    tracing::debug!(credential = %credential.name, host = %facts.authority, "Secret put on");
    let swap = Swap { credential: credential.name.clone(), place: place.to_string(), slot, secret: written };
    Ok((swap, putting_on(credential, place, secret)))
}

/// The real secret, at the moment it is put on.
pub(super) fn reveal(credential: &Credential, secrets: &dyn Secrets) -> Result<SecretString, Refusal> {
    if let Some(minted) = &credential.minted {
        minted.is_used();
        return Ok(minted.key.clone());
    }
    secrets.reveal(&credential.name).map_err(|error| error.refusal(&credential.name))
}

/// What was put on where, and what replaces it in the answer.
pub(super) fn putting_on(credential: &Credential, place: &Place, secret: SecretString) -> PutOn {
    let surrogate = SecretString::from(credential.surrogate.to_string());
    PutOn {
        credential: credential.name.clone(),
        place: place.clone(),
        replacement: Replacement { secret, surrogate },
        minted: credential.minted.is_some(),
    }
}

fn unavailable(why: String) -> Refusal {
    Refusal::new(Code::SecretUnavailable, why)
}

fn unfit(credential: &Credential, place: &str) -> Refusal {
    unavailable(format!("the secret of credential {} holds characters that {place} may not hold", credential.name))
}

/// It was found there a moment ago.
fn gone() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}
