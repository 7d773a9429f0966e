//! Why a sandbox does not start, in words.

use std::io;
use std::path::PathBuf;

use containers::StartError;

use super::disk::{Bound, Usage};
use super::mounts::MountError;
use super::walk::{DEEPEST, Unseen};
use super::watch;
use crate::agents::NoKey;
use crate::config::ConfigError;
use crate::gateway::GatewayError;
use crate::images::ImageError;
use crate::memory::MemoryError;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The group's settings file is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Its image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its agent would have no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// A folder on the host cannot be prepared.
    #[error("the sandbox's folder {path} cannot be made ready: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Its door cannot be opened.
    #[error(transparent)]
    Door(#[from] GatewayError),
    /// The memory for all groups cannot be copied.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A folder of the owner's cannot be mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The container cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its group's folders are over their limit.
    #[error("{0}")]
    TooMuch(String),
    /// Its group has filled the disk, which is still almost full.
    #[error("{}", watch::ALMOST_FULL)]
    AlmostFull,
    /// The remains of a dead daemon cannot be removed.
    #[error("sandboxes of an earlier daemon could not be removed: {0}")]
    Orphans(String),
}

/// The message when a group's folders are full, before a sandbox starts or when it is ended.
pub(super) fn too_much(usage: &Usage, bound: Bound) -> String {
    let place = "what the group may write to";
    if usage.bytes <= bound.bytes
        && usage.files <= bound.files
        && let Some(unseen) = &usage.unseen
    {
        return match unseen {
            Unseen::Deep(path) => format!(
                "{place} cannot be measured: {} has folders more than {DEEPEST} deep in it. Its owner removes them",
                shown(path.iter().take(1).collect()),
            ),
            Unseen::Closed(path) => format!(
                "{place} cannot be measured: {} is closed to Doorward. Its owner opens it (chmod u+rwx), or removes it",
                shown(path.clone()),
            ),
        };
    }
    format!(
        "the group's folder and its agent's home hold more than they may, {bound}. Its owner makes room \
         there, or raises `disk` or `files` under [limits] in groups/NAME.toml"
    )
}

/// A folder's path below a group's, if it has one that a chat can be shown.
fn shown(path: PathBuf) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+".contains(c);
    match path.to_str().filter(|path| (1..=100).contains(&path.len()) && path.chars().all(plain)) {
        Some(path) => format!("`{path}`"),
        None => "a folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_named_where_a_chat_can_be_shown_the_name() {
        let bound = Bound { bytes: 1 << 30, files: 10 };
        let said = |unseen| too_much(&Usage { unseen: Some(unseen), ..Usage::default() }, bound);
        let closed = |path: &str| said(Unseen::Closed(path.into()));
        assert!(closed("a/b").contains("`a/b` is closed to Doorward"), "{}", closed("a/b"));
        for odd in ["", "a\nb", "a b", "a`b", &"d/".repeat(200)] {
            assert!(closed(odd).contains(": a folder is closed"), "{}", closed(odd));
        }
        assert!(said(Unseen::Deep("d/".repeat(200).into())).contains("`d` has folders more than 200 deep"));
        let full = Usage { files: 11, unseen: Some(Unseen::Closed("a".into())), ..Usage::default() };
        assert!(too_much(&full, bound).contains("hold more than they may"));
    }
}
