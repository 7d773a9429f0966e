//! The program's only folder: private from the first byte, used by one program at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rustix::fs::{FlockOperation, Mode, flock};

const SECRET: &str = "secret";

const PROOF: &str = "proof";

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// While this lives, no other program uses the keys.
#[derive(Debug)]
pub(crate) struct InUse(#[allow(dead_code)] File);

impl Folder {
    /// Opens the folder, and creates it if needed. From here on, whatever this process creates
    /// is readable by its user alone: the library would create the file with the private keys
    /// as 0644 if the umask allowed it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        rustix::process::umask(Mode::from_raw_mode(0o077));
        if !path.is_dir() {
            fs::DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(path)
                .with_context(|| format!("cannot make the folder {}", path.display()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot make {} private", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
        let folder = Folder(path);
        folder.tighten().with_context(|| format!("cannot make the files in {} private", folder.0.display()))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// WhatsApp's keys and sessions.
    pub(crate) fn session(&self) -> PathBuf {
        self.0.join("session.db")
    }

    /// How long messages stay in registered chats.
    pub(crate) fn timers(&self) -> PathBuf {
        self.0.join("timers.json")
    }

    /// The last known state.
    pub(crate) fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// The messages by which somebody proved which chat is the owner's, or tried to. Redelivered by WhatsApp, they must
    /// not reach the assistant.
    pub(crate) fn tried(&self) -> Vec<String> {
        let ids = fs::read_to_string(self.0.join(PROOF)).unwrap_or_default();
        ids.lines().map(str::to_owned).collect()
    }

    /// Stores their ids.
    pub(crate) fn keep_tried(&self, ids: &[String]) -> anyhow::Result<()> {
        let path = self.0.join(PROOF);
        fs::write(&path, ids.join("\n")).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Locks the folder for this process. Two copies with the same keys would disconnect each
    /// other at WhatsApp for ever.
    pub(crate) fn take(&self) -> anyhow::Result<InUse> {
        match self.try_take()? {
            Some(taken) => Ok(taken),
            None => {
                bail!("{} is in use by another doorward-whatsapp; end Doorward first, then try again", self.0.display())
            }
        }
    }

    /// Whether another process holds it.
    pub(crate) fn is_taken(&self) -> anyhow::Result<bool> {
        Ok(self.try_take()?.is_none())
    }

    fn try_take(&self) -> anyhow::Result<Option<InUse>> {
        let path = self.0.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(InUse(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The random secret of this link, created at first use.
    pub(crate) fn secret(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.0.join(SECRET);
        if !path.exists() {
            let fresh = self.0.join("secret.new");
            fs::write(&fresh, rand::random::<[u8; 32]>())
                .and_then(|()| fs::rename(&fresh, &path))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let length = bytes.len();
        bytes.try_into().map_err(|_| anyhow!("{} holds {length} bytes instead of 32; link anew", path.display()))
    }

    /// Deletes the keys.
    pub(crate) fn forget(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == SECRET || name == PROOF || name.to_string_lossy().starts_with("session.db") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn tighten(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600))?;
            }
        }
        Ok(())
    }
}
