//! Why a sandbox does not start, in words.

use std::io;
use std::path::PathBuf;

use containers::StartError;

use super::mounts::MountError;
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
