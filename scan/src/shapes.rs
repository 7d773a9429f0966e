//! What keys look like: the prefixes of known vendors' keys, and other self-describing formats: web
//! tokens, wallets, account numbers, cards. If a format has a check digit or checksum, it has to be
//! right; otherwise the rest has to look random.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};

/// A prefix, and what makes it a key.
struct Key {
    prefix: &'static str,
    /// How much of the prefix reveals a key where keys are expected: `sk_`, whatever follows.
    telling: usize,
    name: &'static str,
    letters: fn(u8) -> bool,
    /// At least this many of these letters follow; exactly this many if `exact`.
    count: usize,
    exact: bool,
}

const fn key(prefix: &'static str, name: &'static str, letters: fn(u8) -> bool, count: usize, exact: bool) -> Key {
    Key { prefix, telling: prefix.len(), name, letters, count, exact }
}

/// Stripe's prefixes, which other services use too.
const fn stripe(prefix: &'static str) -> Key {
    Key { prefix, telling: "sk_".len(), name: "a Stripe key", letters: is_word, count: 24, exact: false }
}

/// Sorted for a lookup by first letter. If two share a beginning, the longer comes first.
const KEYS: [Key; 48] = [
    key("AGE-SECRET-KEY-1", "an age key", upper, 58, true),
    key("AIza", "a Google API key", is_word, 35, true),
    key("AKIA", OF_AWS, upper, 16, true),
    key("ASIA", OF_AWS, upper, 16, true),
    key("EAACEdEose0cBA", "a Facebook token", alphanumeric, 20, false),
    key("GOCSPX-", "a Google client secret", is_word, 28, true),
    key("SG.", "a SendGrid key", word_or_dot, 60, false),
    key("dckr_pat_", "a Docker token", is_word, 24, false),
    key("dop_v1_", "a DigitalOcean token", alphanumeric, 64, true),
    key(WEB_TOKEN_BEGINS, WEB_TOKEN, word_or_dot, 20, false),
    key("ghp_", "a GitHub token", alphanumeric, 30, false),
    key("gho_", "a GitHub token", alphanumeric, 30, false),
    key("ghu_", "a GitHub token", alphanumeric, 30, false),
    key("ghs_", "a GitHub token", alphanumeric, 30, false),
    key("ghr_", "a GitHub token", alphanumeric, 30, false),
    key("github_pat_", "a GitHub token", is_word, 60, false),
    key("glpat-", "a GitLab token", is_word, 20, false),
    key("gsk_", "a Groq key", alphanumeric, 40, false),
    key("hf_", "a Hugging Face token", alphanumeric, 34, true),
    key("lin_api_", "a Linear key", alphanumeric, 32, false),
    key("npm_", "an npm token", alphanumeric, 36, true),
    key("ntn_", "a Notion token", alphanumeric, 40, false),
    stripe("pk_live_"),
    key("pypi-AgEI", "a PyPI token", is_word, 50, false),
    key("pypi-", "a PyPI token", is_word, 80, false),
    stripe("rk_live_"),
    stripe("rk_test_"),
    key("secret_", "a Notion token", alphanumeric, 43, true),
    key("shpat_", "a Shopify token", alphanumeric, 32, true),
    key("shpss_", "a Shopify token", alphanumeric, 32, true),
    key("sk-ant-", "an Anthropic key", is_word, 40, false),
    key("sk-live-", "an API key", alphanumeric, 20, false),
    key("sk-or-v1-", "an OpenRouter key", alphanumeric, 64, true),
    key("sk-proj-", "an OpenAI key", is_word, 40, false),
    key("sk-svcacct-", "an OpenAI key", is_word, 40, false),
    key("sk-test-", "an API key", alphanumeric, 20, false),
    key("sk-", "an API key", alphanumeric, 32, false),
    stripe("sk_live_"),
    stripe("sk_test_"),
    key("tskey-", "a Tailscale key", is_word, 24, false),
    key("whsec_", "a Stripe key", alphanumeric, 32, false),
    key("xapp-", "a Slack token", is_word, 24, false),
    key("xoxa-", "a Slack token", is_word, 24, false),
    key("xoxb-", "a Slack token", is_word, 24, false),
    key("xoxp-", "a Slack token", is_word, 24, false),
    key("xoxr-", "a Slack token", is_word, 24, false),
    key("xoxs-", "a Slack token", is_word, 24, false),
    key("ya29.", "a Google access token", is_word, 40, false),
];
/// It has two parts: this one is sent in the clear with each signature made by the other.
pub(super) const OF_AWS: &str = "an AWS access key";

