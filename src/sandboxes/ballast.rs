//! Reserved disk space that is released when a sandbox has filled the disk: the store and the log then have room at
//! once, before the owner has made any.

use std::io::ErrorKind;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};

use super::disk::Room;
use crate::home::open_private_file;

/// The most that the file takes; also at most half of the reserve.
const MOST: u64 = 32 << 20;

/// The file in the home's data folder.
#[derive(Clone, Debug)]
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    pub(super) fn at(path: PathBuf) -> Self {
        Ballast { path }
    }

    /// Reserves the space, if that has not been done and there is plenty. A file system that cannot reserve space has
    /// no ballast.
    pub(super) fn take(&self, room: &Room) {
        if self.path.exists() || !self.fits(room) {
            return;
        }
        let taken = open_private_file(&self.path)
            .is_ok_and(|file| fallocate(file, FallocateFlags::empty(), 0, bytes(room).max(1)).is_ok());
        if !taken {
            self.give_back();
        }
    }

    /// Whether the disk has enough room with the ballast in place.
    pub(super) fn fits(&self, room: &Room) -> bool {
        !room.is_short() && (self.path.exists() || room.bytes >= room.reserve.bytes + 2 * bytes(room))
    }

    /// Releases the space.
    pub(super) fn give_back(&self) {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "The space held back for a full disk could not be freed");
            }
            _ => {}
        }
    }
}

fn bytes(room: &Room) -> u64 {
    MOST.min(room.reserve.bytes / 2)
}
