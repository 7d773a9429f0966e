//! Pipes to an agent's process, for the guest's single thread to wait on.

use std::{io, os::fd::OwnedFd};

use tokio::net::unix::pipe::{Receiver, Sender};

/// The reading end.
pub(crate) fn receiver(end: impl Into<OwnedFd>) -> io::Result<Receiver> {
    Receiver::from_owned_fd(unblocked(end)?)
}

/// The writing end.
pub(crate) fn sender(end: impl Into<OwnedFd>) -> io::Result<Sender> {
    Sender::from_owned_fd(unblocked(end)?)
}

fn unblocked(end: impl Into<OwnedFd>) -> io::Result<OwnedFd> {
    let descriptor = end.into();
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(descriptor)
}
