//! A target with a secret in it, as a text. `swap.rs` compares it with what was judged.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policies::{Facts, Refusal};
use secrecy::{ExposeSecret, SecretString};

use super::{Slot, Swap, unfit, unwritable};

/// Everything but the unreserved characters (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Path and query, with the secret where it goes there.
pub(super) fn target(facts: &Facts, swap: &Swap) -> Result<String, Refusal> {
    let (path, query) = (facts.path.as_str(), facts.query.as_ref().map(|query| query.as_str()));
    match &swap.slot {
        Slot::Path(at) => {
            let path = replaced(path, at, segment(&swap.secret, &swap.credential)?)?;
            Ok(query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
        }
        Slot::Query(at) => {
            let secret = utf8_percent_encode(swap.secret.expose_secret(), ESCAPED).to_string();
            Ok(format!("{path}?{}", replaced(query.unwrap_or_default(), at, &secret)?))
        }
        Slot::Header(_) | Slot::Body(_) => Ok(facts.path_and_query()),
    }
}

/// Refuses a secret that would be read as more than one segment, or as another one.
fn segment<'s>(secret: &'s SecretString, credential: &str) -> Result<&'s str, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    let secret = secret.expose_secret();
    if !secret.bytes().all(plain) || matches!(secret, "." | "..") {
        return Err(unfit(credential, "a segment of a path"));
    }
    Ok(secret)
}

fn replaced(text: &str, at: &Range<usize>, by: &str) -> Result<String, Refusal> {
    match (text.get(..at.start), text.get(at.end..)) {
        (Some(before), Some(behind)) => Ok(format!("{before}{by}{behind}")),
        _ => Err(unwritable()),
    }
}
