//! What a value could be: somebody's key, or no key at all.
//!
//! Keys are made by machines: random runs of letters and digits. Text by people, and what programs
//! say about themselves, is short, or a number, a date, or words.

use policies::undo_escapes;
use scan::shapes::{WEB_TOKEN_BEGINS, begins_like_a_key};

/// The shortest run with digits or both cases that is taken for a key.
pub(super) const SHORTEST: usize = 20;

/// The same if the name says that it is a key, or is unknown.
pub(super) const SHORTEST_UNKNOWN: usize = 12;

/// A run of letters of one case that is this long could be a key as well, if the name says so.
const SHORTEST_PLAIN: usize = 24;

/// Longer runs of digits are not taken for numbers.
const LONGEST_NUMBER: usize = 16;

/// Whether a text contains a run of characters that could be a key.
pub(super) fn holds_a_key(text: &str, shortest: usize) -> bool {
    rows(text.as_bytes()).any(|row| row.len() >= shortest && is_mixed(row))
}

/// Whether a text contains a key by its prefix, whatever is around it.
pub(super) fn is_of_a_vendor(text: &str) -> bool {
    words(text).any(|word| begins_like_a_key(word) && holds_a_key(word, SHORTEST))
}

/// The same, or a web token: three or more parts with dots between them. Without those it is any
/// JSON in base64, such as a cursor of a list.
pub(super) fn is_of_a_vendor_or_a_web_token(text: &str) -> bool {
    let is_web_token = |word: &str| {
        word.starts_with(WEB_TOKEN_BEGINS) && word.matches('.').count() >= 2 && holds_a_key(word, SHORTEST)
    };
    is_of_a_vendor(text) || words(text).any(is_web_token)
}

/// Whether a value could be a key, given that its name says that it authenticates. Only these raise
/// an alarm: `Bearer undefined` and `X-Sort-Token: on` are mistakes.
pub(super) fn could_be_a_key(value: &str) -> bool {
    row_could_be_a_key(&undo_escapes(value))
}

/// The same for a text without escapes.
pub(super) fn row_could_be_a_key(value: &str) -> bool {
    value.split_whitespace().any(|word| word_could_be_a_key(word.as_bytes()))
}

/// The same for a text without blanks. Anything shorter than [`SHORTEST_UNKNOWN`] is not a key.
///
/// A password contains any characters and a digit, and a key may consist of letters alone.
pub(super) fn word_could_be_a_key(word: &[u8]) -> bool {
    if word.len() < SHORTEST_UNKNOWN {
        return false;
    }
    if word.iter().any(u8::is_ascii_digit) {
        return !is_date(word) && !is_number(word);
    }
    longest(word, u8::is_ascii_alphanumeric) >= SHORTEST_PLAIN
        || rows(word).any(|row| row.len() >= SHORTEST_UNKNOWN && is_mixed(row))
}

/// Whether this, in the place of a new key, is not made of words: a short one needs a digit.
pub(crate) fn is_made_by_a_machine(key: &str) -> bool {
    match key.len() < SHORTEST_UNKNOWN {
        true => key.bytes().any(|byte| byte.is_ascii_digit()) && key.bytes().any(|byte| byte.is_ascii_alphabetic()),
        false => word_could_be_a_key(key.as_bytes()) && !is_of_words(key.as_bytes()),
    }
}

/// Whether the value of an unknown header cannot be a key: it contains no long run of letters and
/// digits, except numbers, dates and words.
pub(super) fn is_plain(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    if longest(value, |byte| is_of_a_row(*byte)) < SHORTEST_UNKNOWN {
        return true;
    }
    let without_dates = value.split(|byte| b" ,;\"".contains(byte)).filter(|word| !is_date(word));
    let mut long = without_dates.flat_map(rows).filter(|row| row.len() >= SHORTEST_UNKNOWN);
    !is_of_a_vendor_or_a_web_token(text) && long.all(|row| !is_mixed(row) || is_number(row) || is_of_words(row))
}

/// The runs of characters that keys are made of.
fn rows(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !is_of_a_row(*byte))
}

fn is_of_a_row(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=')
}

/// The length of the longest run of these.
fn longest(text: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    let step = |(row, longest): (usize, usize), byte| {
        let row = if is(byte) { row + 1 } else { 0 };
        (row, longest.max(row))
    };
    text.iter().fold((0, 0), step).1
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '"' | '\''))
}

fn is_mixed(row: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| row.iter().any(kind);
    has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
}

fn is_number(row: &[u8]) -> bool {
    row.len() <= LONGEST_NUMBER && row.iter().all(u8::is_ascii_digit)
}

