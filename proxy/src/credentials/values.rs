//! What a value could be: somebody's key, or no key at all.
//!
//! Keys are made by machines: a row of letters and digits without sense. What people write,
//! and what programs say about themselves, is short, or a number, a date, words.

use policies::undo_escapes;

/// How keys of many vendors begin: whatever it stands in, this is one.
const VENDORS: [&str; 23] = [
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
    "hf_",
    "gsk_",
    "npm_",
    "pypi-",
    "SG.",
    "shpat_",
];

/// How a web token begins (RFC 7519): three parts and more with dots between. Without those it is
/// any JSON in base64, such as a place in a list.
const WEB_TOKEN: &str = "eyJ";

/// The least characters in a row, digits or both cases among them, that are taken for a key.
pub(super) const SHORTEST: usize = 20;

/// The same where the name says already that it is one, or nobody knows the name.
pub(super) const SHORTEST_UNKNOWN: usize = 12;

/// So many letters of one case could be a key as well, where the name says so.
const SHORTEST_PLAIN: usize = 24;

/// Longer numbers count nothing.
const LONGEST_NUMBER: usize = 16;

/// Whether a text holds a row of characters that could be a key.
pub(super) fn holds_a_key(text: &str, shortest: usize) -> bool {
    rows(text).any(|row| row.len() >= shortest && is_mixed(row))
}

/// Whether a text holds a key by how it begins.
pub(super) fn is_of_a_vendor(text: &str) -> bool {
    words(text).any(|word| begins_like_one(word, &VENDORS))
}

/// The same, or a web token.
pub(super) fn is_of_a_vendor_or_a_web_token(text: &str) -> bool {
    let is_web_token = |word: &str| word.matches('.').count() >= 2 && begins_like_one(word, &[WEB_TOKEN]);
    is_of_a_vendor(text) || words(text).any(is_web_token)
}

/// Whether what stands under a name that says that it authenticates could be a key. An alarm
/// is for these alone: `Bearer undefined` and `X-Sort-Token: on` are mistakes.
pub(super) fn could_be_a_key(value: &str) -> bool {
    row_could_be_a_key(&undo_escapes(value))
}

/// The same of a text without escapes. What is shorter than [`SHORTEST_UNKNOWN`] is none.
pub(super) fn row_could_be_a_key(value: &str) -> bool {
    let is_one = |row: &str| match row.bytes().all(|b| b.is_ascii_digit()) {
        true => row.len() > LONGEST_NUMBER,
        false => row.len() >= SHORTEST_UNKNOWN && is_mixed(row),
    };
    // A password holds any characters, and a key may be of letters alone.
    let is_dense = |word: &str| word.len() >= SHORTEST_UNKNOWN && word.bytes().any(|b| b.is_ascii_digit());
    let is_long = |word: &str| word.split(|c: char| !c.is_ascii_alphanumeric()).any(|row| row.len() >= SHORTEST_PLAIN);
    let mut words = value.split_whitespace().filter(|word| !is_date(word) && !is_number(word));
    words.any(|word| rows(word).any(is_one) || is_dense(word) || is_long(word))
}

/// Whether the value of a header that nobody knows can be no key: nothing in it is a long row
/// of letters and digits, but for numbers, dates and words.
pub(super) fn is_plain(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let without_dates: Vec<_> = text.split([' ', ',', ';', '"']).filter(|word| !is_date(word)).collect();
    let mut long = without_dates.iter().flat_map(|word| rows(word)).filter(|row| row.len() >= SHORTEST_UNKNOWN);
    !is_of_a_vendor_or_a_web_token(text) && long.all(|row| !is_mixed(row) || is_number(row) || is_of_words(row))
}

/// The rows of characters of which keys are made.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '+' | '/' | '='))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '"' | '\''))
}

fn begins_like_one(word: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| word.starts_with(beginning)) && holds_a_key(word, SHORTEST)
}

fn is_mixed(row: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| row.as_bytes().iter().any(kind);
    has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
}

fn is_number(row: &str) -> bool {
    row.len() <= LONGEST_NUMBER && row.bytes().all(|b| b.is_ascii_digit())
}

