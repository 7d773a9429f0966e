//! A yes, as the decision takes it: for one request, identified by its fingerprint, with one body
//! or with any within bounds. What it is not: a permit. Whoever keeps grants passes in those that
//! are valid now ([`crate::PolicyAt::with_grants`]) and removes used ones; only
//! [`crate::PolicyAt::decide`] makes a permit, and no grant opens what the policy does not ask
//! about.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Authority, Facts, GroupName, Upgrade};

/// Identifies an asked request apart from its body: its group, facts, head and credential. A hash, because
/// a query may hold what must not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// A hash of what a request's head says besides what is judged. Whoever reads heads makes it, and leaves
/// out what changes with each sending.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeadHash([u8; 32]);

/// The hash of a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyHash([u8; 32]);

/// The number of a grant where grants are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(pub u64);

/// Which bodies a yes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// This one, once.
    Once(BodyHash),
    /// Any within these bounds, until the run that asked ends.
    Answer(Bounds),
}

/// The bounds of a yes to a whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most requests.
    pub requests: u32,
    /// The most bytes of each body.
    pub bytes: u64,
    /// The longest time, in seconds.
    pub seconds: u64,
}

/// The owner's yes to one request.
///
/// It is made for a question that the decision put ([`crate::Ask`]) or read back from storage, and
/// gives nothing by itself:
///
/// ```compile_fail
/// fn forge(what: policies::Fingerprint) -> policies::Grant {
///     policies::Grant { what, ..unimplemented!() }
/// }
/// ```
/// ```compile_fail
/// fn permit(grant: policies::Grant, facts: policies::Facts) -> policies::Permit {
///     grant.permit(facts)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    id: GrantId,
    what: Fingerprint,
    gives: Granted,
}

impl Bounds {
    /// The bounds of each `answer`.
    pub const OF_AN_ANSWER: Bounds = Bounds { requests: 10, bytes: 64 << 10, seconds: 15 * 60 };
}

impl Fingerprint {
    /// For a request as it was judged.
    pub fn of(group: &GroupName, facts: &Facts, credential: Option<&str>, head: HeadHash) -> Self {
        // Destructured in full, so that a new field is hashed.
        let Facts { scheme, authority: Authority { host, port }, method, path, query, upgrade } = facts;
        let upgrade = match upgrade {
            None => "",
            Some(Upgrade::WebSocket) => "websocket",
        };
        let mut hasher = Sha256::new();
        let mut add = |text: Option<&str>| add(&mut hasher, text.map(str::as_bytes));
        add(Some(group.as_str()));
        add(Some(scheme.as_str()));
        add(Some(&host.to_string()));
        add(Some(&port.to_string()));
        add(Some(method.as_str()));
        add(Some(path.as_str()));
        add(query.as_ref().map(crate::Query::as_str));
        add(Some(upgrade));
        add(credential);
        hasher.update(head.0);
        Fingerprint(hasher.finalize().into())
    }
}

impl HeadHash {
    /// For these fields, by name and value, in this order.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hasher = Sha256::new();
        for (name, value) in fields {
            add(&mut hasher, Some(name.as_bytes()));
            add(&mut hasher, Some(value));
        }
        HeadHash(hasher.finalize().into())
    }
}

/// With its length, so that no two lists hash alike.
fn add(hasher: &mut Sha256, text: Option<&[u8]>) {
    let length = text.map_or(u64::MAX, |text| text.len() as u64);
    hasher.update(length.to_be_bytes());
    hasher.update(text.unwrap_or_default());
}

impl BodyHash {
    /// For a body as it was judged; a missing body is an empty one.
    pub fn of(body: &[u8]) -> Self {
        BodyHash(Sha256::digest(body).into())
    }
}

impl Grant {
    /// As read back from storage.
    pub fn kept(id: GrantId, what: Fingerprint, gives: Granted) -> Self {
        Grant { id, what, gives }
    }

    /// Its number.
    pub fn id(&self) -> GrantId {
        self.id
    }

    /// What it is for.
    pub fn what(&self) -> Fingerprint {
        self.what
    }

    /// Which bodies it is for.
    pub fn gives(&self) -> Granted {
        self.gives
    }

    /// Whether it is for this body.
    pub(crate) fn covers(&self, body: &[u8]) -> bool {
        match self.gives {
            Granted::Once(hash) => hash == BodyHash::of(body),
            Granted::Answer(bounds) => body.len() as u64 <= bounds.bytes,
        }
    }

    pub(crate) fn is_once(&self) -> bool {
        match self.gives {
            Granted::Once(_) => true,
            Granted::Answer(_) => false,
        }
    }
}

macro_rules! hashes {
    ($($name:ident),*) => {$(
        impl $name {
            /// Reads the hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let mut bytes = [0; 32];
                let plain = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                for (at, byte) in bytes.iter_mut().enumerate().filter(|_| plain) {
                    *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
                }
                plain.then_some($name(bytes))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

hashes!(Fingerprint, HeadHash, BodyHash);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    /// Requests that differ in anything have different fingerprints, and so do parts that are split
    /// differently.
    #[test]
    fn a_fingerprint_is_of_all_of_a_request() {
        let group = |name| GroupName::parse(name).unwrap();
        let facts = |method, url| Facts::parse(method, url).unwrap();
        let head = |fields: &[(&'static str, &'static str)]| {
            HeadHash::of(fields.iter().map(|(name, value)| (*name, value.as_bytes())))
        };
        let mut all = HashSet::new();
        for (name, method, url, credential, fields) in [
            ("family", "POST", "https://a.test/x", None, &[][..]),
            ("work", "POST", "https://a.test/x", None, &[]),
            ("family", "PUT", "https://a.test/x", None, &[]),
            ("family", "POST", "https://a.test/x?", None, &[]),
            ("family", "POST", "https://a.test/x?a=1", None, &[]),
            ("family", "POST", "https://a.test/x?a=2", None, &[]),
            ("family", "POST", "https://a.test/y", None, &[]),
            ("family", "POST", "https://a.test:8443/x", None, &[]),
            ("family", "POST", "http://a.test:443/x", None, &[]),
            ("family", "POST", "https://b.test/x", None, &[]),
            ("family", "POST", "https://a.test/x", Some(""), &[]),
            ("family", "POST", "https://a.test/x", Some("github"), &[]),
            ("family", "POST", "https://a.test/x", None, &[("content-type", "")]),
            ("family", "POST", "https://a.test/x", None, &[("content-type", "text/plain")]),
            ("family", "POST", "https://a.test/x", None, &[("content-typ", "etext/plain")]),
            ("family", "POST", "https://a.test/x", None, &[("content-type", "text/plain"), ("if-match", "1")]),
            ("family", "POST", "https://a.test/x", None, &[("if-match", "1"), ("content-type", "text/plain")]),
        ] {
            let fingerprint = Fingerprint::of(&group(name), &facts(method, url), credential, head(fields));
            assert!(all.insert(fingerprint), "{name} {method} {url} {credential:?} {fields:?}");
            assert_eq!(Fingerprint::of(&group(name), &facts(method, url), credential, head(fields)), fingerprint);
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
        let unread = Fingerprint::of(&group("family"), &facts("POST", "https://a.test/x"), None, HeadHash::default());
        assert!(all.insert(unread), "a head that nobody read is no empty one");
        for text in ["", "00", &"0".repeat(63), &"A".repeat(64), &"+0".repeat(32), &"\u{e9}".repeat(32)] {
            assert_eq!(BodyHash::parse(text), None, "{text}");
        }
    }
}
