//! Checkpoints: lines that state the chain so far, signed with a key of this installation
//! (`audit.key`, 0600, made at the first start). Whoever has the files but not the key cannot forge
//! another past.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::frame;
use crate::line::{self, Chain, Link};

/// The kind of a checkpoint line.
pub(crate) const KIND: &str = "checkpoint";

/// Precedes the signature, which covers everything before this.
const SIGNATURE: &[u8] = b",\"signature\":\"";

/// The installation's signing key.
#[derive(Clone)]
pub struct Key(Arc<Ed25519KeyPair>);

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} {why}", path = path.display())]
pub struct KeyError {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads the key, or makes it: written to a temporary file and linked into place.
    pub fn at(path: &Path) -> Result<Self, KeyError> {
        let broken = |why: String| KeyError { path: path.to_path_buf(), why };
        if !path.exists() {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| broken("cannot be made: the system gives no random numbers".to_owned()))?;
            place(path, made.as_ref()).map_err(|error| broken(format!("cannot be written: {error}")))?;
        }
        let bytes = std::fs::read(path).map_err(|error| broken(format!("cannot be read: {error}")))?;
        Ed25519KeyPair::from_pkcs8(&bytes).map(|pair| Key(Arc::new(pair))).map_err(|_| {
            broken("is no signing key; restore it from a backup, or move it away to get a new one".to_owned())
        })
    }

    /// The public half.
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

/// If two programs make it at once, one wins, and both use its key.
fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    aside.write_all(bytes)?;
    aside.as_file().sync_all()?;
    match aside.persist_noclobber(path) {
        Err(lost) if lost.error.kind() != io::ErrorKind::AlreadyExists => Err(lost.error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Writes the fields of a checkpoint after the beginning of the line, which starts at `start`: the
/// chain it covers, what was removed, and the signature over all that.
pub(crate) fn write(into: &mut Vec<u8>, start: usize, key: &Key, before: Chain, removed: Option<Link>) {
    // Writing to a Vec cannot fail.
    let _ = write!(into, ",\"covers\":\"{before}\"");
    if let Some(removed) = removed {
        let _ = write!(into, ",\"removed_to\":{},\"removed_chain\":\"{}\"", removed.seq, removed.chain);
    }
    into.extend_from_slice(b",\"key\":\"");
    into.extend(line::hex(key.public()));
    into.push(b'"');
    let signature = key.0.sign(&into[start..]);
    into.extend_from_slice(SIGNATURE);
    into.extend(line::hex(signature.as_ref()));
    into.push(b'"');
}

/// A checkpoint as read.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) covers: Chain,
    /// The last line that had been removed when the checkpoint was made.
    pub(crate) removed: Option<Link>,
    pub(crate) key: Vec<u8>,
}

impl Checkpoint {
    /// Reads one; `None` if its fields or its signature are wrong.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let at = memchr::memmem::rfind(text, SIGNATURE)?;
        let signature = bytes(frame::field(&text[at..], "signature")?)?;
        let text = &text[..at];
        let key = bytes(frame::field(text, "key")?)?;
        UnparsedPublicKey::new(&ED25519, &key).verify(text, &signature).ok()?;
        let removed = match frame::field(text, "removed_chain") {
            Some(chain) => Some(Link { seq: removed_to(text)?, chain: Chain::parse(chain)? }),
            None => None,
        };
        Some(Checkpoint { covers: Chain::parse(frame::field(text, "covers")?)?, removed, key })
    }
}

fn removed_to(text: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b",\"removed_to\":";
    let text = &text[memchr::memmem::find(text, NAME)? + NAME.len()..];
    let digits = text.split(|byte| !byte.is_ascii_digit()).next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Decodes hex digits.
fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(value(high)? << 4 | value(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}