/// `2026-11-29`, `2026-11-29T10:46:13.5+01:00`, `20261129T104613Z`.
fn is_date(word: &[u8]) -> bool {
    let in_order = |digits: &[u8], most: usize| digits.len() <= most && digits.iter().all(u8::is_ascii_digit);
    let at = word.iter().position(|byte| *byte == b'T').unwrap_or(word.len());
    let (day, time) = (&word[..at], word.get(at + 1..).unwrap_or_default());
    let mut digits = day.iter().filter(|byte| **byte != b'-');
    if !matches!(digits.clone().next(), Some(b'1' | b'2')) || digits.clone().count() != 8 {
        return false;
    }
    let time = &time[..time.iter().rposition(|byte| *byte != b'Z').map_or(0, |last| last + 1)];
    digits.all(u8::is_ascii_digit)
        && time.len() <= 25
        && time.split(|byte| b":.+-".contains(byte)).all(|part| in_order(part, 9))
}

/// `Europe/Berlin`, `validateOnly`, `allowSave=true`, `household-assistant/1`: letters only, in
/// words of three or more, at most one of them shorter, with a short number after a sign. In a key
/// of letters, the case changes at every second one.
pub(super) fn is_of_words(row: &[u8]) -> bool {
    let mut short = 0;
    let mut before = b' ';
    for part in row.split_inclusive(|byte| !byte.is_ascii_alphanumeric()) {
        let (word, sign) = match part.split_last() {
            Some((sign, word)) if !sign.is_ascii_alphanumeric() => (word, *sign),
            _ => (part, b' '),
        };
        match (std::mem::replace(&mut before, sign), word) {
            (_, []) => {}
            (b'/' | b'=', number) if is_number(number) && number.len() <= 4 => {}
            (_, word) if !word.iter().all(u8::is_ascii_alphabetic) => return false,
            (_, word) => short += humps(word).filter(|letters| *letters < 3).count(),
        }
    }
    short <= 1
}

/// The lengths of the words that capitals separate: `validateOnly`, `HTTPServer`.
fn humps(letters: &[u8]) -> impl Iterator<Item = usize> {
    let begins = |at: &usize| {
        let upper = |at: usize| letters.get(at).is_some_and(u8::is_ascii_uppercase);
        *at == 0 || upper(*at) && (!upper(*at - 1) || (*at + 1 < letters.len() && !upper(*at + 1)))
    };
    let mut starts = (0..letters.len()).filter(begins).chain([letters.len()]);
    let mut start = starts.next().unwrap_or(0);
    starts.map(move |next| next - std::mem::replace(&mut start, next))
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

    /// A shape that is known anywhere is known here.
    #[test]
    fn the_keys_of_every_vendor_are_keys() {
        for beginning in scan::shapes::beginnings() {
            let key = format!("{beginning}0123456789abcdefABCDEF");
            assert!(is_of_a_vendor(&key) && !is_plain(key.as_bytes()) && could_be_a_key(&key), "{key}");
            assert!(is_of_a_vendor(&format!("v1: \"{key}\"")) && !is_of_a_vendor(&format!("x{key}")), "{key}");
            assert!(!is_of_a_vendor(beginning), "{beginning}");
        }
    }

    /// The definition of a word, without any short cut.
    fn by_the_letter(word: &str) -> bool {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let is_one = |row: &str| match digits(row) {
            true => row.len() > LONGEST_NUMBER,
            false => row.len() >= SHORTEST_UNKNOWN && is_mixed(row.as_bytes()),
        };
        let is_dense = word.len() >= SHORTEST_UNKNOWN && word.bytes().any(|b| b.is_ascii_digit());
        let is_long = word.split(|c: char| !c.is_ascii_alphanumeric()).any(|row| row.len() >= SHORTEST_PLAIN);
        let rows = word.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+/=".contains(c));
        let is_number = digits(word) && word.len() <= LONGEST_NUMBER;
        !is_number && !is_date(word.as_bytes()) && (rows.into_iter().any(is_one) || is_dense || is_long)
    }

    #[test]
    fn short_cuts_change_nothing() {
        const PIECES: [&str; 24] = [
            "a",
            "B",
            "7",
            "x1",
            "Ab",
            "-",
            "_",
            ".",
            "+",
            "/",
            "=",
            "%",
            "\u{e9}",
            "2026",
            "-11-29",
            "T",
            "Z",
            ":46",
            "12345",
            "abcdefgh",
            "ABCDEFGH",
            "word",
            "123456789",
            "validateOnly",
        ];
        let mut state = 1u64;
        for _ in 0..200_000 {
            let mut word = String::new();
            for _ in 0..1 + state % 9 {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                word += PIECES[(state >> 33) as usize % PIECES.len()];
            }
            assert_eq!(word_could_be_a_key(word.as_bytes()), by_the_letter(&word), "{word}");
            assert_eq!(row_could_be_a_key(&format!("on {word}\u{a0}5")), by_the_letter(&word), "{word}");
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
