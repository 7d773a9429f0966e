//! Why the gateway does not start, or a door does not open, in words.

use std::io;
use std::path::PathBuf;

use proxy::{CaError, TlsError};

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A file in `extra_ca` is wrong.
    #[error("extra_ca: {path}: {why}; it must hold certificates in PEM form", path = path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file in `crl` is wrong.
    #[error("crl: {path}: {why}", path = path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A door's certificate authority cannot be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// TLS to upstreams cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The folders of `crl` cannot be watched.
    #[error("crl: the lists cannot be watched: {0}")]
    Watch(#[from] notify::Error),
    /// The doors' threads cannot be started.
    #[error("the threads that doors are served on cannot be started: {0}")]
    Threads(#[source] io::Error),
    /// A door's socket cannot be opened.
    #[error("the door {path} cannot be opened: {error}", path = path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}
