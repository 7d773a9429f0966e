//! Names of complete files in a folder, as the kernel reports them.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// How often a folder is polled if it cannot be watched, because its user's watches are used up.
const LOOK: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A file was closed or moved here.
    Complete(CString),
    /// Something was created here that may not be complete: a link, or a file that is being written.
    Made(CString),
    /// Anything may have happened.
    All,
    /// The folder has gone.
    Gone,
}

/// A watched folder; nothing if it cannot be watched.
#[derive(Debug)]
pub(super) struct Watch(Option<AsyncFd<OwnedFd>>);

impl Watch {
    pub(super) fn of(folder: &Path) -> Self {
        #[expect(deprecated, reason = "a descriptor that is owned is open for as long as it is registered")]
        let watch = || -> std::io::Result<AsyncFd<OwnedFd>> {
            let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let what = WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::CREATE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR
                | WatchFlags::DONT_FOLLOW;
            inotify::add_watch(&kernel, folder, what)?;
            AsyncFd::new(kernel)
        };
        Watch(watch().ok())
    }

    /// The next events, at least one.
    pub(super) async fn next(&self) -> Vec<Seen> {
        let Some(kernel) = &self.0 else {
            sleep(LOOK).await;
            return vec![Seen::All];
        };
        loop {
            let Ok(mut ready) = kernel.readable().await else { return vec![Seen::Gone] };
            let seen = read(kernel.get_ref());
            if !seen.is_empty() {
                return seen;
            }
            ready.clear_ready();
        }
    }
}

/// All pending events.
fn read(kernel: &OwnedFd) -> Vec<Seen> {
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut reader = Reader::new(kernel, &mut buffer);
    let mut seen = Vec::new();
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::INTR) => continue,
            Err(_) => return seen,
        };
        let what = event.events();
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            seen.push(Seen::All);
        } else if what.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
            seen.push(Seen::Gone);
        } else if let Some(name) = event.file_name() {
            let complete = what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO);
            seen.push(if complete { Seen::Complete(name.into()) } else { Seen::Made(name.into()) });
        }
    }
}
