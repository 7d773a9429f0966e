//! The kernel's side entrances.

use rustix::mount::{MountFlags, mount as mount_at};

use super::Outcome;
use crate::kernel;

pub(super) fn vsock() -> Outcome {
    judge(kernel::vsock_permitted(), "a vsock socket")
}

pub(super) fn io_uring() -> Outcome {
    judge(kernel::io_uring_permitted(), "io_uring")
}

/// Contexts are counted for the whole machine: whoever may create them can take them all.
pub(super) fn aio() -> Outcome {
    judge(kernel::aio_permitted(), "contexts of asynchronous I/O")
}

/// Attaches to the guest. The kernel stops an attached process and lets it go on when we exit.
pub(super) fn ptrace() -> Outcome {
    kernel::ptrace_attach(1).map(|()| "attached to pid 1".to_owned()).map_err(|error| error.to_string())
}

pub(super) fn mount() -> Outcome {
    mount_at("none", "/tmp", "tmpfs", MountFlags::empty(), None)
        .map(|()| "mounted a file system on /tmp".to_owned())
        .map_err(|error| error.to_string())
}

fn judge(permitted: bool, what: &str) -> Outcome {
    if permitted { Ok(format!("the kernel offers {what}")) } else { Err(format!("the kernel refuses {what}")) }
}
