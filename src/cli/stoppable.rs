//! Long work on another thread that ends early when its owner cancels it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, environment, progress, up};

/// Passes reads and writes through until the owner cancels, and then fails, so that whoever uses it cleans up.
pub(super) struct Stoppable<T> {
    inner: T,
    stop: Stop,
    /// How many bytes have passed through.
    pub(super) bytes: u64,
}

/// Whether the owner has cancelled.
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

/// Runs the work on a separate thread; Ctrl-C ends it at its next read or write.
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
