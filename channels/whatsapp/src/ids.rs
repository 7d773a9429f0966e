//! Ids of the messages we send: the same for a resend, and recognisable as ours.
//!
//! Phones drop a second message with an id that they already have, so a resend after a crash shows
//! once. And in a self-chat the assistant writes under the owner's account: only the id shows who
//! wrote a quoted message, also after a restart. An id has the form of WhatsApp Web's: `3EB0`, six
//! bytes that identify the message, and three that prove that we made it.

use sha2::{Digest, Sha256};

const PREFIX: &str = "3EB0";
const NAME: usize = 6;
const PROOF: usize = 3;

/// Makes and recognises ids. The key changes when the account is linked anew.
#[derive(Clone)]
pub(crate) struct Ids([u8; 32]);

impl Ids {
    /// Derives the key from a secret of the linked device.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Ids(hash(&[b"doorward message ids", secret]))
    }

    /// The id of a message. It covers the text: a new database of the daemon starts counting again,
    /// and an old id must not make phones drop a new message.
    pub(crate) fn id(&self, chat: &str, number: u64, text: &str) -> String {
        let name = hash(&[&self.0, b"name", chat.as_bytes(), &number.to_be_bytes(), text.as_bytes()]);
        let name = &name[..NAME];
        format!("{PREFIX}{}{}", hex(name), hex(&self.proof(name)))
    }

    /// Whether we made this id.
    pub(crate) fn is_ours(&self, id: &str) -> bool {
        let Some(bytes) = id.strip_prefix(PREFIX).and_then(unhex) else { return false };
        bytes.len() == NAME + PROOF && self.proof(&bytes[..NAME]) == bytes[NAME..]
    }

    fn proof(&self, name: &[u8]) -> [u8; PROOF] {
        let hash = hash(&[&self.0, b"proof", name]);
        [hash[0], hash[1], hash[2]]
    }
}

/// Each part with its length, so that no two lists of parts hash alike.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resend_has_the_same_id() {
        let ids = Ids::new(&[7; 32]);
        assert_eq!(ids.id("a", 1, "hi"), ids.id("a", 1, "hi"));
        assert_eq!(ids.id("a", 1, "hi").len(), 22);
    }

    #[test]
    fn anything_else_has_another() {
        let ids = Ids::new(&[7; 32]);
        let id = ids.id("a", 1, "hi");
        for other in
            [ids.id("b", 1, "hi"), ids.id("a", 2, "hi"), ids.id("a", 1, "ho"), Ids::new(&[8; 32]).id("a", 1, "hi")]
        {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn ours_are_known_and_others_are_not() {
        let ids = Ids::new(&[7; 32]);
        let id = ids.id("a", 1, "hi");
        assert!(ids.is_ours(&id));
        assert!(!Ids::new(&[8; 32]).is_ours(&id));
        for other in ["", "3EB0", "3EB0C767D82B632A2E00AA", "3A0123456789ABCDEF01", "3EB0ÄÄÄÄÄÄÄÄÄ", &id[..20]]
        {
            assert!(!ids.is_ours(other), "{other}");
        }
    }
}
