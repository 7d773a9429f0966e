//! Reads what an owner writes. A pipe or a device in such a file's place would never end.

use std::fs::Metadata;
use std::io;
use std::path::Path;

/// It is read into memory whole.
const LONGEST: u64 = 64 << 20;

/// The text of a regular file.
pub fn read_text(path: &Path) -> io::Result<String> {
    is_a_file(&std::fs::metadata(path)?)?;
    std::fs::read_to_string(path)
}

/// An error where reading might not end.
pub fn is_a_file(found: &Metadata) -> io::Result<()> {
    match found.is_file() && found.len() <= LONGEST {
        true => Ok(()),
        false => Err(io::Error::other("it is no regular file of at most 64 MiB")),
    }
}