pub(super) const WEB_TOKEN: &str = "a web token";

/// How a web token begins (RFC 7519), as does any JSON in base64.
pub const WEB_TOKEN_BEGINS: &str = "eyJ";

/// With fewer different letters it is a placeholder.
const FEWEST_LETTERS: usize = 8;

/// The prefixes of known vendors' keys, where keys are expected.
pub fn beginnings() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|key| key.name != WEB_TOKEN).map(Key::beginning)
}

/// Whether a word begins like one of them.
pub fn begins_like_a_key(word: &str) -> bool {
    let mut keys = with_first_letter(word.as_bytes()).iter();
    keys.any(|key| key.name != WEB_TOKEN && word.starts_with(key.beginning()))
}

impl Key {
    fn beginning(&self) -> &'static str {
        &self.prefix[..self.telling]
    }
}

/// The keys that begin with the same letter.
fn with_first_letter(token: &[u8]) -> &'static [Key] {
    let Some(first) = token.first() else { return &[] };
    let letter = |key: &Key| key.prefix.as_bytes()[0];
    let from = KEYS.partition_point(|key| letter(key) < *first);
    let same = KEYS[from..].partition_point(|key| letter(key) == *first);
    &KEYS[from..from + same]
}

/// What a token at the beginning of a word is, and how much of it.
pub(super) fn of_a_key(token: &[u8]) -> Option<(&'static str, &[u8])> {
    let mut same = with_first_letter(token).iter().filter(|key| token.starts_with(key.prefix.as_bytes()));
    same.find_map(|key| {
        let (prefix, rest) = token.split_at(key.prefix.len());
        let count = rest.iter().take_while(|byte| (key.letters)(**byte)).count();
        let enough = if key.exact { count == key.count } else { count >= key.count };
        let whole = &token[..prefix.len() + count];
        let is_one = match key.name {
            WEB_TOKEN => is_web_token(whole),
            _ => looks_random(&rest[..count]),
        };
        (enough && is_one).then_some((key.name, whole))
    })
}

/// What a token is as a whole, whatever its prefix.
pub(super) fn of_a_number(token: &[u8]) -> Option<&'static str> {
    match (token.first()?, token.len()) {
        (b'1' | b'3', 26..=35) => {
            is_base58(token, |bytes| bytes.len() == 25 && matches!(bytes[0], 0 | 5)).then_some(WALLET)
        }
        (b'5' | b'K' | b'L', 51..=52) => is_base58(token, |bytes| matches!(bytes.len(), 37 | 38) && bytes[0] == 0x80)
            .then_some("a wallet's private key"),
        (b'b' | b'B' | b't' | b'T', 42..=90) => is_bech32(token).then_some(WALLET),
        (b'A'..=b'Z', 15..=34) => is_iban(token).then_some("an IBAN"),
        _ => None,
    }
}
const WALLET: &str = "a wallet's address";

/// Three parts or, if encrypted, five; the first is JSON that names an algorithm (RFC 7519).
fn is_web_token(token: &[u8]) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut parts = token.split(|byte| *byte == b'.');
    let head = parts.next().and_then(|head| LENIENT.decode(head).ok()).unwrap_or_default();
    let (second, third) = (parts.next().unwrap_or_default(), parts.next());
    let names_algorithm = memchr::memmem::find(&head, b"\"alg\"").is_some();
    names_algorithm && second.len() > 3 && third.is_some()
}

/// Base58Check: the last four bytes begin a checksum of the others.
fn is_base58(token: &[u8], fits: fn(&[u8]) -> bool) -> bool {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // The number, least significant byte first.
    let mut number: Vec<u8> = Vec::new();
    for byte in token {
        let Some(digit) = DIGITS.iter().position(|digit| digit == byte) else { return false };
        let carry = number.iter_mut().fold(digit, |carry, byte| {
            let sum = usize::from(*byte) * 58 + carry;
            *byte = (sum & 0xFF) as u8;
            sum >> 8
        });
        if carry > 0 {
            number.push(carry as u8);
        }
    }
    number.extend(token.iter().take_while(|byte| **byte == b'1').map(|_| 0));
    number.reverse();
    if !fits(&number) {
        return false;
    }
    let (value, sum) = number.split_at(number.len() - 4);
    Sha256::digest(Sha256::digest(value)).starts_with(sum)
}

