//! Long work on another thread that ends early when its owner wants no more of it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, environment, progress, up};

/// Reads and writes as what is in it does, until the owner has had enough: then with an error, by
/// which whoever works with it cleans up.
pub(super) struct Stoppable<T> {
    inner: T,
    stop: Stop,
    /// How many bytes have gone through.
    pub(super) bytes: u64,
}

/// Whether the owner has had enough.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl<T> Stoppable<T> {
    pub(super) fn new(inner: T, stop: Stop) -> Self {
        Stoppable { inner, stop, bytes: 0 }
    }

    fn go_on(&self) -> io::Result<()> {
        if self.stop.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("it was interrupted, and nothing of it is left"));
        }
        Ok(())
    }
}

impl<W: Write> Write for Stoppable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go_on()?;
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        let read = self.inner.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Does it on a thread of its own; Ctrl-C ends it as soon as it reads or writes again.
pub(super) async fn work<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce(Stop) -> T + Send + 'static,
) -> Result<T, Failure> {
    let stop = Stop::default();
    let thread = {
        let stop = stop.clone();
        tokio::task::spawn_blocking(move || work(stop))
    };
    let mut done = std::pin::pin!(progress::while_waiting(doing, thread));
    let done = tokio::select! {
        done = &mut done => done,
        () = up::interrupted() => {
            stop.0.store(true, Ordering::Relaxed);
            done.await
        }
    };
    done.map_err(environment)
}
