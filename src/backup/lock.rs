//! What a backup is locked with: a passphrase, or keys of the `age` tool.

use std::io::{self, Read, Write};
use std::iter;
use std::str::FromStr;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

/// The cost of trying a passphrase, as a power of two: about a second and 256 MiB, as `age` itself has it.
const WORK: u8 = 18;

/// The greatest that is accepted of a file: a backup of whoever's must not take all memory.
const MOST_WORK: u8 = 20;

/// Locks a backup.
pub enum Lock {
    /// Whoever knows it can open the backup.
    Passphrase(SecretString),
    /// Whoever has one of their secret keys can.
    Keys(Vec<x25519::Recipient>),
}

/// Opens one.
pub enum Key {
    /// The passphrase.
    Passphrase(SecretString),
    /// The keys of a file that `age-keygen` wrote.
    File(Vec<x25519::Identity>),
}

/// Why a backup does not open.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A public key that is none.
    #[error("{0:?} is no public key of age: those begin with age1, as `age-keygen` prints them")]
    Recipient(String),
    /// A key file without a key.
    #[error("there is no key in it: a line that begins with AGE-SECRET-KEY-1, as `age-keygen` writes it")]
    Identity,
    /// The file is something else.
    #[error("this is no backup: not a file that age has encrypted")]
    NotAge,
    /// The other way was used.
    #[error("this backup was locked with a key, not with a passphrase; give its file with --key")]
    WantsKey,
    /// The other way was used.
    #[error("this backup was locked with a passphrase, not with a key; leave --key out")]
    WantsPassphrase,
    /// The wrong one.
    #[error("this is not the passphrase of this backup")]
    Passphrase,
    /// The wrong one.
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

    /// Encrypts what is written to it, to its end.
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
    /// The secret keys of a file that `age-keygen` wrote.
    pub fn file(text: &str) -> Result<Self, KeyError> {
        let keys: Vec<_> = text.lines().filter_map(|line| x25519::Identity::from_str(line.trim()).ok()).collect();
        if keys.is_empty() { Err(KeyError::Identity) } else { Ok(Key::File(keys)) }
    }

    /// Decrypts what is read from it. A file that was cut off or changed is an error as it is read.
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