/// BIP 173 and BIP 350.
fn is_bech32(token: &[u8]) -> bool {
    const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let one_case = !(token.iter().any(u8::is_ascii_lowercase) && token.iter().any(u8::is_ascii_uppercase));
    let token = token.to_ascii_lowercase();
    let Some(data) = token.strip_prefix(b"bc1").or(token.strip_prefix(b"tb1")) else { return false };
    let head = &token[..2];
    let digits = data.iter().map(|byte| DIGITS.iter().position(|digit| digit == byte).map(|at| at as u32));
    let Some(digits) = digits.collect::<Option<Vec<u32>>>() else { return false };
    let head = head.iter().map(|b| u32::from(b >> 5)).chain([0]).chain(head.iter().map(|b| u32::from(b & 31)));
    let sum = head.chain(digits).fold(1u32, |sum, digit| {
        let next = (sum & 0x01FF_FFFF) << 5 ^ digit;
        GENERATOR
            .iter()
            .enumerate()
            .fold(next, |next, (bit, generator)| if sum >> 25 >> bit & 1 == 1 { next ^ generator } else { next })
    });
    one_case && matches!(sum, 1 | 0x2BC8_30A3)
}

/// ISO 13616: its country's length, and a remainder of 1 modulo 97.
fn is_iban(token: &[u8]) -> bool {
    if !token[1].is_ascii_uppercase() || !token[2..4].iter().all(u8::is_ascii_digit) || !token.iter().all(|b| upper(*b))
    {
        return false;
    }
    let known = IBAN.split(' ').any(|one| {
        let (length, countries) = one.split_once(':').unwrap_or_default();
        length.parse() == Ok(token.len()) && countries.as_bytes().chunks(2).any(|country| country == &token[..2])
    });
    if !known {
        return false;
    }
    token[4..].iter().chain(&token[..4]).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    }) == 1
}

/// The lengths, and the countries that use them (the registry of ISO 13616, 2024).
const IBAN: &str = "15:NO 16:BE 18:DKFIFOGLNLFKSD 19:MKSI 20:ATBAEEKZLTLUXKMN 21:CHHRLILV 22:BGBHCRDEGBGEIEMERSVA \
    23:AEGIILIQOMSOTL 24:ADCZESMDPKROSASESKTNVGYE 25:LYPTST 26:ISTR 27:BIDJFRGRITMCMRSM 28:ALAZBYCYDOGTHUHNLBNIPLSV \
    29:BREGPSQAUA 30:JOKWMU 31:MTSC 32:LC 33:RU";

fn looks_random(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= FEWEST_LETTERS
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn word_or_dot(byte: u8) -> bool {
    is_word(byte) || byte == b'.'
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key is found by its first letter, and no prefix hides a longer one after it.
    #[test]
    fn the_table_is_in_order() {
        assert!(KEYS.is_sorted_by_key(|key| key.prefix.as_bytes()[0]));
        for (at, key) in KEYS.iter().enumerate() {
            let hidden =
                KEYS[at + 1..].iter().find(|later| later.prefix.starts_with(key.prefix) && later.name != key.name);
            assert!(hidden.is_none(), "{} hides {:?}", key.prefix, hidden.map(|later| later.prefix));
        }
        assert!(beginnings().all(|beginning| beginning.len() > 2));
    }

    #[test]
    fn sums_and_check_digits() {
        for (token, name) in [
            ("1Ez1F2r26YWkj79jmJDG6SbLX6ZT7vp4Ch", Some(WALLET)),
            ("1Ez1F2r26YWkj79jmJDG6SbLX6ZT7vp4Cq", None),
            ("bc1qdv8qpqdnh5m3qrrw0ktlye035dj48fvl5t60n6", Some(WALLET)),
            ("bc1qdv8qpqdnh5m3qrrw0ktlye035dj48fvl5t60nq", None),
            ("bc1qdv8qpqdnh5m3qrrw0KTLYE035DJ48FVL5T60N6", None),
            ("DE95850155492945239719", Some("an IBAN")),
            ("DE95850155492945239710", None),
            ("DE9585015549294523971", None),
        ] {
            assert_eq!(of_a_number(token.as_bytes()), name, "{token}");
        }
    }
}
