//! What a sandbox sent, as a record may hold it: visible, cut short, and without what
//! is watched.

use sha2::{Digest, Sha256};

/// Longest piece of what a sandbox sent that the log keeps.
pub(super) const EXCERPT: usize = 512;

/// Longest path that it keeps whole, and longest reason.
pub(super) const LONGEST: usize = 2 << 10;

/// A target without what stands before `@`, which may be a password (attack A08).
pub(super) fn without_user(target: &str) -> String {
    let (scheme, rest) = target.split_once("://").map_or(("", target), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match (authority.rsplit_once('@'), scheme) {
        (None, _) => target.to_owned(),
        (Some((_, host)), "") => format!("…@{host}{path}"),
        (Some((_, host)), scheme) => format!("{scheme}://…@{host}{path}"),
    }
}

/// Cut to what the log keeps; the hash tells apart what begins the same.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let hash: String = Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = &text[..text.floor_char_boundary(LONGEST)];
    format!("{kept}… ({} bytes, SHA-256 {hash}…)", text.len())
}
