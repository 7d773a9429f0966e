//! How a backup is encrypted: with a passphrase, or with keys of the `age` tool.

use std::io::{self, Read, Write};
use std::iter;
use std::str::FromStr;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

/// The cost of trying a passphrase, as a power of two: about a second and 256 MiB, as in `age` itself.
const WORK: u8 = 18;

/// The highest cost accepted from a file: nobody's backup may take all memory.
const MOST_WORK: u8 = 20;

/// Encrypts a backup.
pub enum Lock {
    /// Anyone who knows it can open the backup.
    Passphrase(SecretString),
    /// Anyone with one of the secret keys can.
    Keys(Vec<x25519::Recipient>),
}

/// Decrypts a backup.
pub enum Key {
    /// The passphrase.
    Passphrase(SecretString),
    /// The keys in a file from `age-keygen`.
    File(Vec<x25519::Identity>),
}

/// Why a backup cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// An invalid public key.
    #[error("{0:?} is no public key of age: those begin with age1, as `age-keygen` prints them")]
    Recipient(String),
    /// A key file without a key.
    #[error("there is no key in it: a line that begins with AGE-SECRET-KEY-1, as `age-keygen` writes it")]
    Identity,
    /// The file is something else.
    #[error("this is no backup: not a file that age has encrypted")]
    NotAge,
    /// It needs a key, not a passphrase.
    #[error("this backup was locked with a key, not with a passphrase; give its file with --key")]
    WantsKey,
    /// It needs a passphrase, not a key.
    #[error("this backup was locked with a passphrase, not with a key; leave --key out")]
    WantsPassphrase,
    /// The wrong passphrase.
    #[error("this is not the passphrase of this backup")]
    Passphrase,
    /// The wrong keys.
    #[error("none of these keys opens this backup")]
    Key,
    /// Something else is wrong with it.
    #[error("the backup cannot be opened: {0}")]
    Other(String),
}

impl Lock {
    /// For the owners of these public keys.
    pub fn keys<'a>(public: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyError> {
        let read = |text: &str| x25519::Recipient::from_str(text).map_err(|_| KeyError::Recipient(text.to_owned()));
        Ok(Lock::Keys(public.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Encrypts everything written to it.
    pub(super) fn seal<W: Write>(&self, output: W) -> io::Result<age::stream::StreamWriter<W>> {
        let encryptor = match self {
            Lock::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
            }
            Lock::Keys(keys) => Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient)),
        };
        encryptor.map_err(io::Error::other)?.wrap_output(output)
    }
}

impl Key {
    /// The secret keys in a file from `age-keygen`.
    pub fn file(text: &str) -> Result<Self, KeyError> {
        let keys: Vec<_> = text.lines().filter_map(|line| x25519::Identity::from_str(line.trim()).ok()).collect();
        if keys.is_empty() { Err(KeyError::Identity) } else { Ok(Key::File(keys)) }
    }

    /// Decrypts everything read from it. A file that was cut off or changed fails while it is read.
    pub(super) fn open<R: Read>(&self, input: R) -> Result<age::stream::StreamReader<R>, KeyError> {
        let decryptor = Decryptor::new(input).map_err(|_| KeyError::NotAge)?;
        let opened = match (self, decryptor.is_scrypt()) {
            (Key::Passphrase(_), false) => return Err(KeyError::WantsKey),
            (Key::File(_), true) => return Err(KeyError::WantsPassphrase),
            (Key::Passphrase(passphrase), true) => {
                let mut identity = scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MOST_WORK);
                decryptor.decrypt(iter::once(&identity as &dyn age::Identity))
            }
            (Key::File(keys), false) => decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)),
        };
        opened.map_err(|error| match (error, self) {
            (DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed, Key::File(_)) => KeyError::Key,
            (DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed, Key::Passphrase(_)) => KeyError::Passphrase,
            (DecryptError::KeyDecryptionFailed, _) => KeyError::Passphrase,
            (other, _) => KeyError::Other(other.to_string()),
        })
    }
}
