//! The secret behind sandboxes' stand-ins for ETags, kept across restarts: what an agent's calendar or cache has stored
//! is still valid tomorrow.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use proxy::TagSecret;

/// The secret in this file, or a new one, stored there. If it cannot be stored, it lasts until the daemon ends.
pub(super) fn kept_at(path: &Path) -> TagSecret {
    if let Some(kept) = std::fs::read(path).ok().and_then(|bytes| bytes.try_into().ok()) {
        return TagSecret::kept(kept);
    }
    let secret = TagSecret::random();
    if let Err(error) = write(path, secret.bytes()) {
        tracing::warn!(%error, "What stands for ETags cannot be kept, and will be another after the next start");
    }
    secret
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    // Readable by the owner only.
    let mut aside = tempfile::NamedTempFile::new_in(dir)?;
    aside.write_all(bytes).and_then(|()| aside.as_file().sync_all())?;
    aside.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_the_same_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etags.key");
        let first = kept_at(&path);
        assert_eq!(kept_at(&path).bytes(), first.bytes());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "cut short").unwrap();
        let second = kept_at(&path);
        assert_ne!(second.bytes(), first.bytes());
        assert_eq!(kept_at(&path).bytes(), second.bytes());
        assert_ne!(kept_at(&dir.path().join("nowhere/etags.key")).bytes(), second.bytes());
    }
}
