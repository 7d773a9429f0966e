//! The forms in which a request carries a secret, other than the secret itself: in base64 in Basic
//! credentials, escaped in a query, quoted in JSON.
//!
//! A host that repeats a request in base64 or hex encodes the encoded form again, and two such
//! layers are not undone. So the form that was sent is searched for as a value of its own.

use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretString};

use super::place::Place;
use super::swap::ESCAPED;
use scan::Replacement;

/// The secret, and its forms in these places.
pub(super) fn with_forms<'p>(one: Replacement, places: impl Iterator<Item = &'p Place>) -> Vec<Replacement> {
    let mut all = Vec::new();
    for place in places {
        let written = match place {
            Place::Basic(_) => one.in_base64().into(),
            Place::Query(_) => both(&one, |text| utf8_percent_encode(text, ESCAPED).to_string()),
            Place::Json(_) => both(&one, quoted),
            Place::Header(_) | Place::Path(_) => Vec::new(),
        };
        written.into_iter().for_each(|form| form.add_to(&mut all));
    }
    one.add_to(&mut all);
    all
}

/// Nothing if the form is the secret itself.
fn both(one: &Replacement, write: impl Fn(&str) -> String) -> Vec<Replacement> {
    let [secret, surrogate] = [&one.secret, &one.surrogate].map(|text| SecretString::from(write(text.expose_secret())));
    let same = secret.expose_secret() == one.secret.expose_secret();
    if same { Vec::new() } else { vec![Replacement { secret, surrogate }] }
}

/// As JSON writes it, without the quotation marks.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;
    use crate::credentials::BasicPart;
    use scan::Scrubber;

    const SECRET: &str = "k+7/Xq9\"dA==zW3mTn5vR8";
    const SURROGATE: &str = "s0s1s2s3s4s5s6s7s8s9s0";

    fn scrubber(place: &Place) -> Scrubber {
        let one = Replacement { secret: SECRET.to_owned().into(), surrogate: SURROGATE.to_owned().into() };
        Scrubber::new(&with_forms(one, [place].into_iter()))
    }

    fn encoded(text: &str) -> Vec<String> {
        let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
        let whole = STANDARD.encode(text);
        let lines = whole.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
        let lines = lines.collect::<Vec<_>>().join("\r\n");
        let escaped = STANDARD.encode(text).replace('=', "%3D");
        vec![STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text), lines, hex.to_uppercase(), hex, escaped]
    }

    /// The host encodes a form that is already encoded.
    #[test]
    fn what_was_sent_is_found_under_one_more_encoding() {
        let basic = Place::Basic(BasicPart::Password);
        let query = Place::Query("api_key".into());
        let json = Place::Json(crate::credentials::Field::parse("api_key").unwrap());
        for at in 0..6 {
            let around = "u".repeat(at);
            let pair = STANDARD.encode(format!("{around}:{SECRET}"));
            let sent = [
                (&basic, format!("{around}Authorization: Basic {pair}\nHost: x")),
                (&query, format!("{around}/x?api_key={}&a=1", utf8_percent_encode(SECRET, ESCAPED))),
                (&json, format!("{around}{{\"api_key\":{}}}", serde_json::Value::from(SECRET))),
            ];
            for (place, text) in sent {
                for echo in encoded(&text).into_iter().chain([text.clone()]) {
                    let clean = scrubber(place).scrub_once(echo.as_bytes());
                    assert!(clean.is_some(), "{place} at {at}: {echo}");
                }
            }
        }
    }

    /// The base64 of another pair, or of a part of the secret, is left alone.
    #[test]
    fn what_only_resembles_what_was_sent_stays() {
        let mut scrubber = scrubber(&Place::Basic(BasicPart::Password));
        for other in [&SECRET[1..], &SECRET[..SECRET.len() - 2], "k+7/Xq9-dA==zW3mTn5vR8", "nothing at all"] {
            let pair = STANDARD.encode(format!("git:{other}!"));
            for echo in encoded(&format!("Authorization: Basic {pair}")) {
                assert_eq!(scrubber.scrub_once(echo.as_bytes()), None, "{other}: {echo}");
            }
        }
    }
}
