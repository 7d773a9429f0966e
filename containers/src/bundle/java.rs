//! Java's certificate store (JKS). Every Java version reads it through `javax.net.ssl.trustStore`,
//! even if its own format is PKCS#12 (`keystore.type.compat`), and without a password, which would
//! protect nothing here: the store is a list of public certificates on a read-only mount.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// An entry with a certificate and no key.
const TRUSTED: u32 = 2;

/// The password that Java's tools assume.
const PASSWORD: &str = "changeit";
const SALT: &[u8] = b"Mighty Aphrodite";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a PEM bundle, each with its own name.
pub(super) fn trust_store(bundle: &[u8], now: SystemTime) -> Vec<u8> {
    let certificates: Vec<_> = certificates(&String::from_utf8_lossy(bundle)).collect();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(0);
    let mut store = Vec::new();
    store.extend(MAGIC.to_be_bytes());
    store.extend(VERSION.to_be_bytes());
    store.extend(length(certificates.len()));
    for (number, certificate) in certificates.iter().enumerate() {
        store.extend(TRUSTED.to_be_bytes());
        text(&mut store, &format!("ca-{number}"));
        store.extend(millis.to_be_bytes());
        text(&mut store, "X.509");
        store.extend(length(certificate.len()));
        store.extend(certificate);
    }
    let password = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes);
    let mut digest = Sha1::new();
    digest.update(password.collect::<Vec<_>>());
    digest.update(SALT);
    digest.update(&store);
    store.extend(digest.finalize());
    store
}

/// Skips entries that cannot be read, as other programs do: Java would refuse the whole store.
fn certificates(pem: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    pem.split(BEGIN).skip(1).filter_map(|block| {
        let base64: String = block.split(END).next()?.split_ascii_whitespace().collect();
        STANDARD.decode(base64).ok().filter(|der| is_whole(der))
    })
}

/// One SEQUENCE and nothing after it (X.690 §8.1.3).
fn is_whole(der: &[u8]) -> bool {
    let (length, from) = match der {
        [0x30, short @ ..=0x7f, ..] => (usize::from(*short), 2),
        [0x30, 0x81, one, ..] => (usize::from(*one), 3),
        [0x30, 0x82, high, low, ..] => (usize::from(u16::from_be_bytes([*high, *low])), 4),
        _ => return false,
    };
    der.len() == from + length
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    const PEM: &str = include_str!("../../tests/support/ca.pem");
    /// Made by `keytool -importcert -noprompt -trustcacerts -alias ca-0 -file ca.pem -storetype JKS
    /// -storepass changeit -keystore ca.jks`.
    const BY_KEYTOOL: &[u8] = include_bytes!("../../tests/support/ca.jks");

    /// When keytool wrote it: after magic, version, count, tag and alias.
    fn when() -> SystemTime {
        let millis = u64::from_be_bytes(BY_KEYTOOL[22..30].try_into().unwrap());
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn it_is_byte_for_byte_what_javas_own_tool_writes() {
        assert_eq!(trust_store(PEM.as_bytes(), when()), BY_KEYTOOL);
    }

    #[test]
    fn each_certificate_has_an_entry_and_what_is_none_has_not() {
        let count = |bundle: &str| {
            let store = trust_store(bundle.as_bytes(), SystemTime::now());
            u32::from_be_bytes(store[8..12].try_into().unwrap())
        };
        assert_eq!(count(""), 0);
        assert_eq!(count("THE IMAGE'S OWN\n"), 0);
        assert_eq!(count(&format!("# a comment\n{PEM}\n{PEM}")), 2);
        assert_eq!(count(&PEM.replace('\n', "\r\n")), 1);
        assert_eq!(count(&format!("{BEGIN}\n!!!\n{END}\n{PEM}")), 1, "no base64");
        assert_eq!(
            count(&format!("{BEGIN}\nMAMBAf8=\n{END}\n{BEGIN}\nMAMBAf\n{END}\n{BEGIN}\nMAMB\n{END}\n")),
            1,
            "cut short"
        );
        assert_eq!(count(&PEM.replace("CERTIFICATE", "TRUSTED CERTIFICATE")), 0);
        assert_eq!(count(&PEM.replace("CERTIFICATE", "PRIVATE KEY")), 0);
    }
}
