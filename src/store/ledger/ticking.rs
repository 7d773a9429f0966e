//! A thread that works at intervals while there is something to do, and rests otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The longest rest: what is due only by the clock is due in hours.
const REST: Duration = Duration::from_hours(1);

/// Ends a thread's rest.
#[derive(Debug)]
pub(super) struct Bell {
    /// Whether there may be work that the thread has not looked for yet.
    rung: AtomicBool,
    over: AtomicBool,
    to: SyncSender<()>,
}

/// The running thread; when this is dropped, it works once more and ends.
#[derive(Debug)]
pub(super) struct Ticking {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Bell {
    /// With its receiver.
    pub(super) fn new() -> (Arc<Self>, Receiver<()>) {
        let (to, heard) = sync_channel(1);
        (Arc::new(Bell { rung: AtomicBool::new(false), over: AtomicBool::new(false), to }), heard)
    }

    /// There may be something to do. Almost free if that is known already.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Full: it is woken anyway.
            let _ = self.to.try_send(());
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

impl Ticking {
    /// Calls `work` at intervals until it returns that nothing is left, again after the bell has rung, and at the end
    /// with `true`.
    pub(super) fn start(
        name: &'static str,
        (bell, heard): (Arc<Bell>, Receiver<()>),
        every: Duration,
        mut work: impl FnMut(bool) -> bool + Send + 'static,
    ) -> Self {
        let thread = Builder::new().name(name.to_owned()).spawn({
            let bell = Arc::clone(&bell);
            move || {
                let mut left = true;
                while waits(&bell, &heard, &mut left, every) {
                    // What arrives during the work rings again; what came before is covered by it.
                    bell.rung.swap(false, Ordering::AcqRel);
                    left = work(false);
                }
                work(true);
            }
        });
        if let Err(error) = &thread {
            // Without it alarms are still synced one by one, every line survives the daemon, and readers bring the
            // index up to date.
            tracing::error!(%error, name, "Thread of the audit log not started");
        }
        Ticking { bell, thread: thread.ok() }
    }
}

/// Waits until it is time to work; false when all is over. The bell does not hurry the thread: what rang it may be the
/// first of many.
fn waits(bell: &Bell, heard: &Receiver<()>, left: &mut bool, every: Duration) -> bool {
    let mut until = Instant::now() + if *left { every } else { REST };
    while !bell.is_over() {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
            Ok(()) if !*left => {
                *left = true;
                until = Instant::now() + every;
            }
            Ok(()) => {}
        }
    }
    false
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.bell.over.store(true, Ordering::Release);
        let _ = self.bell.to.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;

    use super::*;

    const EVERY: Duration = Duration::from_millis(1);

    /// Says when it works; `left` is how often more is left.
    fn ticking(left: usize) -> (Ticking, Arc<Bell>, Receiver<bool>) {
        let (bell, heard) = Bell::new();
        let (say, said) = channel();
        let mut left = left;
        let ticking = Ticking::start("test", (Arc::clone(&bell), heard), EVERY, move |last| {
            say.send(last).unwrap();
            left = left.saturating_sub(1);
            left > 0
        });
        (ticking, bell, said)
    }

    #[test]
    fn it_works_while_something_is_left_and_when_it_is_rung() {
        let (ticking, bell, said) = ticking(3);
        let patience = Duration::from_secs(20);
        for _ in 0..3 {
            assert!(!said.recv_timeout(patience).unwrap());
        }
        assert!(said.recv_timeout(50 * EVERY).is_err(), "it rests");
        for _ in 0..3 {
            bell.ring();
            assert!(!said.recv_timeout(patience).unwrap());
        }
        drop(ticking);
        assert!(said.iter().last().unwrap(), "the end is said");
    }

    #[test]
    fn a_rest_ends_with_the_thread() {
        let (ticking, _, said) = ticking(1);
        said.recv().unwrap();
        drop(ticking);
        assert_eq!(said.iter().collect::<Vec<_>>(), [true]);
    }
}
