//! What `doctor --fix` does: only what takes nothing away and lets nobody in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A remedy that can do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// Gives a file or folder another mode: one that is closed to others.
    Mode {
        /// Which.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
}

impl Mend {
    /// Does it.
    pub(super) fn done(&self) -> io::Result<()> {
        match self {
            // A link would lead the change elsewhere.
            Mend::Mode { path, .. } if fs::symlink_metadata(path)?.is_symlink() => {
                Err(io::Error::other(format!("{} is a link", path.display())))
            }
            Mend::Mode { path, mode } => fs::set_permissions(path, Permissions::from_mode(*mode)),
        }
    }
}
