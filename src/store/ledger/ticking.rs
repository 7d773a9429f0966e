//! A thread that does something every so often.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The running thread; ends, after a last time, when this is dropped.
#[derive(Debug)]
pub(super) struct Ticking {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticking {
    /// Calls `work` every so often, and at the end with `true`.
    pub(super) fn start(name: &'static str, every: Duration, mut work: impl FnMut(bool) + Send + 'static) -> Self {
        let (stop, stopped) = channel();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                work(false);
            }
            work(true);
        });
        if let Err(error) = &thread {
            // Alarms are still made durable one by one, every line survives the daemon, and whoever asks brings the
            // index up to date.
            tracing::error!(%error, name, "Thread of the audit log not started");
        }
        Ticking { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
