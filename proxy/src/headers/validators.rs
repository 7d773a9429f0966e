//! Digests and validators of bodies that may come back changed.
//!
//! Whether a secret is removed from a body is known only at its end, so no answer of a host with a
//! credential carries a digest of its body: over a body with the secret it would be wrong for
//! whoever checks it, and a way to test guesses at the secret. A validator is needed again
//! (If-None-Match, If-Match), so an ETag is replaced: the sandbox gets a token, and the door puts
//! the ETag back where the token is used in a condition. Only the doors of the group can decrypt a
//! token, and one ETag always has the same token: what caches and calendars keep stays valid in the
//! group's next sandbox.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue};
use policies::{GroupName, normal_name};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

/// Words in the names of headers that carry a digest.
const DIGESTS: [&str; 14] = [
    "checksum",
    "crc32",
    "crc32c",
    "crc64",
    "crc64ecma",
    "crc64nvme",
    "digest",
    "etag",
    "hash",
    "md5",
    "sha",
    "sha1",
    "sha256",
    "sha512",
];

/// The prefix of a token.
const MARK: &str = "dw-";
const NONCE: usize = 12;

/// The secret for all tokens of an installation. Each group's keys are derived from it, for as long as it stays.
#[derive(Clone)]
pub struct TagSecret([u8; 32]);

impl TagSecret {
    /// A new random secret.
    pub fn random() -> Self {
        TagSecret(rand::random())
    }

    /// A stored secret.
    pub fn kept(bytes: [u8; 32]) -> Self {
        TagSecret(bytes)
    }

    /// For storing.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn part(&self, what: &str, group: &GroupName) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), format!("{what} {group}").as_bytes())
    }
}

/// The tokens of one group.
pub(crate) struct Validators {
    seal: LessSafeKey,
    nonces: hmac::Key,
}

impl Validators {
    /// With keys that no other group has.
    pub(crate) fn of(secret: &TagSecret, group: &GroupName) -> Option<Self> {
        let seal = UnboundKey::new(&CHACHA20_POLY1305, secret.part("etag", group).as_ref()).ok()?;
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, secret.part("nonce", group).as_ref());
        Some(Validators { seal: LessSafeKey::new(seal), nonces })
    }

    /// Removes the digests from an answer, and replaces ETags by tokens. `in_registry`: images are
    /// requested by the digest in this header.
    pub(crate) fn veil(&self, headers: &mut HeaderMap, in_registry: bool) {
        without_digests(headers, in_registry);
        let tags: Vec<HeaderValue> = headers.get_all(ETAG).iter().filter_map(|tag| self.token(tag)).collect();
        headers.remove(ETAG);
        for tag in tags {
            headers.append(ETAG, tag);
        }
    }

    /// Puts the ETags back into a request's conditions.
    pub(crate) fn unveil(&self, headers: &mut HeaderMap) {
        // `If` is from WebDAV (RFC 4918 §10.4).
        let holds_tags = |name: &HeaderName| {
            *name == "if" || name.as_str().ends_with("if-match") || name.as_str().ends_with("if-none-match")
        };
        for (name, value) in headers.iter_mut().filter(|(name, _)| holds_tags(name)) {
            let Some(text) = value.to_str().ok().filter(|text| text.contains(MARK)) else { continue };
            match HeaderValue::try_from(self.with_tags(text)) {
                Ok(tags) => *value = tags,
                Err(_) => tracing::debug!(%name, "A condition cannot be written with its ETag"),
            }
        }
    }

    fn token(&self, tag: &HeaderValue) -> Option<HeaderValue> {
        let (before, text, behind) = parts(tag.as_bytes());
        let made = hmac::sign(&self.nonces, text);
        let nonce: [u8; NONCE] = made.as_ref().get(..NONCE)?.try_into().ok()?;
        let mut sealed = text.to_vec();
        let nonce_of_it = Nonce::assume_unique_for_key(nonce);
        self.seal.seal_in_place_append_tag(nonce_of_it, Aad::empty(), &mut sealed).ok()?;
        let token = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        HeaderValue::from_bytes(&[before, MARK.as_bytes(), token.as_bytes(), behind].concat()).ok()
    }

    /// The text with each token of this group replaced; others are left as they are.
    fn with_tags(&self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(MARK) {
            out.extend_from_slice(before.as_bytes());
            let end =
                behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(behind.len());
            match self.tag(&behind[..end]) {
                Some(tag) => {
                    out.extend(tag);
                    rest = &behind[end..];
                }
                None => {
                    out.extend_from_slice(MARK.as_bytes());
                    rest = behind;
                }
            }
        }
        out.extend_from_slice(rest.as_bytes());
        out
    }

    fn tag(&self, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let (nonce, mut sealed) = (Nonce::assume_unique_for_key(nonce.try_into().ok()?), sealed.to_vec());
        self.seal.open_in_place(nonce, Aad::empty(), &mut sealed).ok().map(|tag| tag.to_vec())
    }
}

