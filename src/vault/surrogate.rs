//! Surrogates: random, in the vendor's shape, so that tools which check a key before they use it accept them.

use rand::RngExt;

use crate::config::{Credential, Shape};

/// The prefixes of vendors' keys; longest first, so that the most specific one matches. Only these are copied from a
/// secret, and nothing of its random part.
const PREFIXES: [&str; 22] = [
    "sk-ant-admin01-",
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "sk-ant-ort01-",
    "sk-svcacct-",
    "github_pat_",
    "sk-or-v1-",
    "sk-proj-",
    "sk-ant-",
    "glpat-",
    "gsk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "xoxb-",
    "xoxp-",
    "AIza",
    "hf_",
    "r8_",
    "pk-",
    "sk-",
];

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64URL: &[u8] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";

/// 128 bits in base 62 and in base 16.
const LEAST_ALPHANUMERIC: usize = 22;
const LEAST_HEX: usize = 32;

/// A longer one would only make requests larger.
const MOST: usize = 120;

/// A surrogate in the shape of `secret`.
pub(super) fn like(secret: Option<&str>) -> String {
    shaped(None, None, secret.unwrap_or_default())
}

/// A new surrogate, in the configured shape or that of `secret`.
pub(super) fn make(credential: &Credential, secret: Option<&str>) -> String {
    shaped(credential.prefix.as_deref(), credential.shape, secret.unwrap_or_default())
}

fn shaped(prefix: Option<&str>, wanted: Option<Shape>, secret: &str) -> String {
    let free = prefix.is_none() && wanted.is_none();
    if free && is_jwt(secret) {
        return jwt();
    }
    if let Some(number) = bot_number(secret).filter(|_| free) {
        return format!("{}:{}", digits(number), random(BASE64URL, secret.len() - number - 1));
    }
    let known = PREFIXES.into_iter().find(|prefix| secret.starts_with(prefix)).unwrap_or_default();
    let prefix = prefix.unwrap_or(known);
    let rest = &secret[known.len()..];
    let (alphabet, least) = match wanted.unwrap_or_else(|| shape(rest)) {
        Shape::Hex => (HEX, LEAST_HEX),
        Shape::Letters => (ALPHANUMERIC, LEAST_ALPHANUMERIC),
        Shape::Base64url => (BASE64URL, LEAST_ALPHANUMERIC),
    };
    format!("{prefix}{}", random(alphabet, rest.len().clamp(least, MOST)))
}

fn shape(secret: &str) -> Shape {
    let is_hex = secret.len() >= LEAST_HEX && secret.bytes().all(|b| HEX.contains(&b));
    if is_hex { Shape::Hex } else { Shape::Letters }
}

/// A Telegram bot token, `123456789:AAE…`: how many digits are before the colon.
fn bot_number(secret: &str) -> Option<usize> {
    let (number, rest) = secret.split_once(':')?;
    let fits = (6..=12).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && (30..=MOST).contains(&rest.len())
        && rest.bytes().all(|b| BASE64URL.contains(&b));
    fits.then_some(number.len())
}

/// Digits without a leading zero.
fn digits(many: usize) -> String {
    format!("{}{}", random(b"123456789", 1), random(b"0123456789", many - 1))
}

fn is_jwt(secret: &str) -> bool {
    secret.starts_with("eyJ") && secret.split('.').count() == 3
}

/// `{"alg":"HS256","typ":"JWT"}`, `{"iss":"doorward"}` and a dummy signature.
fn jwt() -> String {
    format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJkb29yd2FyZCJ9.{}", random(BASE64URL, 43))
}

fn random(alphabet: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn credential(extra: &str) -> Credential {
        let text = format!("[credentials.x]\nsecret = \"env:X\"\nhosts = [\"api.test\"]\n{extra}");
        let config = Config::parse("doorward.toml", &text, std::path::Path::new("/"));
        config.expect("a valid configuration").credentials["x"].clone()
    }

    #[test]
    fn shapes_are_kept_and_values_are_not() {
        let plain = credential("");
        let cases = [
            ("sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "sk-ant-api03-"),
            ("ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "ghp_"),
            ("0123456789abcdef0123456789abcdef01234567", ""),
            ("hunter2hunter2", ""),
        ];
        for (secret, prefix) in cases {
            let surrogate = make(&plain, Some(secret));
            assert!(surrogate.starts_with(prefix), "{surrogate}");
            assert_ne!(surrogate, secret);
            assert!(surrogate.len() - prefix.len() >= LEAST_ALPHANUMERIC, "{surrogate}");
            assert_ne!(make(&plain, Some(secret)), surrogate, "one per sandbox");
        }
        assert!(make(&plain, Some(cases[2].0)).bytes().all(|b| HEX.contains(&b)));
        assert_eq!(make(&plain, Some("eyJh.eyJp.sig")).split('.').count(), 3);
        let bot = make(&plain, Some("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-"));
        assert_eq!(bot_number(&bot), Some(9), "{bot}");
        assert!(make(&plain, None).len() >= LEAST_ALPHANUMERIC);
        assert!(make(&credential("prefix = \"bank_\""), Some("sk-x")).starts_with("bank_"));
    }
}
