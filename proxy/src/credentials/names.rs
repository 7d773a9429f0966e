//! Names that say that they authenticate: headers, parameters in a query or a path, form fields.
//! All are compared in the normal form of `policies::normal_name`, so `api.key`, `api key`,
//! `apiKey` and `api[key` are one name.
//!
//! Words decide, not letters: `sort_key`, `keyword`, `author` and `monkey` say nothing.

use policies::{letters_of, normal_name, parameter_names, undo_escapes};

use super::harmless;
use super::values::{self, SHORTEST, could_be_a_key, holds_a_key};

/// A name with a word that contains one of these authenticates, or may.
const TELLING: [&str; 9] = ["auth", "bearer", "token", "secret", "passw", "signature", "credential", "session", "hmac"];

/// The same for compounds, written as one word or several.
const COMPOUND: [&str; 7] =
    ["apikey", "accesskey", "accessid", "subscriptionkey", "keypairid", "password", "passphrase"];

/// In headers these too. `x-amz-security-…` is from AWS.
const IN_HEADERS: [&str; 4] = ["cookie", "jwt", "dpop", "xamzsecurity"];

/// Google's front end takes headers out of this parameter: `$httpHeaders=Authorization:…`.
const OF_HEADERS: &str = "httpheaders";

/// Parameter names that authenticate only as a whole: as parts they occur in many words.
const WHOLE: [&str; 8] = ["key", "sig", "jwt", "pass", "pwd", "pat", "sas", "passwd"];

/// Names that sometimes authenticate, if the value is a key.
const WITH_A_KEY: [&str; 6] = ["code", "appid", "app_id", "ticket", "phpsessid", "sessid"];

/// Form fields that authenticate in place of a header: RFC 6750 §2.2, and those of services that
/// offer a form for everything.
const IN_FORMS: [&str; 6] = ["accesstoken", "apikey", "authtoken", "authorization", "oauthtoken", "token"];

/// Whether a header of this name authenticates, or may.
pub(super) fn header_authenticates(name: &str) -> bool {
    !harmless::is_known(name) && header_tells(&normal_name(name))
}

/// The same for any text that may contain header names.
pub(super) fn header_tells(normal: &str) -> bool {
    let letters = letters_of(normal);
    if harmless::is_of_paging_in_a_header(&letters) {
        return false;
    }
    tells(normal) || IN_HEADERS.iter().any(|part| letters.contains(part)) || is_key(normal, None)
}

/// Whether a parameter, written as `name=value`, authenticates, or may.
pub(super) fn parameter_authenticates(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = undo_escapes(value);
    let names = parameter_names(name);
    names.iter().any(|name| name_authenticates(name, &value))
        || values::is_of_a_vendor_or_a_web_token(&value)
        || name_is_hidden(name)
}

/// Whether the escapes in a parameter's name hide letters or digits, or more escapes: `%74oken`,
/// `%2574oken`. No client writes a name like that, and servers differ in how often they unescape.
pub(super) fn name_is_hidden(raw: &str) -> bool {
    escaped(raw).any(|c| c.is_ascii_alphanumeric()) || escaped(&undo_escapes(raw)).next().is_some()
}

/// Words before `token` in the names of list cursors.
const OF_LISTS: [&str; 16] = [
    "after", "backward", "before", "bookmark", "cursor", "forward", "from", "history", "iterator", "more", "newer",
    "offset", "older", "page", "result", "scroll",
];

const OF_FORMS: [&str; 5] = ["csrf", "xsrf", "crumb", "antiforgery", "requestverification"];

/// The purpose of a value that does not authenticate, if its name says so.
pub(super) fn of_a_list_or_a_form(name: &str) -> Option<&'static str> {
    let normal = normal_name(&undo_escapes(name));
    let letters = letters_of(&normal);
    if OF_FORMS.iter().any(|word| letters.contains(word)) {
        return Some("guards a form");
    }
    let of = letters.strip_suffix("token")?;
    OF_LISTS.iter().any(|word| of.ends_with(word)).then_some("says where a list goes on")
}

/// The characters behind the escapes, one by one.
fn escaped(text: &str) -> impl Iterator<Item = char> {
    text.split('%').skip(1).filter_map(|part| {
        let (from, to) = if part.starts_with(['u', 'U']) { (1, 5) } else { (0, 2) };
        let digits = part.get(from..to).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    })
}

/// Whether a query parameter has this name, to some server.
pub(super) fn is_named(parameter: &str, key: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let key = letters_of(&normal_name(key));
    parameter_names(name).iter().any(|name| letters_of(name) == key)
}

/// Whether a form field authenticates, by its normal form: in place of a header, or as a query
/// parameter does, because most frameworks merge the two.
pub(super) fn field_authenticates(normal: &str, parameters: &[String]) -> bool {
    let letters = letters_of(normal);
    IN_FORMS.contains(&&*letters) || parameters.contains(&letters)
}

fn name_authenticates(name: &str, value: &str) -> bool {
    let letters = letters_of(name);
    WHOLE.contains(&&*letters)
        || letters.ends_with(OF_HEADERS)
        || (tells(name) && !is_about_one(&letters, value))
        || is_key(name, Some(value))
        || (WITH_A_KEY.contains(&name) && holds_a_key(value, SHORTEST))
}

/// Whether a word of the name says that it authenticates.
fn tells(normal: &str) -> bool {
    let holds_one = |word: &str| TELLING.iter().any(|part| word.contains(part));
    // Other words are removed only for the few names that need it.
    let is_one = |word: &str| holds_one(word) && holds_one(&harmless::without_other_words(word));
    let letters = letters_of(normal);
    let tells = COMPOUND.iter().any(|part| letters.contains(part)) || normal.split('_').any(is_one);
    tells && !harmless::is_of_paging(&letters)
}

/// `token_count=5`, `session_type=talk`, `passwordChanged=true`: describes a key, with a value that
/// cannot be one.
fn is_about_one(letters: &str, value: &str) -> bool {
    let about = harmless::ABOUT.iter().any(|word| letters.ends_with(word));
    about && value.len() < SHORTEST && !could_be_a_key(value) && !letters.contains("key")
}

/// `write_key`, `consumerkey`: a key, unless it is known to be of another kind. If the name is also
/// used for things, the value decides.
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
        rows.any(|row| holds_a_key(row, SHORTEST))
    };
    !names_a_thing || value.is_none_or(is_long)
}

/// The last word of a normal form, and the word before it.
fn last_word(normal: &str) -> Option<(&str, &str)> {
    let mut words = normal.rsplit('_').filter(|word| !word.is_empty());
    let last = words.next()?;
    Some((words.next().unwrap_or_default(), last))
}

#[cfg(test)]
mod tests;