/// The same for trailers.
pub(crate) fn without_digests(headers: &mut HeaderMap, in_registry: bool) {
    let says = |name: &&HeaderName| {
        let is_address = in_registry && name.as_str() == "docker-content-digest";
        !is_address && **name != ETAG && name.as_str().split(['-', '_']).any(|word| DIGESTS.contains(&word))
    };
    let names: Vec<HeaderName> = headers.keys().filter(says).cloned().chain([ACCEPT_RANGES]).collect();
    for name in names {
        headers.remove(name);
    }
}

/// Removes the length of a body, and its length before packing: words that repeat a secret pack
/// shorter beside it than others. `keeps`: whether `Content-Length` reveals none of that.
pub(crate) fn without_lengths(headers: &mut HeaderMap, keeps: bool) {
    let says = |name: &&HeaderName| {
        normal_name(name.as_str()).ends_with("content_length") && !(keeps && *name == CONTENT_LENGTH)
    };
    let names: Vec<HeaderName> = headers.keys().filter(says).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// `W/"`, the tag itself, `"` (RFC 9110 §8.8.3); some servers leave the quotes out.
fn parts(tag: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let weak = if tag.starts_with(b"W/") { 2 } else { 0 };
    match (tag.get(weak), tag.last()) {
        (Some(b'"'), Some(b'"')) if tag.len() >= weak + 2 => {
            let (before, rest) = tag.split_at(weak + 1);
            let (text, behind) = rest.split_at(rest.len() - 1);
            (before, text, behind)
        }
        _ => {
            let (before, text) = tag.split_at(weak);
            (before, text, b"")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn an_etag_comes_back_in_a_condition_and_says_nothing_meanwhile() {
        let (secret, group) = (TagSecret::random(), |name: &str| GroupName::parse(name).unwrap());
        let door = Validators::of(&secret, &group("family")).unwrap();
        let next = Validators::of(&TagSecret::kept(*secret.bytes()), &group("family")).unwrap();
        let others = [
            Validators::of(&secret, &group("work")).unwrap(),
            Validators::of(&TagSecret::random(), &group("family")).unwrap(),
        ];
        for tag in ["\"0123456789abcdef\"", "W/\"0123456789abcdef\"", "0123456789abcdef", "W/0123456789abcdef", "\"\""]
        {
            let mut came = headers(&[("etag", tag)]);
            door.veil(&mut came, false);
            let token = came[ETAG].to_str().unwrap().to_owned();
            assert!(!token.contains("0123") && token != tag, "{token}");
            let mut again = headers(&[("etag", tag)]);
            next.veil(&mut again, false);
            assert_eq!(again[ETAG], token, "a cache must know it again");
            for name in ["if-none-match", "if-match", "x-amz-copy-source-if-match", "if"] {
                let mut asked = headers(&[(name, &format!("\"one\", {token}, dw-no, \"dw-AAAA\""))]);
                others.iter().for_each(|other| other.unveil(&mut asked));
                assert!(asked[name].to_str().unwrap().contains(&token), "another group's knows nothing of it");
                next.unveil(&mut asked);
                assert_eq!(asked[name], format!("\"one\", {tag}, dw-no, \"dw-AAAA\""));
            }
        }
    }

    #[test]
    fn what_says_what_a_body_adds_up_to_goes() {
        let all = [
            "digest",
            "content-digest",
            "repr-digest",
            "content-md5",
            "x-amz-checksum-sha256",
            "x-amz-checksum-crc64nvme",
            "x-goog-hash",
            "x-ms-content-crc64",
            "x-ms-blob-content-md5",
            "x-checksum-sha1",
            "accept-ranges",
            "docker-content-digest",
            "x-content-sha512",
            "x-linked-etag",
            "x-sha",
        ];
        let mut came = headers(&all.map(|name| (name, "x")));
        came.insert("x-amz-version-id", HeaderValue::from_static("x"));
        let mut registry = came.clone();
        without_digests(&mut came, false);
        assert_eq!(came.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-amz-version-id"]);
        without_digests(&mut registry, true);
        assert!(registry.contains_key("docker-content-digest") && registry.len() == 2);
    }
}
