//! Why a sandbox does not start, and why one is lost, in words.

use std::{io, time::Duration};

use bollard::errors::Error;

use crate::{BundleError, Finding};

/// The sandbox did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such image.
    #[error("the image {image} is not there. To get it: {how}", how = crate::images::how_to_get(.image))]
    ImageMissing {
        /// Its name in the spec.
        image: String,
    },
    /// The engine refused.
    #[error("the container engine could not {step} the sandbox: {source}")]
    Engine {
        /// At which step.
        step: &'static str,
        /// What it said.
        source: Error,
    },
    /// No engine is listening on the socket.
    #[error(
        "the container engine cannot be reached; it may have been stopped. On most machines `sudo systemctl start \
         docker` starts it, and `doorward doctor` says more"
    )]
    NoEngine,
    /// The engine accepts requests but does not answer.
    #[error(
        "the container engine does not answer (when asked to {step} the sandbox); restart it, or wait until it does"
    )]
    Deaf {
        /// At which step.
        step: &'static str,
    },
    /// The CA bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file for the engine could not be written.
    #[error("a file for the sandbox could not be written: {0}")]
    Io(#[from] io::Error),
    /// The sandbox is not what was asked for.
    #[error("the sandbox is not what was asked for, so it was removed: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    AttestationFailed {
        /// All differences.
        findings: Vec<Finding>,
    },
    /// The guest ended, or broke the protocol.
    #[error("the sandbox's guest did not start: {0}")]
    Guest(#[from] SandboxLost),
}

/// The sandbox is lost; its container was killed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxLost {
    /// It ended by itself.
    #[error("the sandbox ended{}", if .why.is_empty() { String::new() } else { format!(": {}", .why) })]
    Ended {
        /// The reason, as far as known.
        why: String,
    },
    /// It took too long.
    #[error("the sandbox did not {what} within {} seconds", .patience.as_secs())]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        patience: Duration,
    },
    /// It broke the protocol.
    #[error("the sandbox was ended because it sent {0}")]
    Malformed(String),
    /// The connection to the engine broke.
    #[error("the connection to the sandbox broke: {0}")]
    Connection(String),
}

/// The engine's error at a step.
pub(crate) fn at(step: &'static str) -> impl FnOnce(Error) -> StartError {
    move |source| match source {
        // The library's own message is for programmers.
        Error::HyperLegacyError { ref err } if err.is_connect() => StartError::NoEngine,
        Error::RequestTimeoutError => StartError::Deaf { step },
        source => StartError::Engine { step, source },
    }
}