/// `2026-11-29`, `2026-11-29T10:46:13.5+01:00`, `20261129T104613Z`.
fn is_date(word: &str) -> bool {
    let (day, time) = word.split_once('T').unwrap_or((word, ""));
    let day: String = day.chars().filter(|c| *c != '-').collect();
    let in_order = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    let time = time.trim_end_matches('Z');
    day.len() == 8
        && day.starts_with(['1', '2'])
        && in_order(&day, 8)
        && time.len() <= 25
        && time.split([':', '.', '+', '-']).all(|part| in_order(part, 9))
}

/// `Europe/Berlin`, `validateOnly`, `allowSave=true`, `household-assistant/1`: letters alone, in
/// words of three and more, of which one at most is shorter, with a short number behind a sign. In
/// a key of letters alone, cases change at every second.
fn is_of_words(row: &str) -> bool {
    let mut short = 0;
    for part in row.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).scan(' ', |before, part| {
        let sign = part.chars().next_back().filter(|c| !c.is_ascii_alphanumeric()).unwrap_or(' ');
        Some((std::mem::replace(before, sign), part.trim_end_matches(sign)))
    }) {
        match part {
            (_, "") => {}
            (sign, number) if is_number(number) && number.len() <= 4 && matches!(sign, '/' | '=') => {}
            (_, word) if !word.bytes().all(|b| b.is_ascii_alphabetic()) => return false,
            (_, word) => short += humps(word).filter(|letters| *letters < 3).count(),
        }
    }
    short <= 1
}

/// How long the words are that capitals part: `validateOnly`, `HTTPServer`.
fn humps(word: &str) -> impl Iterator<Item = usize> {
    let letters = word.as_bytes();
    let begins = move |at: &usize| {
        let upper = |at: usize| letters.get(at).is_some_and(u8::is_ascii_uppercase);
        *at == 0 || upper(*at) && (!upper(*at - 1) || (*at + 1 < letters.len() && !upper(*at + 1)))
    };
    let starts: Vec<usize> = (0..letters.len()).filter(begins).chain([letters.len()]).collect();
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 13] = [
        "abcd-1234-efgh-5678",
        "secret=a1b2c3d4e5",
        "x/y/z/ab/CD/Ef/gH",
        "0123456789abcdefABCDEF",
        "a1b2c3d4e5f6",
        "AbCdEfGhIjKlMnOpQrStUvWx",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "99d3f2a1c0b44e",
        "ghp_0123456789abcdef0123",
        "Plan2026Secret",
        "12345678901234567",
        "qZxWvUtSrQpO",
    ];

    #[test]
    fn what_machines_make_is_a_key() {
        for key in KEYS {
            assert!(!is_plain(key.as_bytes()), "{key}");
            assert!(could_be_a_key(key), "{key}");
            assert!(!is_plain(format!("v1 {key}").as_bytes()) && !is_plain(format!("{{\"a\":\"{key}\"}}").as_bytes()));
        }
        assert!(!is_plain(b"\xff\xfe") && !is_plain("x\u{e9}a1b2c3d4e5f6".as_bytes()));
        // Passwords, and letters of one case.
        for key in ["correct!horse-7-battery", "abcdefghijklmnopqrstuvwxyz", "Basic bmV2ZXI6aGFuZGVk"] {
            assert!(could_be_a_key(key), "{key}");
        }
    }

    #[test]
    fn what_people_write_is_none() {
        for plain in [
            "",
            "on",
            "5",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "validateOnly",
            "BlockBlob",
            "TRANSPORT_SECURITY",
            "HTTPServerError",
            "2026-11-29T10:46:13.250+01:00",
            "2026-11-29",
            "20261129T104613Z",
            "123456789012",
            "1732877171000",
            "fast, and with 2 passes",
            "application/vnd.ms-excel",
            "allowSave=true",
            "supabase-js-node/2.46.1",
            "graph-python/1.12.0 (hostOS=Linux; runtimeEnvironment=3.12.4)",
            "Backup finished, 3 of 3 volumes",
            "Gr\u{fc}\u{df}e aus K\u{f6}ln",
        ] {
            assert!(is_plain(plain.as_bytes()), "{plain}");
        }
        for none in [
            "",
            "Bearer",
            "Bearer undefined",
            "Bearer null",
            "Bearer YOUR_API_KEY",
            "Bearer ${GITHUB_TOKEN}",
            "Bearer <your token>",
            "no-check",
            "fetch",
            "true",
            "5",
            "1732877171000",
            "2026-11-29T10:46:13Z",
            "abc",
        ] {
            assert!(!could_be_a_key(none), "{none}");
        }
    }
}
