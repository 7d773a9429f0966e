//! Names that say that they authenticate: of headers, of parameters in a query or a path,
//! of fields in a form. All are compared in the normal form of `policies::normal_name`, so
//! `api.key`, `api key`, `apiKey` and `api[key` are one name.
//!
//! Words decide, not letters: `sort_key`, `keyword`, `author` and `monkey` say nothing.

use policies::{letters_of, normal_name, parameter_names, undo_escapes};

use super::harmless;

/// A name with a word that holds one of these authenticates, or may.
const TELLING: [&str; 9] = ["auth", "bearer", "token", "secret", "passw", "signature", "credential", "session", "hmac"];

/// The same where words are written in one or apart.
const COMPOUND: [&str; 7] =
    ["apikey", "accesskey", "accessid", "subscriptionkey", "keypairid", "password", "passphrase"];

/// In headers also these. `x-amz-security-…` is of AWS.
const IN_HEADERS: [&str; 4] = ["cookie", "jwt", "dpop", "xamzsecurity"];

/// Google's front end takes headers out of this parameter: `$httpHeaders=Authorization:…`.
const OF_HEADERS: &str = "httpheaders";

/// Names of parameters that authenticate as a whole only: parts of them are in many words.
const WHOLE: [&str; 8] = ["key", "sig", "jwt", "pass", "pwd", "pat", "sas", "passwd"];

/// Names that authenticate here and there, where the value is a key.
const WITH_A_KEY: [&str; 4] = ["code", "appid", "app_id", "ticket"];

/// Fields of forms that authenticate in place of a header: RFC 6750 §2.2, and what services
/// take that have forms for everything.
const IN_FORMS: [&str; 6] = ["accesstoken", "apikey", "authtoken", "authorization", "oauthtoken", "token"];

/// How keys of many vendors begin: whatever the parameter is called, this is one.
const VENDORS: [&str; 24] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "AIza",
    "ya29.",
    "AKIA",
    "ASIA",
    "eyJ",
    "hf_",
    "gsk_",
    "npm_",
    "pypi-",
    "SG.",
    "shpat_",
];

/// The least characters in a row, digits or both cases among them, that are taken for a key.
pub(super) const SHORTEST_KEY: usize = 20;

/// Whether a header of this name authenticates, or may.
pub(super) fn header_authenticates(name: &str) -> bool {
    !harmless::is_known(name) && header_tells(&normal_name(name))
}

/// The same of any text where headers' names may stand.
pub(super) fn header_tells(normal: &str) -> bool {
    let letters = letters_of(normal);
    tells(normal) || IN_HEADERS.iter().any(|part| letters.contains(part)) || is_key(normal, None)
}

/// Whether a parameter, `name=value` as it stands, authenticates, or may.
pub(super) fn parameter_authenticates(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = undo_escapes(value);
    let names = parameter_names(name);
    names.iter().any(|name| name_authenticates(name, &value)) || value.split(is_between_words).any(is_of_a_vendor)
}

/// Whether a parameter of the query is the one of this name, to some server.
pub(super) fn is_named(parameter: &str, key: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let key = letters_of(&normal_name(key));
    parameter_names(name).iter().any(|name| letters_of(name) == key)
}

/// Whether a field of a form authenticates, by its normal form: instead of a header, or as
/// a parameter of the query does, which most frameworks put into one list with forms.
pub(super) fn field_authenticates(normal: &str, parameters: &[String]) -> bool {
    let letters = letters_of(normal);
    IN_FORMS.contains(&&*letters) || parameters.contains(&letters)
}

/// Whether a text holds a row of characters that could be a key.
pub(super) fn holds_a_key(text: &str, shortest: usize) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '+' | '/' | '='));
    words.into_iter().any(|word| word.len() >= shortest && is_mixed(word))
}

fn is_mixed(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
}

fn is_of_a_vendor(word: &str) -> bool {
    VENDORS.iter().any(|vendor| word.starts_with(vendor)) && holds_a_key(word, SHORTEST_KEY)
}

fn is_between_words(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ':' | '"' | '\'')
}

fn name_authenticates(name: &str, value: &str) -> bool {
    let letters = letters_of(name);
    WHOLE.contains(&&*letters)
        || letters.ends_with(OF_HEADERS)
        || tells(name)
        || is_key(name, Some(value))
        || (WITH_A_KEY.contains(&name) && holds_a_key(value, SHORTEST_KEY))
}

/// Whether a word of the name says so.
fn tells(normal: &str) -> bool {
    let letters = letters_of(normal);
    if harmless::NAMES_OF_OTHERS.contains(&&*letters) {
        return false;
    }
    let mut words = normal.split('_').filter(|word| !harmless::WORDS.contains(word));
    COMPOUND.iter().any(|part| letters.contains(part))
        || words.any(|word| TELLING.iter().any(|part| word.contains(part)))
}

/// `write_key`, `consumerkey`: a key of something, unless it is known for another kind.
/// What names things as well as keys is one by its value.
fn is_key(normal: &str, value: Option<&str>) -> bool {
    let Some((before, last)) = last_word(normal) else { return false };
    let Some(joined) = last.strip_suffix("key") else { return false };
    if harmless::WORDS.contains(&last) {
        return false;
    }
    let of = if joined.is_empty() { before } else { joined };
    if harmless::KEYS_IN_ORDER.contains(&of) {
        return false;
    }
    let names_a_thing = harmless::KEYS_OF_THINGS.contains(&of);
    let is_long = |value: &str| {
        let mut rows = value.split(|c: char| !c.is_ascii_alphanumeric());
        rows.any(|row| row.len() >= SHORTEST_KEY && is_mixed(row))
    };
    !names_a_thing || value.is_none_or(is_long)
}

/// The last word of a normal form, and the one before it.
fn last_word(normal: &str) -> Option<(&str, &str)> {
    let mut words = normal.rsplit('_').filter(|word| !word.is_empty());
    let last = words.next()?;
    Some((words.next().unwrap_or_default(), last))
}

#[cfg(test)]
mod tests;
