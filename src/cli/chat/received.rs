//! Files received in a terminal chat: stored in a folder of Doorward's data, under a free name.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use desk::screen::on_screen;

use super::super::show::{Styled, Tone};
use super::super::{Failure, refused};
use crate::channels::protocol::OutgoingFile;
use crate::home::create_private_dir;

/// Stores a file; its bytes are removed from the message. A file that comes again is the same one.
pub(super) fn keep(folder: &Path, id: u64, file: &mut OutgoingFile) -> Result<PathBuf, Failure> {
    let data = std::mem::take(&mut file.data);
    let bytes = BASE64_STANDARD.decode(data).map_err(|_| refused(anyhow!("a file of the daemon's is no base64")))?;
    // A single path component, whatever the daemon says.
    let name = Path::new(&file.name).file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy());
    let path = folder.join(format!("{id}-{name}"));
    create_private_dir(folder)?;
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let kept = opened.and_then(|mut kept| kept.write_all(&bytes));
    kept.with_context(|| format!("the file cannot be kept at {}", path.display()))?;
    Ok(path)
}

/// A file, for a person.
pub(super) fn shown(file: &OutgoingFile, caption: &str, kept: &Path) -> Styled {
    let caption = if caption.trim().is_empty() { String::new() } else { format!("{caption}\n") };
    let size = desk::size::in_words(file.size);
    Styled::from(caption)
        + Tone::Strong.of(&format!("[{}, {size}]", on_screen(&file.name)))
        + format!(" kept at {}", kept.display())
}
