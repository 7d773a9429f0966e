//! The changes of `doctor --fix`: only those that lose nothing and let nobody in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A harmless remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// Gives a file or folder another mode, closed to others.
    Mode {
        /// The path.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
}

impl Mend {
    /// Carries it out.
    pub(super) fn done(&self) -> io::Result<()> {
        match self {
            // A link would redirect the change.
            Mend::Mode { path, .. } if fs::symlink_metadata(path)?.is_symlink() => {
                Err(io::Error::other(format!("{} is a link", path.display())))
            }
            Mend::Mode { path, mode } => fs::set_permissions(path, Permissions::from_mode(*mode)),
        }
    }
}
