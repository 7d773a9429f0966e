//! Text from a sandbox as a record may hold it: visible, cut short, and without watched secrets.

use sha2::{Digest, Sha256};

/// The longest excerpt of such text that the log keeps.
pub(super) const EXCERPT: usize = 512;

/// The longest path, or reason, that it keeps whole.
pub(super) const LONGEST: usize = 2 << 10;

/// A target without the part before `@`, which may be a password (attack A08).
pub(super) fn without_user(target: &str) -> String {
    let (scheme, rest) = target.split_once("://").map_or(("", target), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match (authority.rsplit_once('@'), scheme) {
        (None, _) => target.to_owned(),
        (Some((_, host)), "") => format!("…@{host}{path}"),
        (Some((_, host)), scheme) => format!("{scheme}://…@{host}{path}"),
    }
}

/// Cut to the length that the log keeps; the hash distinguishes texts with the same beginning.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let hash: String = Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = &text[..text.floor_char_boundary(LONGEST)];
    format!("{kept}… ({} bytes, SHA-256 {hash}…)", text.len())
}
